"""Streamed messages as the vectors seal them, rightly and wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.vectors import reference, wire
from tests.vectors.envelopes import GET, HELD, OK, Request, Response
from tests.vectors.material import NOW, Recorded, Vector, nonce
from tests.vectors.reference import STREAMED

OK_HEAD: wire.Inner = {name: value for name, value in OK.items() if name not in {"body", "trailers"}}
WORDS = tuple(wire.inner_chunk(data) for data in (b"one", b"two ", b"three"))
LONG = 8_192  # bytes; a longer body is not written out


def framed(ciphertext: bytes, *, final: bool = False) -> bytes:
    return (len(ciphertext) | final << 31).to_bytes(4, "big") + ciphertext


@dataclass(frozen=True)
class Stream:
    """A streamed message of one direction and its parts; each can be made wrong."""

    known: Vector  # to its receiver, beforehand
    message: bytes  # of the preamble
    keys: reference.MessageKeys
    head: bytes
    chunks: tuple[bytes, ...] = WORDS
    length: bytes | None = None  # of the preamble, when it is not the plain varint

    @property
    def preamble(self) -> bytes:
        return (wire.varint(len(self.message)) if self.length is None else self.length) + self.message

    def segments(self) -> Iterable[tuple[int, bytes, bool]]:
        """Each one's index, its plaintext and whether it is the final one."""
        plaintexts = (self.head, *self.chunks)
        return ((index, text, index == len(self.chunks)) for index, text in enumerate(plaintexts))

    @property
    def ciphertexts(self) -> list[bytes]:
        return [
            reference.seal_segment(self.keys, index, plaintext, final=final)
            for index, plaintext, final in self.segments()
        ]

    @property
    def frames(self) -> list[bytes]:
        *more, last = self.ciphertexts
        return [*map(framed, more), framed(last, final=True)]

    @property
    def body(self) -> bytes:
        return self.with_frames(self.frames)

    def with_frames(self, frames: Iterable[bytes]) -> bytes:
        return self.preamble + b"".join(frames)

    def intermediates(self) -> Vector:
        steps = {"preamble": self.message, "key": self.keys.key, "base_nonce": self.keys.base_nonce}
        if self.is_long:
            return steps  # the recipe has the rest
        sealed = zip(self.segments(), self.ciphertexts, strict=True)
        segments = [
            {"final": final, "plaintext": plaintext, "ciphertext": ciphertext}
            for (_, plaintext, final), ciphertext in sealed
        ]
        return {**steps, "segments": segments}

    @property
    def is_long(self) -> bool:
        return len(self.body) > LONG

    def splits(self) -> list[int]:
        """Around every place where something begins or ends."""
        edges, position = [0, len(self.preamble) - len(self.message)], len(self.preamble)
        for frame in self.frames:
            edges += [position, position + 4]
            position += len(frame)
        around = {edge + step for edge in (*edges, position) for step in (-1, 0, 1)}
        return sorted(offset for offset in around if 0 < offset < position)


@dataclass(frozen=True)
class RequestStream(Stream):
    request: Request = field(kw_only=True)

    def intermediates(self) -> Vector:
        request = self.request
        keys = {
            "key_id": request.key_id,
            "encapsulation": request.encapsulation,
            "link_key": request.link_key,
        }
        return {**keys, "nonce": request.nonce, **super().intermediates()}


@dataclass(frozen=True)
class ResponseStream(Stream):
    response: Response = field(kw_only=True)

    def intermediates(self) -> Vector:
        return {"nonce": self.response.nonce, **super().intermediates()}


def request_stream(recorded: Recorded, sealing: str = "x25519-a 1", number: int = 1) -> RequestStream:
    request = Request(recorded, secret=sealing, nonce=nonce(f"streamed request {number}"), form=STREAMED)
    message = wire.sealed_request(request.key_id, request.encapsulation, request.nonce, b"")
    known = {"direction": "request", "held": HELD, "now": NOW}
    return RequestStream(known, message, request.keys, wire.inner_request(GET), request=request)


def response_stream(recorded: Recorded, sealing: str = "x25519-a 1", number: int = 1) -> ResponseStream:
    response = Response(
        recorded.link_key(sealing),
        request_nonce=nonce(f"streamed request {number}"),
        nonce=nonce(f"streamed response {number}"),
        form=STREAMED,
    )
    known = {
        "direction": "response",
        "link_key": response.link_key,
        "request_nonce": response.request_nonce,
    }
    message = wire.sealed_response(response.nonce, b"")
    return ResponseStream(known, message, response.keys, wire.inner_response(OK_HEAD), response=response)


def words(raw: bytes) -> str:
    """Hexadecimal, a long run of one byte as `61*65536`; the words are apart by spaces."""
    parts = re.split(rb"((.)\2{63,})", raw, flags=re.DOTALL)
    runs = [f"{run[:1].hex()}*{len(run)}" for run in parts[1::3]]
    return " ".join(
        word for pair in zip(map(bytes.hex, parts[::3]), [*runs, ""], strict=True) for word in pair if word
    )


def recipe(stream: Stream) -> Vector:
    """A body that is too long to be written out, for whoever can seal its segments."""
    return {
        "preamble": stream.preamble,
        "key": stream.keys.key,
        "base_nonce": stream.keys.base_nonce,
        "segments": [
            {"final": final, "plaintext": words(plaintext)} for _, plaintext, final in stream.segments()
        ],
        "length": len(stream.body),
        "sha256": reference.sha256(stream.body),
    }


def inputs(stream: Stream) -> Vector:
    """What its receiver is given: the body, or how to make it."""
    return stream.known | ({"recipe": recipe(stream)} if stream.is_long else {"body": stream.body})
