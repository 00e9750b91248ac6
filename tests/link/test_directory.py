"""The key directory: what a client accepts, what it uses of it, and what it remembers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from extproc.errors import DirectoryError
from extproc.link.directory import MAX_LIFE, Accepted, Directory, DirectoryKey, Verified, decode, sign, verify
from extproc.link.keys import PrivateKey, PublicKey, RootPrivateKey
from extproc.link.suites import Kem
from tests.vectors.material import KEYS, LINK, NOW, ROOTS
from tests.vectors.topics import directory as written

A, B = (RootPrivateKey(Ed25519PrivateKey.from_private_bytes(seed)) for seed in ROOTS.values())
XWING, X25519 = (PublicKey(Kem(KEYS[name].kem_id), KEYS[name].public) for name in ("xwing-a", "x25519-a"))
DIRECTORY = Directory(
    serial=7,
    issued_at=written.ISSUED,
    expires_at=written.EXPIRES,
    keys=tuple(DirectoryKey(key, written.ISSUED, written.EXPIRES + 86_400) for key in (XWING, X25519)),
    path="/_link",
    stream_path="",
    max_request_bytes=1_048_576,
    links=(LINK, "https://gw2.example.com"),
)
SIGNED = sign(DIRECTORY, A)
Remembered = dict[bytes, Accepted]


def accept(
    signed: bytes,
    accepted: Remembered | None = None,
    *,
    now: int = NOW,
    roots: tuple[RootPrivateKey, ...] = (A,),
) -> Verified:
    pinned = [root.public for root in roots]
    return verify(signed, roots=pinned, link=LINK, now=now, accepted=accepted or {})


def test_what_is_signed_is_what_the_page_says() -> None:
    assert DIRECTORY.serialize() == written.serialized({}, written.XWING_FIRST)
    assert written.signed(DIRECTORY.serialize(), "root-a") == SIGNED
    assert decode(SIGNED) == accept(SIGNED).directory == DIRECTORY


def test_every_bit_counts() -> None:
    """Also in the wrapping, which is not signed itself."""
    for bit in range(0, 8 * len(SIGNED), 3):
        changed = bytearray(SIGNED)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DirectoryError):
            accept(bytes(changed))


def test_every_cut_shows() -> None:
    for length in range(len(SIGNED)):
        with pytest.raises(DirectoryError):
            accept(SIGNED[:length])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=12))
def test_serials_only_grow(serials: list[int]) -> None:
    """In whatever order directories come, the one in force is the highest seen."""
    remembered: Remembered = {}
    highest = -1
    for serial in serials:
        signed = sign(replace(DIRECTORY, serial=serial), A)
        if serial >= highest:
            remembered = dict(accept(signed, remembered).accepted)
            highest = serial
        else:
            with pytest.raises(DirectoryError, match="rolled back"):
                accept(signed, remembered)
        assert remembered[A.public.root_id].serial == highest


@given(st.integers(-MAX_LIFE, 2 * MAX_LIFE))
def test_a_directory_lives_from_a_day_before_it_is_issued_until_it_expires(age: int) -> None:
    now = DIRECTORY.issued_at + age
    if age >= -86_400 and now < DIRECTORY.expires_at:
        assert accept(SIGNED, now=now).directory == DIRECTORY
    else:
        with pytest.raises(DirectoryError, match=r"expired|future"):
            accept(SIGNED, now=now)


def test_each_root_remembers_its_own_serial() -> None:
    by_a = accept(sign(replace(DIRECTORY, serial=9), A), roots=(A, B)).accepted
    assert by_a.keys() == {A.public.root_id}
    by_both = accept(sign(replace(DIRECTORY, serial=10), A, B), dict(by_a), roots=(A, B)).accepted
    assert {root_id: seen.serial for root_id, seen in by_both.items()} == {
        A.public.root_id: 10,
        B.public.root_id: 10,
    }
    with pytest.raises(DirectoryError, match="rolled back"):
        accept(sign(replace(DIRECTORY, serial=9), B), dict(by_both), roots=(A, B))


def test_no_pinned_root_accepts_nothing() -> None:
    for roots in ((), (B,)):
        with pytest.raises(DirectoryError, match="no pinned root"):
            accept(SIGNED, roots=roots)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_the_first_key_that_serves_is_used(now: int, begin: int, end: int, require_pq: bool) -> None:
    keys = (DirectoryKey(X25519, begin, end), DirectoryKey(XWING, 0, 101))
    directory = replace(DIRECTORY, keys=keys)
    x25519_serves = begin <= now < end and not require_pq
    assert directory.preferred(now, require_pq=require_pq) == (X25519 if x25519_serves else XWING)


def test_without_xwing_there_is_no_post_quantum_key() -> None:
    directory = replace(DIRECTORY, keys=DIRECTORY.keys[1:])
    assert directory.preferred(NOW) == X25519
    assert directory.preferred(NOW, require_pq=True) is None


def test_what_was_drawn_is_what_is_listed() -> None:
    key = PrivateKey.generate(Kem.XWING).public
    directory = replace(DIRECTORY, keys=(DirectoryKey(key, 0, 2**40),))
    assert accept(sign(directory, A)).directory.preferred(NOW) == key
