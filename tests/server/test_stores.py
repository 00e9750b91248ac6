"""Replay stores. Invariant: an id is FRESH once in 300 s, whoever asks; what can't be told is UNAVAILABLE."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.errors import UserError
from extproc.link.replay import KEEP_MS, ReplayStore, Verdict
from extproc.server.stores import LmdbStore, MemoryStore, open_store
from tests.server.gateways import settings

NOW = 1_700_000_000_000
ROOT = Path(__file__).parents[2]
Factory = Callable[[int], ReplayStore]


@pytest.fixture(params=["memory", "lmdb"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Factory]:
    """Makes a store of a capacity, created at NOW."""
    if request.param == "memory":
        yield lambda capacity: MemoryStore(capacity, NOW)
        return
    opened: list[LmdbStore] = []

    def make(capacity: int) -> LmdbStore:
        opened.append(LmdbStore(tmp_path / f"replay{len(opened)}", capacity, NOW))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def number(value: int) -> bytes:
    return value.to_bytes(16, "big")


def test_an_id_is_fresh_once_until_its_time_is_over(factory: Factory) -> None:
    store = factory(10)
    assert store.created_at_ms == NOW
    assert store.check(number(1), NOW) is Verdict.FRESH
    assert store.check(number(2), NOW) is Verdict.FRESH
    assert store.check(number(1), NOW) is Verdict.SEEN
    assert store.check(number(1), NOW + KEEP_MS - 1) is Verdict.SEEN
    assert store.check(number(1), NOW + KEEP_MS) is Verdict.FRESH


def test_a_clock_that_steps_back_forgets_nothing(factory: Factory) -> None:
    store = factory(10)
    assert store.check(number(1), NOW) is Verdict.FRESH
    assert store.check(number(1), NOW - 3_600_000) is Verdict.SEEN


def test_a_full_store_refuses_and_never_evicts(factory: Factory) -> None:
    store = factory(3)
    assert [store.check(number(n), NOW + n) for n in range(4)] == [*3 * [Verdict.FRESH], Verdict.UNAVAILABLE]
    assert [store.check(number(n), NOW + 9) for n in range(3)] == 3 * [Verdict.SEEN]
    assert store.check(number(3), NOW + KEEP_MS) is Verdict.FRESH  # number 0 has made room
    assert store.check(number(4), NOW + KEEP_MS) is Verdict.UNAVAILABLE


def test_it_knows_when_it_is_full(factory: Factory) -> None:
    store = factory(1)
    assert store.can_tell(NOW)
    store.check(number(1), NOW)
    assert not store.can_tell(NOW)
    assert store.can_tell(NOW + KEEP_MS)


CHECKS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 1, 1000, 50_000, KEEP_MS])), max_size=150)


@pytest.mark.parametrize("kind", ["memory", "lmdb"])
@given(checks=CHECKS, capacity=st.integers(1, 30))
def test_against_a_model(kind: str, checks: list[tuple[int, int]], capacity: int) -> None:
    """The model is a dictionary of expiries. A dead id may be SEEN until a purge; a live one always is."""
    with tempfile.TemporaryDirectory() as folder:
        store: ReplayStore = (
            MemoryStore(capacity, NOW) if kind == "memory" else LmdbStore(Path(folder, "s"), capacity, NOW)
        )
        now, expiries = NOW, dict[int, int]()
        for identity, step in checks:
            now += step
            verdict = store.check(number(identity), now)
            live = {known for known, expiry in expiries.items() if expiry > now}
            if identity in live:
                assert verdict is Verdict.SEEN
            elif len(live) == capacity:
                assert verdict is Verdict.UNAVAILABLE
            elif identity in expiries:
                assert verdict in {Verdict.FRESH, Verdict.SEEN}
            else:
                assert verdict is Verdict.FRESH
            if verdict is Verdict.FRESH:
                expiries[identity] = now + KEEP_MS
        if isinstance(store, LmdbStore):
            store.close()


def test_the_map_holds_what_capacity_promises(tmp_path: Path) -> None:
    """Three generations, each as large as the store: what fills it is the count, never the map."""
    capacity = 8_000
    store = LmdbStore(tmp_path / "replay", capacity, NOW)
    for generation in range(3):
        now = NOW + generation * (KEEP_MS + 1)
        for _ in range(capacity // 7):  # a crowd leaves a few at a time
            store.check(os.urandom(16), now - 1)
        found = Counter(store.check(os.urandom(16), now) for _ in range(capacity))
        assert found[Verdict.FRESH] >= capacity * 6 // 7
    store.close()


OPEN = """
import itertools, json, sys
from pathlib import Path
from extproc.server.stores import LmdbStore
now = int(sys.argv[2])
store = LmdbStore(Path(sys.argv[1]), 1_000_000, now)
"""
OFFER = """
print(store.created_at_ms, flush=True)
sys.stdin.readline()
print(json.dumps([store.check(n.to_bytes(16, "big"), now).name for n in range(2_000)]))
"""
HAMMER = """
for n in itertools.count():
    store.check(n.to_bytes(16, "big"), now)
    if n == 1_000:
        print(flush=True)
"""


def process(script: str, folder: Path, now: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPEN + script, str(folder), str(now)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def line(of: subprocess.Popen[str]) -> str:
    assert of.stdout
    return of.stdout.readline()


def test_of_four_processes_one_gets_each_id(tmp_path: Path) -> None:
    """They also open the store at once, each at its own time, and agree on when it was created."""
    processes = [process(OFFER, tmp_path / "replay", NOW + n) for n in range(4)]
    assert len({line(of=offering) for offering in processes}) == 1
    outputs = [json.loads(offering.communicate("go\n")[0]) for offering in processes]
    assert [Counter(column) for column in zip(*outputs, strict=True)] == 2_000 * [{"FRESH": 1, "SEEN": 3}]


def test_what_another_process_adds_takes_up_room(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "replay", 2_001, NOW)
    assert store.check(os.urandom(16), NOW) is Verdict.FRESH  # and there is room for 2,000 more
    offering = process(OFFER, tmp_path / "replay", NOW)
    line(of=offering)
    offering.communicate("go\n")
    assert store.check(os.urandom(16), NOW) is Verdict.UNAVAILABLE
    assert not store.can_tell(NOW)
    store.close()


PIN = """
import sys, lmdb
reader = lmdb.open(sys.argv[1], subdir=False, max_dbs=3).begin()
print(reader.id(), flush=True)
sys.stdin.readline()
"""


def test_a_file_that_can_grow_no_further_refuses(tmp_path: Path) -> None:
    """What only a foreign hand can bring about: a reader that pins every page there is."""
    store = LmdbStore(tmp_path / "replay", 4, NOW)
    (file,) = (tmp_path / "replay").glob("*.mdb")
    command = [sys.executable, "-c", PIN, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pinning:
        assert line(of=pinning)
        verdicts = [store.check(number(n), NOW + n * KEEP_MS) for n in range(2_000)]
        pinning.communicate("go\n")
    assert verdicts[0] is Verdict.FRESH
    assert verdicts[-1] is Verdict.UNAVAILABLE
    assert store.check(number(9_999), NOW + 2_000 * KEEP_MS) is Verdict.FRESH  # and recovers
    store.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_it_grows_with_what_it_holds(tmp_path: Path, workers: int) -> None:
    """From 1 MiB, by blocks that it has before it writes into them, whichever worker is the first to."""
    script = OFFER.replace("2_000", "40_000")
    processes = [process(script, tmp_path / "replay", NOW) for _ in range(workers)]
    for offering in processes:
        line(of=offering)
    outputs = [json.loads(offering.communicate("go\n")[0]) for offering in processes]
    expected = {"FRESH": 1, "SEEN": workers - 1} if workers > 1 else {"FRESH": 1}
    assert [Counter(column) for column in zip(*outputs, strict=True)] == 40_000 * [expected]
    (file,) = (tmp_path / "replay").glob("*.mdb")
    assert file.stat().st_size in {2**22, 2**23}
    assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_a_killed_process_loses_and_blocks_nothing(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "replay", 1_000_000, NOW)
    for life in range(3):
        hammering = process(HAMMER, tmp_path / "replay", NOW + life)
        line(of=hammering)
        hammering.kill()
        hammering.communicate()
        assert {store.check(number(n), NOW + life) for n in range(1_000)} == {Verdict.SEEN}
        assert store.check(os.urandom(16), NOW + life) is Verdict.FRESH
    store.close()


def test_a_store_is_reopened_in_the_same_boot(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "replay", 10, NOW)
    store.check(number(1), NOW)
    store.close()
    again = LmdbStore(tmp_path / "replay", 10, NOW + 5)
    assert again.created_at_ms == NOW
    assert again.check(number(1), NOW + 5) is Verdict.SEEN
    again.close()


def test_after_the_next_boot_it_is_empty_and_says_so(tmp_path: Path) -> None:
    before = LmdbStore(tmp_path / "replay", 10, NOW, boot_id="monday")
    before.check(number(1), NOW)
    before.close()
    after = LmdbStore(tmp_path / "replay", 10, NOW + 7, boot_id="tuesday")
    assert after.created_at_ms == NOW + 7
    assert after.check(number(1), NOW + 7) is Verdict.FRESH
    after.close()
    assert sorted(path.name for path in (tmp_path / "replay").iterdir()) == [
        "tuesday.mdb",
        "tuesday.mdb-lock",
    ]


def test_only_this_user_reads_the_store(tmp_path: Path) -> None:
    open_store(settings(tmp_path), NOW)
    paths = [tmp_path / "state", tmp_path / "state/replay", *(tmp_path / "state/replay").iterdir()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o700, 0o700, 0o600, 0o600]


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o750)
    with pytest.raises(UserError, match=r"state: mode 0750 lets others in; expected 0700"):
        open_store(settings(tmp_path), NOW)


def test_what_is_no_store_is_one_sentence(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "replay", 10, NOW, boot_id="today")
    store.close()
    (tmp_path / "replay/today.mdb").write_bytes(b"not a store" * 1000)
    with pytest.raises(UserError, match=r"replay: the replay store can't be opened: .*today.mdb"):
        LmdbStore(tmp_path / "replay", 10, NOW, boot_id="today")


def test_a_broken_store_is_unavailable(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "replay", 10, NOW)
    store.close()
    with pytest.raises(lmdb.Error):
        store._file.environment.begin()
    assert store.check(number(1), NOW) is Verdict.UNAVAILABLE


def test_a_store_whose_file_was_removed_tells_nothing_more(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path / "replay", 10, NOW)
    assert store.check(number(1), NOW) is Verdict.FRESH
    shutil.rmtree(tmp_path / "replay")
    assert store.check(number(2), NOW) is Verdict.UNAVAILABLE
    assert not store.can_tell(NOW)
    new = LmdbStore(tmp_path / "replay", 10, NOW + 1)
    assert new.check(number(2), NOW + 1) is Verdict.FRESH
    assert store.check(number(2), NOW + 1) is Verdict.UNAVAILABLE
    store.close()
    new.close()
