"""Framing: what was framed comes out again, wherever the bytes are cut, and little is ever held.

Invariant: a reader holds less than the longest frame, whatever it is fed, and refuses a length out of bounds
with the byte that tells it.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.link.framing import (
    MAX_PREAMBLE,
    MAX_SEGMENT,
    MIN_SEGMENT,
    FrameReader,
    Segment,
    preamble,
)
from tests.link.strategies import cut, cuts
from tests.link.streamed import segment

SEGMENTS = st.builds(Segment, st.binary(min_size=MIN_SEGMENT, max_size=200), st.booleans())
LENGTH_BYTES = 4
LONGEST_FRAME = LENGTH_BYTES + MAX_SEGMENT


@given(st.binary(max_size=300), st.lists(SEGMENTS, max_size=6), st.data())
def test_round_trip(message: bytes, segments: list[Segment], data: st.DataObject) -> None:
    body = preamble(message) + b"".join(segment(each.ciphertext, final=each.final) for each in segments)
    reader = FrameReader()
    frames = [frame for piece in data.draw(cuts(body)) for frame in reader.receive(piece)]
    assert frames == [message, *segments]
    assert reader.held == 0


@given(st.sampled_from([0, 1, 127, 128, 129, 255, 256, 2047, MAX_PREAMBLE]), st.integers(1, 3))
def test_preambles_up_to_the_longest(length: int, step: int) -> None:
    reader, message = FrameReader(), b"p" * length
    framed = preamble(message)
    assert len(framed) == length + (1 if length < 128 else 2)
    assert [frame for piece in cut(framed, step) for frame in reader.receive(piece)] == [message]


@pytest.mark.parametrize("length", [MIN_SEGMENT, MAX_SEGMENT])
@pytest.mark.parametrize("step", [1, 4_096, LONGEST_FRAME])
def test_no_more_than_one_frame_is_held(length: int, step: int) -> None:
    """Between calls, less than one frame; and none that is whole."""
    frame = segment(b"c" * length, final=False)
    body = preamble(b"") + frame * 2
    reader, seen = FrameReader(), 0
    for piece in cut(body, step):
        seen += sum(1 for _ in reader.receive(piece))
        assert reader.held < len(frame)
    assert (seen, reader.held) == (3, 0)


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_arbitrary_bytes_are_frames_or_refused(pieces: list[bytes]) -> None:
    reader = FrameReader()
    with suppress(LinkError):
        for piece in pieces:
            assert all(length_of(frame) <= MAX_SEGMENT for frame in reader.receive(piece))
            assert reader.held < LONGEST_FRAME


def length_of(frame: bytes | Segment) -> int:
    return len(frame) if isinstance(frame, bytes) else len(frame.ciphertext)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("length", [0, 1, MIN_SEGMENT - 1, MAX_SEGMENT + 1, 2**20, 2**31 - 1])
def test_lengths_out_of_bounds_are_refused_before_a_byte_of_them_comes(length: int, final: bool) -> None:
    reader, head = FrameReader(), (length | final << 31).to_bytes(LENGTH_BYTES, "big")
    assert list(reader.receive(preamble(b"") + head[:-1])) == [b""]
    with pytest.raises(LinkError) as raised:
        list(reader.receive(head[-1:]))
    assert raised.value.code is Code.BAD_ENVELOPE


@pytest.mark.parametrize("varint", [b"\x81\x10", b"\xff\x7f", b"\x80\x80", b"\xff\xff"])
def test_longer_preambles_are_refused_at_the_second_byte(varint: bytes) -> None:
    reader = FrameReader()
    assert not list(reader.receive(varint[:1]))
    with pytest.raises(LinkError) as raised:
        list(reader.receive(varint[1:]))
    assert raised.value.code is Code.BAD_ENVELOPE


def test_frames_that_were_not_taken_wait() -> None:
    """An iterator that is left behind loses nothing."""
    one, two = (segment(bytes([number]) * 20, final=False) for number in (1, 2))
    reader = FrameReader()
    reader.receive(preamble(b"p"))
    assert next(reader.receive(one)) == b"p"
    assert list(reader.receive(two)) == [Segment(b"\x01" * 20, False), Segment(b"\x02" * 20, False)]


@pytest.mark.parametrize("length", [MIN_SEGMENT - 1, MAX_SEGMENT + 1])
def test_what_is_out_of_bounds_is_not_written(length: int) -> None:
    with pytest.raises(ValueError, match="16 to 66000"):
        segment(bytes(length), final=False)
    with pytest.raises(ValueError, match="at most 2048"):
        preamble(bytes(MAX_PREAMBLE + 1))
