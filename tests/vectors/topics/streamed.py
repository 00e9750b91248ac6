"""streamed: messages in segments, both directions (section 6)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.vectors import envelopes, reading, wire
from tests.vectors.envelopes import GET, POST
from tests.vectors.material import Recorded, Vector, invalid, valid
from tests.vectors.reading import Reading
from tests.vectors.streams import (
    OK_HEAD,
    WORDS,
    RequestStream,
    Stream,
    inputs,
    request_stream,
    response_stream,
    words,
)
from tests.vectors.topics.streamed_bad import Wrong, wrong_requests, wrong_responses

POST_HEAD: wire.Inner = {name: value for name, value in POST.items() if name != "body"}
LATER = wire.field(900, b"later") + wire.field(901, 1)
TRAILERS = [("grpc-status", b"0"), ("x-checksum", b"\xe9 1")]
FULL = wire.inner_chunk(b"a" * 65_536)
EMPTY, PADDING = wire.inner_chunk(), wire.padding(5)


@dataclass(frozen=True)
class Good:
    """`padding`: under which policy a writer makes this, given the chunks one by one and the trailers at the
    end; None: under none.
    """

    reason: str
    stream: Stream
    inner: wire.Inner
    padding: str | None = "none"
    is_split: bool = False


def streamed(recorded: Recorded) -> list[Vector]:
    request, response = request_stream(recorded), response_stream(recorded)
    good = (
        _splits(request, response) | _either("request", request, GET) | _either("response", response, OK_HEAD)
    )
    good |= _requests(recorded, request) | _responses(recorded, response)
    wrong = wrong_requests(recorded, request) | wrong_responses(recorded, response)
    return [
        *(_valid(name, case) for name, case in good.items()),
        *(_invalid(name, case) for name, case in wrong.items()),
    ]


def _splits(request: Stream, response: Stream) -> dict[str, Good]:
    reason = "the same, wherever it is cut"
    return {
        "request-split": Good(reason, request, GET, is_split=True),
        "response-split": Good(reason, response, OK_HEAD, is_split=True),
    }


def _either(direction: str, several: Stream, inner: wire.Inner) -> dict[str, Good]:
    def case(reason: str, *chunks: bytes, padding: str | None = "none") -> Good:
        return Good(reason, replace(several, chunks=chunks), inner, padding)

    one, last = wire.inner_chunk(b"one\x00\xff"), wire.inner_chunk(b"last", TRAILERS)
    bound = (*[EMPTY] * 15, PADDING, wire.inner_chunk(b"data"), PADDING, *[EMPTY] * 15)
    longest = FULL + wire.padding(65_984 - len(FULL) - 3)
    padded = Good("padded as padme has it, each segment by itself", _padded(several), inner, "padme")
    cases = {
        "empty": case("no body: two segments are the least", EMPTY),
        "one-chunk": case("one small chunk", one),
        "several": case("several segments", *WORDS),
        "trailers": case("trailers, beside the last of the data", *WORDS[:2], last, padding=None),
        "trailers-alone": case("trailers in a segment of their own", *WORDS, wire.inner_chunk(b"", TRAILERS)),
        "empty-segments": case("16 segments without data in a row, twice", *bound, padding=None),
        "padded": padded,
        "padding-not-zero": case("padding is ignored", WORDS[0] + wire.field(15, b"x"), padding=None),
        "unknown-inner-fields": case("unknown fields are ignored", LATER + WORDS[0], padding=None),
        "full-segment": case("exactly 65,536 bytes of data", FULL),
        "full-then-rest": case("65,536 bytes of data, and one more", FULL, wire.inner_chunk(b"b")),
        "full-segment-padded": Good(
            "padded, but for segment 1: it would be too long then",
            replace(_padded(several), chunks=(FULL,)),
            inner,
            "padme",
        ),
        "longest-segment": case("a segment of 66,000 bytes", longest, padding=None),
    }
    return {f"{direction}-{name}": good for name, good in (cases | _heads(several, inner)).items()}


def _heads(several: Stream, inner: wire.Inner) -> dict[str, Good]:
    """What comes before the first chunk."""
    message = several.message
    filler = wire.field(900, bytes(2_048 - len(message) - 4))
    long_form = bytes([len(message) | 0x80, 0])
    cases = {
        "unknown-head-fields": ("unknown fields are ignored", replace(several, head=LATER + several.head)),
        "unknown-outer-fields": ("unknown fields are ignored", replace(several, message=message + LATER)),
        "preamble-of-2048": ("2,048 bytes, by an unknown field", replace(several, message=message + filler)),
        "preamble-length-in-two": (
            "a varint of two bytes where one would do",
            replace(several, length=long_form),
        ),
    }
    lacking = Good("it opens; what segment 0 lacks is another matter", replace(several, head=b""), {}, None)
    return {name: Good(reason, stream, inner, None) for name, (reason, stream) in cases.items()} | {
        "empty-head": lacking
    }


def _padded(stream: Stream) -> Stream:
    padded = envelopes.padded
    return replace(stream, head=padded(stream.head), chunks=tuple(map(padded, stream.chunks)))


def _requests(recorded: Recorded, several: RequestStream) -> dict[str, Good]:
    post = replace(request_stream(recorded, number=2), head=wire.inner_request(POST_HEAD))
    xwing = replace(request_stream(recorded, "xwing-a 1"), head=post.head)
    room = 65_984 - len(several.head) - 2 * 4 - len("x-filler") - 2
    longest = replace(several, head=wire.inner_request(GET | {"headers": [("x-filler", b"a" * room)]}))
    long_get = GET | {"filler": {"name": "x-filler", "value_length": room, "count": 1}}
    return {
        "request-post": Good("every field", post, POST_HEAD),
        "request-post-xwing": Good("every field, X-Wing", xwing, POST_HEAD),
        "request-longest-head": Good("a segment 0 of 66,000 bytes", longest, long_get),
    }


def _responses(recorded: Recorded, several: Stream) -> dict[str, Good]:
    with_trailers = OK_HEAD | {"trailers": TRAILERS}
    return {
        "response-xwing": Good(
            "a secret sealed to an X-Wing key", response_stream(recorded, "xwing-a 1"), OK_HEAD
        ),
        "response-trailers-in-head": Good(
            "trailers in segment 0 count for nothing: the message's are the final segment's",
            replace(several, head=wire.inner_response(with_trailers)),
            with_trailers,
            None,
        ),
    }


def _read(stream: Stream, body: bytes) -> Reading:
    known = stream.known
    if known["direction"] == "request":
        return reading.read(body, reading.request_keys, body_field=6)
    return reading.read(body, reading.response_keys(known["link_key"], known["request_nonce"]), body_field=3)


def _valid(name: str, case: Good) -> Vector:
    stream = case.stream
    found = _read(stream, stream.body)
    if found.error is not None or found.head != stream.head:
        raise AssertionError(f"{name} is refused, at segment {found.segment}")
    given = inputs(stream) | ({"splits": stream.splits()} if case.is_split else {})
    output = {"inner": case.inner, "chunks": list(map(words, found.chunks)), "trailers": found.trailers}
    return valid(name, case.reason, given, output, {**stream.intermediates(), "padding": case.padding})


def _invalid(name: str, case: Wrong) -> Vector:
    reason, stream, body = case
    found = _read(stream, stream.body if body is None else body)
    if found.error is None:
        raise AssertionError(f"{name} is not refused")
    vector = invalid(
        name, reason, inputs(stream) if body is None else stream.known | {"body": body}, found.error
    )
    vector["output"] |= {
        "segment": found.segment,
        "after": None if found.is_cut else found.position,
        "delivered": list(map(words, found.chunks)),
    }
    return vector
