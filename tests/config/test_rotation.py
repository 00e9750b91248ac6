"""How a directory changes, without a disk or a clock.

Invariant: every step has a higher serial and a fresh life, lists X-Wing before X25519 and the newest key of a
kind first, never leaves a client without a key, and forgets no key that may still open something.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.config import rotation
from extproc.config.rotation import DAY, GRACE, KEY_LIFE, LEAD, LIFE, Terms
from extproc.errors import UserError
from extproc.link.directory import Directory
from extproc.link.keys import PublicKey
from extproc.link.suites import Kem

TERMS = Terms(
    links=("https://gw.example.com",), path="/_link", stream_path="/_link/stream", max_request_bytes=2**20
)
NOW = 1_800_000_000.25
BEGIN = 1_800_000_001  # the second after


def key(number: int, kem: Kem = Kem.XWING) -> PublicKey:
    return PublicKey(kem, number.to_bytes(kem.public_key_length, "big"))


def ids(directory: Directory) -> list[bytes]:
    return [entry.key.key_id for entry in directory.keys]


def test_the_first_directory() -> None:
    classic, hybrid = key(1, Kem.X25519), key(2)
    made = rotation.first([classic, hybrid], TERMS, NOW)
    assert ids(made) == [hybrid.key_id, classic.key_id]
    assert [(entry.not_before, entry.not_after) for entry in made.keys] == [(BEGIN, BEGIN + KEY_LIFE)] * 2
    assert (made.serial, made.issued_at, made.expires_at) == (int(NOW), int(NOW), int(NOW) + LIFE)
    assert Terms.in_directory(made) == TERMS


def test_rotation_puts_the_new_key_in_front_and_ends_the_old_after_the_overlap() -> None:
    made = rotation.first([key(1), key(2, Kem.X25519)], TERMS, NOW)
    later = NOW + 30 * DAY
    turned = rotation.rotated(made, [key(3), key(4, Kem.X25519)], TERMS, later)
    assert ids(turned) == [key(3).key_id, key(1).key_id, key(4, Kem.X25519).key_id, key(2, Kem.X25519).key_id]
    begin = BEGIN + 30 * DAY + LEAD  # by then every worker holds it
    assert turned.keys[1].not_after == begin + LIFE
    assert [turned.preferred(moment) for moment in (begin - 1, begin)] == [key(1), key(3)]
    assert turned.serial == made.serial + 1


def test_without_overlap_there_is_no_moment_without_a_key() -> None:
    made = rotation.first([key(1)], TERMS, NOW)
    for lead in (0, 5):
        turned = rotation.rotated(made, [key(2)], TERMS, NOW + DAY, overlap=0, lead=lead)
        moments = range(int(NOW + DAY) + lead, int(NOW + DAY) + lead + 3)
        assert [turned.preferred(moment) for moment in moments] == [key(1), key(2), key(2)]


def test_an_overlap_never_prolongs_a_key() -> None:
    made = rotation.first([key(1)], TERMS, NOW)
    turned = rotation.rotated(made, [key(2)], TERMS, NOW, overlap=10 * KEY_LIFE)
    assert turned.keys[1].not_after == made.keys[0].not_after


def test_a_retired_key_ends_now_and_is_listed_until_it_opens_nothing() -> None:
    made = rotation.first([key(1), key(2)], TERMS, NOW)
    retired = rotation.retired(made, key(1).key_id, TERMS, NOW + DAY)
    assert retired.keys[0].not_after == int(NOW + DAY)
    assert retired.preferred(int(NOW + DAY)) == key(2)
    for now, held, listed in (
        (NOW + DAY + GRACE - 1, (), [key(1), key(2)]),
        (NOW + DAY + GRACE, (key(1).key_id,), [key(1), key(2)]),  # its file is still there
        (NOW + DAY + GRACE, (), [key(2)]),
    ):
        assert [entry.key for entry in rotation.pruned(retired, held, now).keys] == listed


def test_the_last_key_can_not_be_retired() -> None:
    made = rotation.first([key(1)], TERMS, NOW)
    with pytest.raises(UserError, match=r"no key to use; make a new one first \(extproc keys rotate\)"):
        rotation.retired(made, key(1).key_id, TERMS, NOW + DAY)


def test_the_last_key_in_use_can_not_be_retired_for_one_that_is_to_come() -> None:
    turned = rotation.rotated(rotation.first([key(1)], TERMS, NOW), [key(2)], TERMS, NOW + DAY)
    with pytest.raises(UserError, match="and wait until its time begins"):
        rotation.retired(turned, key(1).key_id, TERMS, NOW + DAY + LEAD - 1)
    rotation.retired(turned, key(1).key_id, TERMS, NOW + DAY + LEAD + 1)


def test_a_key_may_have_been_used_before_its_time_but_not_before_it_was_made() -> None:
    """By a client whose clock is fast; the first keys have no such time."""
    first = rotation.first([key(1), key(2, Kem.X25519)], TERMS, NOW)
    turned = rotation.rotated(first, [key(3)], TERMS, NOW + DAY)
    made = {entry.key: rotation.created_at(entry, turned) for entry in turned.keys}
    assert made == {key(1): BEGIN, key(2, Kem.X25519): BEGIN, key(3): BEGIN + DAY}


def test_renewal_takes_what_the_settings_say_now() -> None:
    made = rotation.first([key(1)], TERMS, NOW)
    moved = Terms(links=("https://new.example.com",), path="/x", stream_path="/x/stream", max_request_bytes=1)
    renewed = rotation.renewed(made, moved, NOW + DAY)
    assert Terms.in_directory(renewed) == moved
    assert renewed.keys == made.keys
    assert renewed.expires_at == int(NOW + DAY) + LIFE


STEPS = st.lists(
    st.tuples(st.sampled_from(["rotate", "retire", "renew"]), st.integers(0, 20 * DAY)), max_size=12
)


@given(STEPS)
def test_any_history(steps: list[tuple[str, int]]) -> None:
    now, fresh = NOW, iter(range(3, 1000))
    directory = rotation.first([key(1), key(2, Kem.X25519)], TERMS, now)
    for step, pause in steps:
        now += pause
        before, directory = directory, _step(directory, step, now, fresh=next(fresh))
        if step == "retire" and directory is before:
            continue
        assert directory.serial == before.serial + 1
        assert directory.expires_at - now <= LIFE
        kems = [entry.key.kem for entry in directory.keys]
        assert kems == sorted(kems, key=lambda kem: kem is not Kem.XWING)
        assert set(ids(before)) <= set(ids(directory))
        directory = rotation.pruned(directory, (), now)
        assert all(entry.not_after + GRACE > now for entry in directory.keys)
        if step == "rotate":
            assert directory.preferred(int(now) + 1 + LEAD) == directory.keys[0].key


def _step(directory: Directory, step: str, now: float, *, fresh: int) -> Directory:
    if step == "rotate":
        return rotation.rotated(directory, [key(fresh)], TERMS, now)
    if step == "renew" or not directory.keys:
        return rotation.renewed(directory, TERMS, now)
    try:
        return rotation.retired(directory, ids(directory)[-1], TERMS, now)
    except UserError:
        return directory
