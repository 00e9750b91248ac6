"""Hypothesis strategies: what a client may send, and what none should.

A script is a list of frames, and of answers of the server between them; its frames are whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import hpack
from hypothesis import strategies as st

from tests.wire import peer
from tests.wire.oracle import Answer, Step
from tests.wire.peer import PREFACE, REQUEST, frame, padded, settings

STREAMS: Final = (1, 3, 5, 7)
HOST: Final = ("host", "gw.example.com")
EXTRA: Final = (
    ("x-tea", "earl grey"),
    ("x-tea", "t" * 300),
    ("grpc-timeout", "100m"),
    ("cookie", "a=1; b=2"),
    ("x-empty", ""),
)
ODD: Final = (
    (":path", "/again"),
    (":status", "200"),
    ("connection", "close"),
    ("te", "gzip"),
    ("X-Upper", "1"),
    ("x-line", "a\nb"),
    HOST,
    ("host", "else.example.com"),
    ("content-length", "3"),
    ("content-length", "tea"),
)
NUMBERS: Final = (0, 1, 10, 65_535, 65_536, 2**24 - 1, 2**31 - 1, 2**32 - 1)
Fields = Sequence[tuple[str, str]]

extra = st.lists(st.sampled_from(EXTRA), max_size=3)
content = st.one_of(st.binary(max_size=20), st.sampled_from([b"", bytes(1000), bytes(16_000)]))
padding = st.one_of(st.none(), st.sampled_from([0, 1, 255]))


def block_frames(draw: st.DrawFn, stream_id: int, block: bytes, flags: tuple[str, ...]) -> bytes:
    """A field block in one frame or several, with and without padding and priority."""
    cuts = sorted(draw(st.lists(st.integers(0, len(block)), max_size=2)))
    first, *rest = [block[a:b] for a, b in zip([0, *cuts], [*cuts, len(block)], strict=True)]
    if draw(st.booleans()):
        first, flags = peer.word(0) + b"\x10" + first, (*flags, "PRIORITY")
    if first and (length := draw(padding)) is not None:
        first, flags = padded(first, length), (*flags, "PADDED")
    if not rest:
        return frame("HEADERS", stream_id, first, *flags, "END_HEADERS")
    ends = [() for _ in rest[:-1]] + [("END_HEADERS",)]
    more = (
        frame("CONTINUATION", stream_id, *each) for each in ((a, *b) for a, b in zip(rest, ends, strict=True))
    )
    return frame("HEADERS", stream_id, first, *flags) + b"".join(more)


@st.composite
def valid(draw: st.DrawFn) -> list[Step]:
    """What a client may send, and answers."""
    encoder = hpack.Encoder()
    script: list[Step] = [PREFACE + settings(), frame("SETTINGS", 0, b"", "ACK")]
    idle, open_, answerable = list(STREAMS), list[int](), list[int]()
    for _ in range(draw(st.integers(1, 12))):
        action = draw(st.sampled_from(("request", "data", "data", "trailers", "reset", "answer", "other")))
        if action == "request" and idle:
            stream_id = idle.pop(0)
            ends = draw(st.booleans())
            block = encoder.encode([*REQUEST, *draw(extra), *draw(st.sampled_from(([], [HOST])))])
            script.append(block_frames(draw, stream_id, block, ("END_STREAM",) if ends else ()))
            answerable.append(stream_id)
            if not ends:
                open_.append(stream_id)
        elif action == "data" and open_:
            stream_id = draw(st.sampled_from(open_))
            ends = draw(st.booleans())
            script.append(_data(draw, stream_id, ends=ends))
            if ends:
                open_.remove(stream_id)
        elif action == "trailers" and open_:
            open_.remove(stream_id := draw(st.sampled_from(open_)))
            block = encoder.encode([("x-checksum", "7"), *draw(st.lists(st.sampled_from(EXTRA[:2])))])
            script.append(block_frames(draw, stream_id, block, ("END_STREAM",)))
        elif action in {"reset", "answer"} and answerable:
            answerable.remove(stream_id := draw(st.sampled_from(answerable)))
            if stream_id in open_:
                open_.remove(stream_id)
            script.append(Answer(stream_id) if action == "answer" else peer.rst_stream(stream_id, "CANCEL"))
        elif action == "other":
            script.append(draw(_harmless))
    return script


def _data(draw: st.DrawFn, stream_id: int, *, ends: bool) -> bytes:
    payload, flags = draw(content), ("END_STREAM",) if ends else ()
    length = draw(padding)
    if length is None:
        return frame("DATA", stream_id, payload, *flags)
    return frame("DATA", stream_id, padded(payload, length), *flags, "PADDED")


_harmless = st.one_of(
    st.builds(lambda octets: frame("PING", 0, octets), st.binary(min_size=8, max_size=8)),
    st.builds(lambda size: settings({peer.INITIAL_WINDOW_SIZE: size}), st.sampled_from([0, 1, 2**20])),
    st.builds(lambda size: settings({peer.MAX_FRAME_SIZE: size}), st.sampled_from([2**14, 2**24 - 1])),
    st.builds(lambda size: settings({peer.HEADER_TABLE_SIZE: size, 0x99: 1}), st.sampled_from([0, 4096])),
    st.builds(lambda by: peer.window_update(0, by), st.integers(1, 2**16)),
    st.builds(lambda kind, octets: frame(kind, 0, octets), st.integers(0x20, 0xFF), st.binary(max_size=9)),
    st.builds(lambda on: frame("PRIORITY", 9, peer.word(on) + b"\x10"), st.sampled_from([0, 1, 3])),
)

stream_ids = st.sampled_from((0, 1, 1, 2, 3, 3, 5, 9))
numbers = st.sampled_from(NUMBERS)
flag_sets = st.lists(st.sampled_from(tuple(peer.FLAGS)), max_size=3)
odd_blocks = st.builds(
    lambda fields, at, odd: peer.block(*fields[:at], *odd, *fields[at:]),
    st.lists(st.sampled_from(REQUEST), unique=True),
    st.integers(0, 6),
    st.lists(st.sampled_from((*EXTRA, *ODD)), max_size=2),
)
blocks = st.one_of(
    st.builds(
        lambda fields: peer.block(*REQUEST, *fields), st.lists(st.sampled_from((*EXTRA, *ODD)), max_size=2)
    ),
    odd_blocks,
    st.binary(max_size=30),
)
wild = st.one_of(
    st.builds(lambda i, b, f: frame("HEADERS", i, b, *f), stream_ids, blocks, flag_sets),
    st.builds(lambda i, b, f: peer.headers(i, b, *f), stream_ids, blocks, flag_sets),
    st.builds(lambda i, b, f: frame("CONTINUATION", i, b, *f), stream_ids, blocks, flag_sets),
    st.builds(lambda i, d, f: frame("DATA", i, d, *f), stream_ids, content, flag_sets),
    st.builds(lambda i, n: frame("RST_STREAM", i, peer.word(n)), stream_ids, st.integers(0, 15)),
    st.builds(peer.window_update, stream_ids, numbers),
    st.builds(lambda a, n: settings({a: n}), st.integers(0, 8), numbers),
    st.builds(lambda i, n: frame("GOAWAY", i, peer.word(n) + peer.word(0)), stream_ids, numbers),
    st.builds(
        lambda kind, i, octets, f: frame(kind, i, octets, *f),
        st.integers(0, 12),
        stream_ids,
        st.binary(max_size=12),
        flag_sets,
    ),
    st.builds(Answer, st.sampled_from(STREAMS)),
)


@st.composite
def mutated(draw: st.DrawFn) -> list[Step]:
    """Valid scripts with frames put in, taken out, doubled, moved and bent."""
    script = draw(valid())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(1, len(script)))
        match draw(st.sampled_from(("put in", "put in", "take out", "double", "bend"))):
            case "put in":
                script.insert(at, draw(wild))
            case "take out" if at < len(script):
                del script[at]
            case "double" if at < len(script):
                script.insert(draw(st.integers(1, len(script))), script[at])
            case "bend" if at < len(script) and isinstance(script[at], bytes):
                script[at] = _bent(draw, bytes(script[at]))
    return joined(frame for step in script for frame in _frames(step))


def _bent(draw: st.DrawFn, sent: bytes) -> bytes:
    """With one octet changed, its length not among them: the frames after it stay frames."""
    at = draw(st.integers(3, len(sent) - 1))
    return sent[:at] + bytes([draw(st.integers(0, 255))]) + sent[at + 1 :]


def joined(steps: Iterable[Step]) -> list[Step]:
    """With a field block in one step, and what came amid it: the library looks at nothing before its end."""
    done: list[Step] = []
    begun, answers = b"", list[Step]()
    for step in steps:
        if isinstance(step, Answer):
            (answers if begun else done).append(step)
            continue
        begun += step
        is_block = step[3:4] in {b"\x01", b"\x09"} or (begun == step and step[3:4] == b"\x05")
        if not (is_block and len(step) > 4 and not step[4] & 4):
            done += [begun, *answers]
            begun, answers = b"", []
    return [*done, begun, *answers] if begun else done


def _frames(step: Step) -> list[Step]:
    """One step a frame, so that each is compared on its own."""
    if isinstance(step, Answer):
        return [step]
    if step.startswith(PREFACE):
        return [PREFACE, *peer.cut(step[len(PREFACE) :])]
    return list(peer.cut(step))
