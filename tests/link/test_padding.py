"""Padding: at most 12 %, to a length that tells little, reached as exactly as a field can reach it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from extproc.link.padding import pad, padme
from extproc.link.pb import privatelink_pb2 as pb
from tests.link.strategies import INNER_REQUESTS, INNER_RESPONSES

LENGTHS = st.integers(0, 2**40)


def test_every_length_up_to_64_kib() -> None:
    previous = 0
    for length in range(2**16):
        padded = padme(length)
        assert length <= padded <= length * 1.12
        assert padded >= previous, "a longer message would show by a shorter padding"
        previous = padded


@given(LENGTHS)
def test_bounds_of_padme(length: int) -> None:
    assert length <= padme(length) <= length * 1.12
    assert padme(padme(length)) == padme(length)


@given(LENGTHS, LENGTHS)
def test_padme_is_monotone(a: int, b: int) -> None:
    assert (padme(a) <= padme(b)) == (a <= b) or padme(a) == padme(b)


def test_few_lengths_are_left() -> None:
    """What padding is for: of 2^16 lengths, O(log log) bits remain."""
    assert len({padme(length) for length in range(2**16)}) < 200


@given(st.integers(0, 5000) | st.integers(60_000, 140_000))
def test_padding_reaches_what_a_field_can_reach(length: int) -> None:
    target, padded = padme(length), len(pad(bytes(length), "padme"))
    added = padded - length
    reachable = {0} | {field_length(zeros) for zeros in range(max(0, added - 8), added + 8)}
    assert added in reachable
    assert added == min(size for size in reachable if length + size >= target)


@given(INNER_REQUESTS | INNER_RESPONSES)
def test_padding_says_nothing(message: pb.InnerRequest | pb.InnerResponse) -> None:
    serialized = message.SerializeToString()
    assert pad(serialized, "none") == serialized
    padded = type(message).FromString(pad(serialized, "padme"))
    assert not any(padded.padding)
    padded.ClearField("padding")
    assert padded == message


def field_length(zeros: int) -> int:
    return len(pb.InnerResponse(padding=bytes(zeros)).SerializeToString()) if zeros else 2
