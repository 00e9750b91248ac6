"""Where we and the `h2` library differ, and by which section of RFC 9113 that is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, cast

from extproc.server.wire.fields import Fields
from extproc.server.wire.frames import ErrorCode
from tests.wire import peer
from tests.wire.oracle import Answer, Outcome, Step
from tests.wire.peer import frame

NOTHING: Final = ("", None)
PROTOCOL: Final = ("ended", ErrorCode.PROTOCOL_ERROR)
SIZE: Final = ("ended", ErrorCode.FRAME_SIZE_ERROR)
CLOSED: Final = ("ended", ErrorCode.STREAM_CLOSED)


class Difference(NamedTuple):
    """One that is known, and justified by `section`."""

    section: str
    why: str
    example: Sequence[Step]  # after the preface and SETTINGS
    covers: Callable[[Outcome], bool]


def _codes(outcome: Outcome, *expected: tuple[str, ErrorCode | None]) -> bool:
    return outcome.codes() == expected


def _is_narrower(outcome: Outcome) -> bool:
    (ours, our_code), (theirs, their_code) = outcome.codes()
    return (ours, theirs) == ("reset", "ended") and our_code == their_code


def _depends_on_itself(outcome: Outcome) -> bool:
    return any(_own_priority(each) for each in outcome.frames()) and outcome.codes()[1] == PROTOCOL


def _own_priority(each: bytes) -> bool:
    """HEADERS or PRIORITY with the frame's own stream as its dependency."""
    kind, flags = peer.KINDS[each[3]] if each[3] < 10 else "", each[4]
    at = 10 if kind == "HEADERS" and flags & 8 else 9
    is_told = kind == "PRIORITY" or (kind == "HEADERS" and flags & 0x20)
    return bool(is_told) and _number(each[at : at + 4]) == _number(each[5:9])


def _has_no_authority(outcome: Outcome) -> bool:
    last = outcome.ours[-1]
    return last.what == "request" and not {b":authority", b"host"} & dict(cast("Fields", last.detail)).keys()


def _is_all_padding(each: bytes) -> bool:
    return bool(each[4] & 8) and len(each) > 9 and each[9] == len(each) - 10


def _pads_priority(each: bytes) -> bool:
    """HEADERS with padding and priority, whose five octets the padding leaves no room for."""
    return each[4] & 0x28 == 0x28 and len(each) > 9 and each[9] > len(each) - 10 - 5


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big") & (2**31 - 1)


REQUEST: Final = peer.request(1)
ENDED: Final = peer.request(1, "END_STREAM")
BLOCK: Final = peer.block(*peer.REQUEST)

DIFFERENCES: Final = (
    Difference(
        "4.2",
        "a frame that is too long is an error once its header is there; it waits for the rest",
        [frame("DATA", 1, bytes(2**14 + 1))[:9]],
        lambda o: _codes(o, SIZE, NOTHING) and len(o.frames()[-1]) < 9 + 2**14,
    ),
    Difference(
        "4.3",
        "a field block that does not decode is COMPRESSION_ERROR; it says PROTOCOL_ERROR",
        [peer.headers(1, b"\xff")],
        lambda o: _codes(o, ("ended", ErrorCode.COMPRESSION_ERROR), PROTOCOL),
    ),
    Difference(
        "4.3",
        "a frame amid a field block is PROTOCOL_ERROR, whatever else is wrong with it",
        [frame("HEADERS", 1, BLOCK) + frame("PING", 0)],
        lambda o: o.kind == "HEADERS" and len(o.frames()) > 1 and _codes(o, PROTOCOL, SIZE),
    ),
    Difference(
        "5.1",
        "WINDOW_UPDATE of a closed stream is ignored, whatever it says",
        [ENDED, Answer(1), peer.window_update(1, 0)],
        lambda o: (
            o.kind == "WINDOW_UPDATE" and o.frames()[0][9:] == bytes(4) and _codes(o, NOTHING, PROTOCOL)
        ),
    ),
    Difference(
        "5.1, 5.1.1",
        "a stream that was passed over is as closed as one that has ended; it tells them apart",
        [peer.request(3), REQUEST],
        lambda o: o.kind == "HEADERS" and _codes(o, CLOSED, PROTOCOL),
    ),
    Difference(
        "5.1.1",
        "an even stream is an error at once; it looks at a field block when that is whole",
        [frame("HEADERS", 2, BLOCK)],
        lambda o: o.kind == "HEADERS" and o.frames()[0][8] % 2 == 0 and o.codes()[0] == PROTOCOL,
    ),
    Difference(
        "5.1.2",
        "a stream above the limit is refused, and nothing else; it ends the connection",
        [peer.request(stream_id) for stream_id in (1, 3, 5, 7, 9)],
        lambda o: _codes(o, ("reset", ErrorCode.REFUSED_STREAM), PROTOCOL),
    ),
    Difference(
        "5.3.2",
        "a stream may depend on itself, since priority is deprecated",
        [frame("PRIORITY", 1, peer.word(1) + b"\x10")],
        _depends_on_itself,
    ),
    Difference(
        "5.4",
        "where a frame has the wrong stream and the wrong length, either may be said",
        [frame("RST_STREAM", 0)],
        lambda o: set(o.codes()) == {SIZE, PROTOCOL} and o.frames()[-1][8] % 2 == 0,
    ),
    Difference(
        "5.4.1",
        "a stream error may end the connection: so does what comes after the peer's RST_STREAM",
        [REQUEST, peer.rst_stream(1, "CANCEL"), peer.data(1, b"late")],
        lambda o: o.kind in {"DATA", "HEADERS"} and _codes(o, CLOSED, NOTHING),
    ),
    Difference(
        "5.4.1, 8.1.1",
        "a malformed request, an increment of 0 and the like are stream errors; it ends the connection",
        [peer.headers(1, peer.block(*peer.REQUEST[1:]))],
        _is_narrower,
    ),
    Difference(
        "5.5",
        "ALTSVC (RFC 7838) is a type that is not known; it checks its payload",
        [frame(0xA, 0, b"\xff\xff")],
        lambda o: o.kind == "0xa" and o.codes()[0] == NOTHING,
    ),
    Difference(
        "6.2",
        "HEADERS may hold nothing but padding, and the block go on in CONTINUATION",
        [frame("HEADERS", 1, peer.padded(b"", 3), "PADDED") + frame("CONTINUATION", 1, BLOCK, "END_HEADERS")],
        lambda o: o.kind == "HEADERS" and _is_all_padding(o.frames()[0]) and o.codes()[1] == PROTOCOL,
    ),
    Difference(
        "6.2",
        "padding that reaches into the priority is PROTOCOL_ERROR; it lets that pass",
        [
            frame("HEADERS", 1, b"\x01" + peer.word(0) + b"\x10", "PADDED", "PRIORITY")
            + frame("CONTINUATION", 1, BLOCK, "END_HEADERS")
        ],
        lambda o: o.kind == "HEADERS" and _pads_priority(o.frames()[0]) and o.codes()[0] == PROTOCOL,
    ),
    Difference(
        "6.4",
        "RST_STREAM of an idle stream is PROTOCOL_ERROR; it passes it over once another is open",
        [REQUEST, peer.rst_stream(9, "CANCEL")],
        lambda o: o.kind == "RST_STREAM" and _codes(o, PROTOCOL, NOTHING),
    ),
    Difference(
        "6.5",
        "an acknowledgment with a payload is FRAME_SIZE_ERROR; it says PROTOCOL_ERROR",
        [frame("SETTINGS", 0, bytes(6), "ACK")],
        lambda o: o.kind == "SETTINGS" and o.frames()[-1][4] & 1 == 1 and _codes(o, SIZE, PROTOCOL),
    ),
    Difference(
        "6.5.2",
        "ENABLE_CONNECT_PROTOCOL (RFC 8441) is a setting that is not known; it checks its value",
        [peer.settings({8: 2})],
        lambda o: o.kind == "SETTINGS" and _codes(o, NOTHING, PROTOCOL) and b"\0\x08" in o.frames()[-1],
    ),
    Difference(
        "6.9",
        "the reserved bit of WINDOW_UPDATE is ignored",
        [peer.window_update(0, 2**31 + 1)],
        lambda o: o.kind == "WINDOW_UPDATE" and o.frames()[0][9:10] >= b"\x80" and o.codes()[1] == PROTOCOL,
    ),
    Difference(
        "6.10",
        "CONTINUATION of nothing is PROTOCOL_ERROR, whatever the state of the stream",
        [peer.request(3), frame("CONTINUATION", 1)],
        lambda o: o.kind == "CONTINUATION" and o.codes()[0] == PROTOCOL,
    ),
    Difference(
        "8.1.1",
        "content-length counts for a request that ends with HEADERS, too",
        [peer.request(1, "END_STREAM", fields=(("content-length", "3"),))],
        lambda o: _codes(o, ("reset", ErrorCode.PROTOCOL_ERROR), NOTHING) and o.theirs[-1].end_stream,
    ),
    Difference(
        "8.3.1",
        "a request may do without :authority and host",
        [peer.headers(1, peer.block(*peer.REQUEST[:3]))],
        lambda o: o.kind == "HEADERS" and _codes(o, NOTHING, PROTOCOL) and _has_no_authority(o),
    ),
    Difference(
        "8.4",
        "PUSH_PROMISE of a client is PROTOCOL_ERROR, whatever it holds",
        [frame("PUSH_PROMISE", 1, b"", "END_HEADERS")],
        lambda o: o.kind == "PUSH_PROMISE" and o.codes()[0] == PROTOCOL,
    ),
)


def explained(outcome: Outcome) -> bool:
    """Whether it is a difference that is known."""
    return any(difference.covers(outcome) for difference in DIFFERENCES)
