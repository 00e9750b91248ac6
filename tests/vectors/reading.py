"""Section 6 read aloud: a streamed body, from its first byte to where it ends or breaks a rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors import reference, wire
from tests.vectors.material import KEYS
from tests.vectors.reference import STREAMED, MessageKeys

KeysOf = Callable[[bytes], MessageKeys]


class BrokenRuleError(Exception):
    """A rule is broken; the text is the error's name."""


@dataclass
class Reading:
    """How far a receiver gets."""

    body: bytes
    position: int = 0  # how many bytes it has read, or needs, to know what it knows
    is_cut: bool = False  # the body ends before the message does
    segment: int | None = None  # which it reads; none: the preamble
    head: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    trailers: list[tuple[str, bytes]] = field(default_factory=list)
    empty: int = 0
    error: str | None = None

    def take(self, length: int) -> bytes:
        taken = self.body[self.position : self.position + length]
        self.position += len(taken)
        if len(taken) < length:
            self.is_cut = True
            raise BrokenRuleError("bad-envelope")
        return taken


def read(body: bytes, keys_of: KeysOf, body_field: int) -> Reading:
    """`body_field`: the number of `body` in the message that segment 0 is to hold."""
    reading = Reading(body)
    try:
        _message(reading, keys_of, body_field)
    except BrokenRuleError as rule:
        reading.error = str(rule)
    return reading


def _message(reading: Reading, keys_of: KeysOf, body_field: int) -> None:
    length, final = reading.take(1)[0], False
    if length >= 0x80:
        length = length - 0x80 + reading.take(1)[0] * 0x80
    _require(length <= 2048)  # with a third byte to the varint, it is 2^14 at least
    keys = keys_of(reading.take(length))
    reading.segment = 0
    while not final:
        framed = int.from_bytes(reading.take(4), "big")
        final, length = framed >= 1 << 31, framed % (1 << 31)
        _require(16 <= length <= 66_000)
        plaintext = _opened(keys, reading.segment, reading.take(length), final=final)
        if reading.segment == 0:
            _require(not final and not _last(_fields(plaintext), body_field))
            reading.head = plaintext
        else:
            _chunk(reading, plaintext, final=final)
        reading.segment += 1
    if reading.position < len(reading.body):
        reading.position += 1
        raise BrokenRuleError("bad-envelope")


def _chunk(reading: Reading, plaintext: bytes, *, final: bool) -> None:
    fields = _fields(plaintext)
    data, trailers = _last(fields, 1), [_fields(raw) for number, raw in fields if number == 2]
    _require(len(data) <= 65_536)
    _require(final or not trailers)
    reading.empty = 0 if data else reading.empty + 1
    _require(reading.empty <= 16)
    reading.chunks.append(data)
    reading.trailers = [(_last(trailer, 1).decode(), _last(trailer, 2)) for trailer in trailers]


def _require(holds: bool) -> None:
    if not holds:
        raise BrokenRuleError("bad-envelope")


def _opened(keys: MessageKeys, index: int, ciphertext: bytes, *, final: bool) -> bytes:
    nonce = reference.segment_nonce(keys.base_nonce, index)
    try:
        return AESGCM(keys.key).decrypt(nonce, ciphertext, b"final" if final else b"")
    except InvalidTag:
        raise BrokenRuleError("bad-envelope") from None


def _fields(raw: bytes | int) -> list[tuple[int, bytes | int]]:
    try:
        return wire.fields(raw if isinstance(raw, bytes) else b"\0")
    except ValueError:
        raise BrokenRuleError("bad-envelope") from None


def _last(fields: list[tuple[int, bytes | int]], wanted: int) -> bytes:
    found = [value for number, value in fields if number == wanted and isinstance(value, bytes)]
    return found[-1] if found else b""


def request_keys(preamble: bytes) -> MessageKeys:
    """What a gateway finds that holds every key of material.py but xwing-b."""
    fields = _fields(preamble)
    key_id, encapsulation, nonce, ciphertext = (_last(fields, number) for number in (1, 2, 3, 4))
    _require(len(key_id) == 8 and len(nonce) == 16 and not ciphertext)
    held = {key.key_id: key for key in KEYS.values() if key.name != "xwing-b"}
    if key_id not in held:
        raise BrokenRuleError("unknown-key")
    try:
        link_key = reference.link_key(held[key_id], encapsulation).link_key
    except (InvalidTag, ValueError):
        raise BrokenRuleError("bad-envelope") from None
    return reference.request_keys(link_key, STREAMED, nonce)


def response_keys(link_key: bytes, request_nonce: bytes) -> KeysOf:
    """What a client finds that has sealed that request."""

    def found(preamble: bytes) -> MessageKeys:
        fields = _fields(preamble)
        nonce, ciphertext = _last(fields, 1), _last(fields, 2)
        _require(len(nonce) == 16 and not ciphertext)
        return reference.response_keys(link_key, STREAMED, request_nonce, nonce)

    return found
