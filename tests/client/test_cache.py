"""What a cache file, or a directory shipped with an app, spares and keeps.

Invariant: a directory below what was ever accepted is not accepted after a restart either; a file that is not
ours is never trusted, and never silently forgotten.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from extproc.client import LinkError
from extproc.client.store import FileStore, Remembered
from extproc.link.directory import Accepted, sign
from extproc.link.keys import RootPrivateKey
from tests.client.conftest import Opening
from tests.client.gateway import DAY, LINK, SHOP, START, Clock, Gateway, answering


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "app" / "link.json"


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.parent.iterdir()}


def test_a_restart_fetches_nothing(connect: Opening, gateway: Gateway, cache: Path) -> None:
    for _ in range(2):
        connect(cache=cache)("GET", SHOP)
    assert len(gateway.fetches) == 1
    first, second = (inner.cookie_binding for inner in gateway.ran)
    assert first == second, "the binding is the install's"
    assert cache.stat().st_mode & 0o777 == 0o600
    assert names(cache) == {"link.json", "link.json.lock"}


@pytest.mark.parametrize("change", [{"serial": 4}, {"path": "/other"}], ids=["back", "other bytes"])
def test_a_rollback_is_caught_after_a_restart(
    connect: Opening, gateway: Gateway, clock: Clock, cache: Path, change: dict[str, object]
) -> None:
    gateway.serial = 5
    connect(cache=cache)("GET", SHOP)
    clock.advance(7 * DAY)
    rolled_back = gateway.signed(**{"expires_at": START + 9 * DAY, **change})
    gateway.directories.append(answering(gateway.keys_answer(rolled_back)))
    with pytest.raises(LinkError, match="serial"):
        connect(cache=cache)("GET", SHOP)
    assert gateway.fetches[1].headers["cache-control"] == "no-cache"


def test_a_newer_directory_is_kept(connect: Opening, gateway: Gateway, clock: Clock, cache: Path) -> None:
    call = connect(cache=cache)
    call("GET", SHOP)
    gateway.serial = 2
    clock.advance(4 * DAY)
    call("GET", SHOP)
    assert FileStore(cache, LINK).load().signed == gateway.signed()


def test_a_cached_directory_is_refreshed_when_its_time_comes(
    connect: Opening, gateway: Gateway, clock: Clock, cache: Path
) -> None:
    connect(cache=cache)("GET", SHOP)
    clock.advance(4 * DAY)
    connect(cache=cache)("GET", SHOP)
    assert len(gateway.fetches) == 2


def test_other_roots_do_not_trust_it(connect: Opening, gateway: Gateway, cache: Path) -> None:
    connect(cache=cache)("GET", SHOP)
    gateway.root = RootPrivateKey.generate()
    connect(cache=cache)("GET", SHOP)
    assert len(gateway.fetches) == 2
    assert len(FileStore(cache, LINK).load().accepted) == 2, "a floor for each root"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "links": {}}',
        '{"version": 1, "links": {"https://gw.example.com": {}}}',
        '{"version": 1, "links": []}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_corrupt_file_is_kept_aside_and_said(
    connect: Opening, gateway: Gateway, cache: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    cache.parent.mkdir()
    raw = text.encode("utf-8", "surrogateescape")
    cache.write_bytes(raw)
    with caplog.at_level(logging.WARNING, "extproc.client"):
        connect(cache=cache)("GET", SHOP)
    assert "rollback floor forgotten" in caplog.text
    assert cache.with_name("link.json.corrupt").read_bytes() == raw
    assert FileStore(cache, LINK).load().signed == gateway.signed()


def test_a_binding_of_another_length_is_corrupt(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FileStore(cache, LINK)
    store.save(Remembered(cookie_binding=bytes(32)))
    document = json.loads(cache.read_text())
    document["links"][LINK]["cookie_binding"] = "00"
    cache.write_text(json.dumps(document))
    assert store.load() == Remembered()
    assert "corrupt" in caplog.text


def test_a_file_that_cannot_be_written_costs_no_request(
    connect: Opening, gateway: Gateway, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.parent.write_text("a file where a folder should be")
    with pytest.raises(NotADirectoryError):
        connect(cache=cache)
    cache.parent.unlink()
    call = connect(cache=cache)
    cache.unlink()
    cache.mkdir()
    assert call("GET", SHOP).status_code == 200
    assert "in memory only" in caplog.text


def test_links_share_a_file_and_nothing_in_it(cache: Path) -> None:
    one = Remembered(b"one", {b"root": Accepted(7, b"digest")}, bytes(32))
    other = Remembered(b"other", {b"root": Accepted(3, b"other")}, bytes([1]) * 32)
    FileStore(cache, "https://one.example.com").save(one)
    FileStore(cache, "https://other.example.com").save(other)
    assert FileStore(cache, "https://one.example.com").load() == one
    assert FileStore(cache, "https://other.example.com").load() == other


def test_no_process_lowers_the_floor_of_another(cache: Path) -> None:
    """Two of them have the file open; the slower one writes last."""
    store = FileStore(cache, LINK)
    newer = Remembered(b"newer", {b"root": Accepted(8, b"8")}, bytes(32))
    store.save(newer)
    store.save(Remembered(b"older", {b"root": Accepted(7, b"7"), b"next": Accepted(1, b"1")}, bytes(32)))
    assert store.load() == Remembered(
        b"newer", {b"root": Accepted(8, b"8"), b"next": Accepted(1, b"1")}, bytes(32)
    )


def test_the_binding_of_an_install_stays(cache: Path) -> None:
    store = FileStore(cache, LINK)
    store.save(Remembered(cookie_binding=bytes(32)))
    store.save(Remembered(cookie_binding=bytes([1]) * 32))  # of a process that started at the same time
    assert store.load().cookie_binding == bytes(32)


def test_a_crash_while_writing_leaves_the_old_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(cache, LINK)
    store.save(Remembered(b"old"))

    def crash(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", crash)
    with pytest.raises(OSError, match="No space"):
        store.save(Remembered(b"new"))
    assert store.load().signed == b"old"
    assert names(cache) == {"link.json", "link.json.lock"}


def test_a_shipped_directory_spares_the_first_fetch(connect: Opening, gateway: Gateway) -> None:
    connect(directory=gateway.signed())("GET", SHOP)
    assert gateway.fetches == []


def test_a_shipped_directory_is_verified_like_any(
    connect: Opening, gateway: Gateway, cache: Path, clock: Clock
) -> None:
    foreign = sign(gateway.directory(), RootPrivateKey.generate())
    connect(directory=foreign)("GET", SHOP)
    assert len(gateway.fetches) == 1
    shipped = gateway.signed()
    gateway.serial = 2
    connect(cache=cache)("GET", SHOP)
    connect(cache=cache, directory=shipped)("GET", SHOP)
    assert len(gateway.fetches) == 2, "the cached one is newer"
    clock.advance(8 * DAY)
    gateway.directories.append(
        answering(gateway.keys_answer(gateway.signed(serial=3, expires_at=START + 9 * DAY)))
    )
    connect(directory=shipped)("GET", SHOP)
    assert len(gateway.fetches) == 3, "expired"


def test_pinned_keys_keep_the_binding_too(connect: Opening, gateway: Gateway, cache: Path) -> None:
    pin = "x25519:" + "A" * 43
    for _ in range(2):
        connect(cache=cache, keys=[pin])
    first = FileStore(cache, LINK).load()
    assert (len(first.cookie_binding), first.signed, first.accepted) == (32, b"", {})
