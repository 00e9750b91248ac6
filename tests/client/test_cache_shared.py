"""A cache file that processes share.

Invariant: what one process has saved, no other undoes: no entry is lost, no floor sinks, and there is one
cookie binding. A lock that does not come costs no request.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from extproc.client import locking
from extproc.client.store import FileStore, Remembered
from extproc.link.directory import Accepted
from tests.client.conftest import Opening
from tests.client.gateway import LINK, SHOP, Gateway

Work = Callable[[Path, int], list[int]]

PROCESSES = 3
ROUNDS = 20
ROOT = b"root"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "link.json"


def in_processes(work: Work, cache: Path) -> list[list[int]]:
    """What `work` returned in each process. They start together."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        barrier = manager.Barrier(PROCESSES)
        futures = [pool.submit(_together, barrier, work, cache, number) for number in range(PROCESSES)]
        return [future.result(60) for future in futures]


def _together(barrier: Barrier, work: Work, cache: Path, number: int) -> list[int]:
    barrier.wait(30)
    return work(cache, number)


def add_links(cache: Path, number: int) -> list[int]:
    for turn in range(ROUNDS):
        binding = bytes([number, turn]) * 16
        FileStore(cache, f"https://{number}-{turn}.example.com").save(Remembered(cookie_binding=binding))
    return []


def raise_floor(cache: Path, number: int) -> list[int]:
    """The serials that were lower after a save than what it saved."""
    store, sunk = FileStore(cache, LINK), []
    for serial in range(1, ROUNDS + 1):
        store.save(Remembered(b"%d" % serial, {ROOT: Accepted(serial, bytes(32))}))
        if store.load().accepted[ROOT].serial < serial:
            sunk.append(serial)
    return sunk


def draw_binding(cache: Path, number: int) -> list[int]:
    return list(FileStore(cache, LINK).save(Remembered(cookie_binding=os.urandom(32))).cookie_binding)


def test_no_entry_is_lost(cache: Path) -> None:
    in_processes(add_links, cache)
    for number in range(PROCESSES):
        for turn in range(ROUNDS):
            remembered = FileStore(cache, f"https://{number}-{turn}.example.com").load()
            assert remembered.cookie_binding == bytes([number, turn]) * 16


def test_no_floor_sinks(cache: Path) -> None:
    assert in_processes(raise_floor, cache) == [[]] * PROCESSES
    last = FileStore(cache, LINK).load()
    assert (last.signed, last.accepted[ROOT].serial) == (b"%d" % ROUNDS, ROUNDS)


def test_there_is_one_binding(cache: Path) -> None:
    drawn = in_processes(draw_binding, cache)
    assert drawn == [list(FileStore(cache, LINK).load().cookie_binding)] * PROCESSES


def test_a_transport_uses_the_binding_of_who_was_faster(
    connect: Opening, gateway: Gateway, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FileStore, "load", lambda _: Remembered())  # both look before either has saved
    for _ in range(2):
        connect(cache=cache)("GET", SHOP)
    one, other = (inner.cookie_binding for inner in gateway.ran)
    assert one == other


def test_of_one_serial_the_first_content_stands(cache: Path) -> None:
    store = FileStore(cache, LINK)
    first = Remembered(b"first", {ROOT: Accepted(7, b"first")}, bytes(32))
    store.save(first)
    assert store.save(Remembered(b"other", {ROOT: Accepted(7, b"other")}, bytes(32))) == first
    assert store.load() == first


def test_a_lock_that_does_not_come_costs_no_request(
    connect: Opening,
    gateway: Gateway,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(locking, "PATIENCE_S", 0.02)
    call = connect(cache=cache)
    with locking.locked(cache.with_name("link.json.lock")), caplog.at_level(logging.WARNING):
        assert call("GET", SHOP).status_code == 200
    assert "in memory only" in caplog.text
    assert FileStore(cache, LINK).load().signed == b""


def test_who_looks_into_a_damaged_file_does_not_move_the_one_that_replaces_it(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading and the lock, another process has mended it."""
    mended = Remembered(b"mended", {}, bytes(32))
    cache.write_text("{")
    store, lock = FileStore(cache, LINK), locking.locked

    def mend_first(path: Path) -> object:
        monkeypatch.setattr("extproc.client.store.locked", lock)
        store.save(mended)
        return lock(path)

    monkeypatch.setattr("extproc.client.store.locked", mend_first)
    assert store.load() == mended


def test_a_device_is_no_file_of_ours(connect: Opening) -> None:
    with pytest.raises(OSError, match="expected a regular file: '/dev/null'"):
        connect(cache="/dev/null")
    assert Path("/dev/null").is_char_device()
