"""Streamed messages, written and read.

Invariant: a message comes complete only as it was sent, however its bytes are cut. Anything else is an error,
BAD_ENVELOPE or UNKNOWN_KEY, and what was delivered before it is how the message begins.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.link.envelope import RequestReader
from extproc.link.framing import MAX_SEGMENT
from extproc.link.padding import Padding
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import MAX_DATA, MAX_EMPTY
from extproc.link.suites import Kem
from tests.link.strategies import HEADERS, INNER_REQUESTS, INNER_RESPONSES, NOW, cut, cuts, link
from tests.link.streamed import DIRECTIONS, Reader, forged, head_of, parts, read, sealed, start

BOTH = pytest.mark.parametrize("direction", DIRECTIONS)
PADDINGS = st.sampled_from(["none", "padme"])
TEXT = b"".join(number.to_bytes(3, "big") for number in range(2**16))
SIZES = st.integers(0, 300) | st.sampled_from([MAX_DATA - 1, MAX_DATA, MAX_DATA + 1, 2 * MAX_DATA + 3])
PIECES = st.tuples(st.integers(0, 99), SIZES).map(lambda drawn: TEXT[drawn[0] : sum(drawn)])
WRITES = st.lists(PIECES, min_size=1, max_size=4)
SENT = [b"one", b"two ", b"three"]
SOME = settings(max_examples=60)


@cache
def message(direction: str) -> tuple[bytes, list[bytes]]:
    """One message, and its parts."""
    body, _ = sealed(direction, SENT)
    return body, parts(body)


def fresh(direction: str) -> Reader:
    """Someone to read that message."""
    return start(direction).new_reader()


@SOME
@given(INNER_REQUESTS | INNER_RESPONSES, WRITES, HEADERS, PADDINGS, st.data())
def test_round_trip(
    inner: pb.InnerRequest | pb.InnerResponse,
    writes: list[bytes],
    trailers: list[pb.Header],
    padding: Padding,
    data: st.DataObject,
) -> None:
    inner.ClearField("body")
    begun = start("request" if isinstance(inner, pb.InnerRequest) else "response", inner, padding)
    body = begun.head + b"".join(map(begun.writer.write, writes[:-1]))
    body += begun.writer.finish(writes[-1], trailers)
    reader = begun.new_reader()
    got = read(reader, data.draw(cuts(body)))
    assert got.code is None
    assert head_of(reader) == inner
    assert got.data == b"".join(writes)
    assert got.chunks[-1].trailers == tuple(trailers)
    assert all(len(chunk.data) <= MAX_DATA for chunk in got.chunks)
    assert [chunk.is_final for chunk in got.chunks] == [False] * (len(got.chunks) - 1) + [True]


@BOTH
@pytest.mark.parametrize("length", [0, 1, MAX_DATA - 1, MAX_DATA, MAX_DATA + 1, 2 * MAX_DATA])
def test_no_more_segments_are_written_than_the_data_needs(direction: str, length: int) -> None:
    body, new_reader = sealed(direction, [b"d" * length])
    got = read(new_reader(), [body])
    assert got.data == b"d" * length
    assert len(got.chunks) == max(1, -(-length // MAX_DATA))


@BOTH
def test_every_place_to_cut(direction: str) -> None:
    body, _ = message(direction)
    whole = read(fresh(direction), [body])
    assert whole.code is None
    assert [chunk.data for chunk in whole.chunks] == SENT
    for place in range(len(body) + 1):
        assert read(fresh(direction), [body[:place], b"", body[place:]]) == whole
    assert read(fresh(direction), cut(body, 1)) == whole


@BOTH
def test_every_bit_counts(direction: str) -> None:
    body, _ = message(direction)
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        assert_refused(direction, [bytes(changed)])


@BOTH
def test_every_end_too_early_shows(direction: str) -> None:
    body, _ = message(direction)
    for length in range(len(body)):
        assert_refused(direction, [body[:length]])


@BOTH
@given(data=st.data())
def test_any_change_shows_and_wherever_it_is_cut(direction: str, data: st.DataObject) -> None:
    """Some of the bytes replaced by others: a refusal, the same for every cut."""
    body, _ = message(direction)
    first = data.draw(st.integers(0, len(body)))
    last = data.draw(st.integers(first, min(len(body), first + 40)))
    changed = body[:first] + data.draw(st.binary(max_size=40)) + body[last:]
    assume(changed != body)
    assert_refused(direction, data.draw(cuts(changed)))
    assert read(fresh(direction), data.draw(cuts(changed))) == read(fresh(direction), [changed])


@BOTH
@given(order=st.lists(st.integers(0, len(SENT)), max_size=8), data=st.data())
def test_segments_in_any_other_order_show(direction: str, order: list[int], data: st.DataObject) -> None:
    """Dropped, doubled, swapped."""
    assume(order != list(range(len(SENT) + 1)))
    _, (preamble, *segments) = message(direction)
    body = preamble + b"".join(segments[index] for index in order)
    assert_refused(direction, data.draw(cuts(body)))


@BOTH
@given(order=st.lists(st.integers(0, len(SENT)), max_size=12))
def test_an_error_is_the_end(direction: str, order: list[int]) -> None:
    """Whoever goes on after one gets nothing more, whatever comes then."""
    _, (preamble, *segments) = message(direction)
    reader, delivered, failed = fresh(direction), b"", False
    for piece in (preamble, *(segments[index] for index in order), *segments):
        before = delivered
        try:
            for chunk in reader.receive(piece):
                delivered += chunk.data
        except LinkError:
            failed = True
        assert not (failed and delivered != before)
    assert not failed or not is_complete(reader)
    assert b"".join(SENT).startswith(delivered)


def is_complete(reader: Reader) -> bool:
    with suppress(LinkError):
        reader.end()
        return True
    return False


@BOTH
@given(runs=st.lists(st.integers(0, 3) | st.integers(MAX_EMPTY - 1, MAX_EMPTY + 2), min_size=1, max_size=4))
def test_segments_without_data_have_a_bound(direction: str, runs: list[int]) -> None:
    """No more than 16 of them come in a row, from segment 1 to the final one, which is empty here."""
    empty = pb.InnerChunk(padding=bytes(3)).SerializeToString()
    chunks = [b"", *([empty] * runs[0])]
    for run in runs[1:]:
        chunks += [pb.InnerChunk(data=b"data").SerializeToString(), *([empty] * run)]
    got = read(fresh(direction), [forged(direction, [*chunks, empty])])
    runs[-1] += 1
    assert got.code is (None if max(runs) <= MAX_EMPTY else Code.BAD_ENVELOPE)


def test_what_has_bytes_after_it_is_not_complete() -> None:
    """Not even when the final chunk is handed out, and the error has still to come."""
    body, _ = message("response")
    _, opener = link(Kem.X25519).sealer()
    reader, other = opener.stream(), opener.stream()
    assert [other.is_complete for _ in other.receive(body)] == [False, False, True]
    seen: list[bool] = []
    with pytest.raises(LinkError, match="after the final segment"):
        seen.extend(reader.is_complete for _ in reader.receive(body + b"0"))
    assert seen == [False, False, False]


def assert_refused(direction: str, pieces: list[bytes]) -> None:
    reader = fresh(direction)
    got = read(reader, pieces)
    codes = (
        {Code.BAD_ENVELOPE, Code.UNKNOWN_KEY} if isinstance(reader, RequestReader) else {Code.BAD_ENVELOPE}
    )
    assert got.code in codes
    assert [chunk.data for chunk in got.chunks] == SENT[: len(got.chunks)]
    assert not is_complete(reader)


@BOTH
@pytest.mark.parametrize("size", [MAX_DATA, MAX_DATA + 1])
def test_a_chunk_has_a_bound(direction: str, size: int) -> None:
    chunk = pb.InnerChunk(data=bytes(size)).SerializeToString()
    got = read(fresh(direction), [forged(direction, [b"", chunk])])
    assert got.code is (None if size == MAX_DATA else Code.BAD_ENVELOPE)


@BOTH
@given(places=st.sets(st.integers(1, 5)))
def test_trailers_come_at_the_end_alone(direction: str, places: set[int]) -> None:
    field = pb.Header(name="x-checksum", value=b"1")
    chunks = [pb.InnerChunk(data=b"d", trailers=[field] if at in places else []) for at in range(1, 6)]
    body = forged(direction, [b"", *(chunk.SerializeToString() for chunk in chunks)])
    assert read(fresh(direction), [body]).code is (None if places <= {5} else Code.BAD_ENVELOPE)


@BOTH
def test_a_message_is_finished_once(direction: str) -> None:
    writer = start(direction).writer
    writer.finish(b"the end")
    with pytest.raises(RuntimeError, match="finished"):
        writer.finish()
    with pytest.raises(RuntimeError, match="finished"):
        writer.write(b"more")


def test_a_request_is_answered_once_whole_or_as_a_stream() -> None:
    answer, nonce = pb.InnerResponse(status=200), bytes(16)
    for first, second in product(("seal", "stream"), repeat=2):
        sealer, _ = link(Kem.X25519).sealer()
        getattr(sealer, first)(answer, nonce=nonce)
        with pytest.raises(RuntimeError, match="answered"):
            getattr(sealer, second)(answer, nonce=nonce)


def test_a_head_that_does_not_fit_leaves_the_answer_open() -> None:
    sealer, opener = link(Kem.X25519).sealer()
    long = pb.InnerResponse(headers=[pb.Header(name="a", value=bytes(MAX_SEGMENT))])
    with pytest.raises(ValueError, match="65984"):
        sealer.stream(long, nonce=bytes(16))
    assert opener.open(sealer.seal(long, nonce=bytes(16))) == long
    with pytest.raises(ValueError, match="65984"):
        start("request", pb.InnerRequest(path="/" * MAX_SEGMENT))


@BOTH
def test_trailers_that_do_not_fit_are_not_sent(direction: str) -> None:
    begun = start(direction)
    with pytest.raises(ValueError, match="16 to 66000"):
        begun.writer.finish(b"", [pb.Header(name="a", value=bytes(MAX_SEGMENT))])


def test_padding_leaves_few_lengths() -> None:
    """What a full segment adds to them is one: padded, it would not fit."""
    writer = start("response", padding="padme").writer
    lengths = {len(writer.write(bytes(size))) for size in range(1, MAX_DATA + 1, 7)}
    assert len(lengths) < 200
    assert max(lengths) <= 4 + MAX_SEGMENT


def test_a_key_that_is_not_held_shows_before_anything_opens() -> None:
    body, _ = sealed("request", SENT)
    reader = RequestReader(link(Kem.X25519).keyring, NOW + 10**6)
    assert read(reader, [body]).code is Code.UNKNOWN_KEY
    assert reader.opened is None


def test_a_response_opens_for_its_own_request_alone() -> None:
    both, (body, _) = link(Kem.X25519), message("response")
    _, other = both.seal(pb.InnerRequest(path="/"), b"another nonce of"[:16])
    assert read(other.stream(), [body]).code is Code.BAD_ENVELOPE
