"""streamed, what must be refused: at which segment, and what may have been delivered by then (section 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from tests.vectors import reference, wire
from tests.vectors.envelopes import ENDS_WITH_ZERO, GET, OK, Request, Response
from tests.vectors.material import KEYS, Recorded, flipped, nonce
from tests.vectors.reference import STREAMED, WHOLE
from tests.vectors.streams import (
    WORDS,
    RequestStream,
    ResponseStream,
    Stream,
    framed,
    request_stream,
    response_stream,
)
from tests.vectors.topics.streamed_changed import Bodies, changed, reframed

Wrong = tuple[str, Stream, bytes | None]
"""Why; the stream; and the body, when it is not the stream's own."""
Streams = dict[str, tuple[str, Stream]]
StreamT = TypeVar("StreamT", bound=Stream)

TRAILERS = [("x-checksum", b"1")]
EMPTY = wire.inner_chunk()


def wrong_requests(recorded: Recorded, good: RequestStream) -> dict[str, Wrong]:
    whole = replace(good.request, form=WHOLE, plaintext=wire.inner_request(GET | {"body": b"one"}))
    other = request_stream(recorded, number=2)
    answer = response_stream(recorded)
    answers: Bodies = {
        "response": ("a response", answer.body),
        "response-reflected": ("a response's segments as the request's", good.with_frames(answer.frames)),
    }
    bodies = changed(good, other) | reframed(good, whole) | _misnumbered(good) | answers
    return _named("request", good, bodies, _sealed_wrongly(good, body_field=6) | _request_streams(good))


def wrong_responses(recorded: Recorded, good: ResponseStream) -> dict[str, Wrong]:
    whole = replace(good.response, form=WHOLE, plaintext=wire.inner_response(OK))
    other = response_stream(recorded, number=2)
    bodies = (
        changed(good, other) | reframed(good, whole) | _misnumbered(good) | _response_bodies(recorded, good)
    )
    return _named("response", good, bodies, _sealed_wrongly(good, body_field=3) | _response_streams(good))


def _named(direction: str, good: Stream, bodies: Bodies, streams: Streams) -> dict[str, Wrong]:
    changed: dict[str, Wrong] = {name: (reason, good, body) for name, (reason, body) in bodies.items()}
    made: dict[str, Wrong] = {name: (reason, stream, None) for name, (reason, stream) in streams.items()}
    return {f"{direction}-{name}": case for name, case in (changed | made).items()}


def _sealed_wrongly(good: Stream, body_field: int) -> Streams:
    """By a peer that misread the page or means ill: every segment opens."""
    trailers, data = wire.inner_chunk(b"two ", TRAILERS), wire.inner_chunk(b"data")
    over = wire.inner_chunk(b"a" * 65_537)
    longest = wire.inner_chunk(b"a" * 65_536)
    chunks: dict[str, tuple[str, tuple[bytes, ...]]] = {
        "17-empty": ("17 segments without data in a row", (WORDS[0], *[EMPTY] * 17, data)),
        "17-empty-first": ("17 of them from segment 1 on", (*[EMPTY] * 17, data)),
        "17-empty-final": ("the final one counts too", (*[EMPTY] * 16, EMPTY)),
        "17-empty-trailers": (
            "the final one counts too, with trailers",
            (*[EMPTY] * 16, wire.inner_chunk(b"", TRAILERS)),
        ),
        "17-empty-padded": ("padding is no data", (*[wire.padding(3)] * 17, data)),
        "chunk-of-65537": ("65,537 bytes of data", (WORDS[0], over)),
        "segment-of-66001": (
            "66,001 bytes, which would open",
            (WORDS[0], longest + wire.padding(65_985 - len(longest) - 3)),
        ),
        "trailers-before-end": ("trailers before the final segment", (WORDS[0], trailers, WORDS[2])),
        "chunk-not-protobuf": ("segment 2 is no InnerChunk", (WORDS[0], b"\xff", WORDS[2])),
        "chunk-cut": ("the final InnerChunk ends too early", (*WORDS[:2], WORDS[2][:-1])),
    }
    streams = {name: (why, replace(good, chunks=parts)) for name, (why, parts) in chunks.items()}
    return streams | {
        "head-final": ("segment 0 is final", replace(good, chunks=())),
        "head-body": ("a body in segment 0", replace(good, head=good.head + wire.field(body_field, b"body"))),
        "head-not-protobuf": ("segment 0 is no message", replace(good, head=b"HTTP/1.1\r\n\r\n")),
        "head-cut": ("the message in segment 0 ends too early", replace(good, head=good.head[:-1])),
        "preamble-ciphertext": (
            "ciphertext in the preamble",
            replace(good, message=good.message + wire.field(4 if body_field == 6 else 2, b"x")),
        ),
    }


def _misnumbered(good: Stream) -> Bodies:
    def numbered(*indices: int) -> bytes:
        parts = zip(good.segments(), indices, strict=True)
        sealed = [
            framed(reference.seal_segment(good.keys, index, text, final=final), final=final)
            for (_, text, final), index in parts
        ]
        return good.with_frames(sealed)

    def beyond(*, final: bool) -> bytes:
        sealed = reference.seal_segment(good.keys, len(good.frames), WORDS[0], final=final)
        return good.body + framed(sealed, final=final)

    return {
        "numbered-from-1": ("segments numbered from 1", numbered(1, 2, 3, 4)),
        "numbered-apart": ("chunks numbered from 0, apart from segment 0", numbered(0, 0, 1, 2)),
        "numbered-little-endian": ("a little-endian number", numbered(0, 1 << 88, 2 << 88, 3 << 88)),
        "not-numbered": ("every segment under the base nonce itself", numbered(0, 0, 0, 0)),
        "goes-on-after-end": ("segment 4, sealed as such, after the final one", beyond(final=False)),
        "ends-again-after-end": ("segment 4, sealed as final too", beyond(final=True)),
    }


def _request_streams(good: RequestStream) -> Streams:
    request, zero = good.request, replace(good.request, nonce=ENDS_WITH_ZERO)
    answer = reference.response_keys(request.link_key, STREAMED, request.nonce, nonce("streamed response 1"))
    short, another = replace(request, nonce=request.nonce[:15]), request.recorded["x25519-a 2"]
    foreign = request_stream(request.recorded, "xwing-b")
    return {
        "whole-keys": ("sealed under the whole form's keys", _under(good, replace(request, form=WHOLE))),
        "response-keys": ("sealed under a response's keys", replace(good, keys=answer)),
        "key-not-held": ("no such key", replace(foreign, chunks=good.chunks)),
        "key-id-flipped": ("no such key", _with(good, key_id=flipped(request.key_id, 7))),
        "key-id-of-7": ("7 bytes of key id", _with(good, key_id=request.key_id[:7])),
        "other-key-id": ("the id of another held key", _with(good, key_id=KEYS["x25519-b"].key_id)),
        "other-secret": ("another encapsulation", _with(good, encapsulation=another)),
        "encapsulation-flipped": (
            "a bit of the encapsulation flipped",
            _with(good, encapsulation=flipped(request.encapsulation, 40)),
        ),
        "encapsulation-removed": ("no encapsulation", _with(good, encapsulation=b"")),
        "nonce-of-15": ("sealed with a nonce of 15 bytes", _with(_under(good, short), nonce=short.nonce)),
        "nonce-zero-added": (
            "a zero byte added to the nonce",
            _with(_under(good, zero), nonce=ENDS_WITH_ZERO + b"\0"),
        ),
        "nonce-zero-cut": (
            "the nonce's last byte, a zero, cut",
            _with(_under(good, zero), nonce=ENDS_WITH_ZERO[:-1]),
        ),
        "nonce-flipped": ("a bit of the nonce flipped", _with(good, nonce=flipped(request.nonce, 0))),
        "nonce-removed": ("no nonce", _with(good, nonce=b"")),
    }


def _response_streams(good: ResponseStream) -> Streams:
    response, zero = good.response, replace(good.response, nonce=ENDS_WITH_ZERO)
    request_keys = reference.request_keys(response.link_key, STREAMED, response.request_nonce)
    short = replace(response, nonce=response.nonce[:15])
    swapped = replace(response, nonce=response.request_nonce, request_nonce=response.nonce)
    return {
        "whole-keys": ("sealed under the whole form's keys", _under(good, replace(response, form=WHOLE))),
        "request-keys": ("sealed under the request's keys", replace(good, keys=request_keys)),
        "nonces-swapped": ("sealed with the two nonces swapped", _under(good, swapped)),
        "nonce-of-15": ("sealed with a nonce of 15 bytes", _answer(_under(good, short), short.nonce)),
        "nonce-zero-added": (
            "a zero byte added to the nonce",
            _answer(_under(good, zero), ENDS_WITH_ZERO + b"\0"),
        ),
        "nonce-zero-cut": (
            "the nonce's last byte, a zero, cut",
            _answer(_under(good, zero), ENDS_WITH_ZERO[:-1]),
        ),
        "nonce-flipped": ("a bit of the nonce flipped", _answer(good, flipped(response.nonce, 15))),
        "nonce-removed": ("no nonce", _answer(good, b"")),
    }


def _response_bodies(recorded: Recorded, good: ResponseStream) -> Bodies:
    """Other messages, each right by itself."""
    request = request_stream(recorded)
    return {
        "other-exchange": ("the answer to another request", response_stream(recorded, number=2).body),
        "other-secret": ("the answer under another secret", response_stream(recorded, "x25519-a 2").body),
        "request": ("the request itself", request.body),
        "request-reflected": ("the request's segments as the answer's", good.with_frames(request.frames)),
        "request-nonce-reflected": (
            "the request's nonce and segments",
            _answer(good, request.request.nonce).with_frames(request.frames),
        ),
    }


def _under(good: StreamT, message: Request | Response) -> StreamT:
    return replace(good, keys=message.keys)


def _with(good: RequestStream, **changes: bytes) -> RequestStream:
    parts = {name: getattr(good.request, name) for name in ("key_id", "encapsulation", "nonce")}
    return replace(good, message=wire.sealed_request(**parts | changes, ciphertext=b""))


def _answer(good: Stream, response_nonce: bytes) -> Stream:
    return replace(good, message=wire.sealed_response(response_nonce, b""))
