"""gRPC over HTTP/2: messages and statuses (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote

from extproc.errors import ExtprocError
from extproc.message import Buffer
from extproc.server.serving import Status
from extproc.server.wire.fields import Fields, encode

_PREFIX: Final = struct.Struct(">BI")  # compressed flag, length
_PREFIX_LENGTH: Final = _PREFIX.size
_pack_prefix: Final = _PREFIX.pack
_read_prefix: Final = _PREFIX.unpack_from
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MAX_SHOWN: Final = 256
_HEAD: Final = ((":status", "200"), ("content-type", "application/grpc"))
_ENCODINGS: Final = ("grpc-accept-encoding", "identity")
# What `grpc-message` leaves as it is, beyond letters and digits: printable ASCII but for "%".
_PRINTABLE: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}~"


class CallError(ExtprocError):
    """Ends a call with a status that is not OK."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(f"{status.name}: {reason}")
        self.status = status
        self.reason = reason


HEAD: Final = encode(_HEAD)
"""The field block that begins a response."""


@lru_cache(maxsize=32)
def trailers(status: Status, reason: str = "", *, alone: bool) -> bytes:
    """The field block that ends a response; `alone`: one that has not begun."""
    message = quote(reason[:_MAX_SHOWN], safe=_PRINTABLE)
    fields = [("grpc-status", str(int(status))), *([("grpc-message", message)] if message else [])]
    return encode([*_HEAD, _ENCODINGS, *fields] if alone else fields)


class Head(NamedTuple):
    """What a request asks for by its fields. `refusal`: the whole answer to one that can't have it."""

    path: bytes = b""
    timeout_s: float | None = None
    refusal: bytes | None = None


@lru_cache(maxsize=64)
def head(fields: Fields) -> Head:
    """Remembered, since nearly all requests of a connection have the same fields."""
    request = dict(fields)
    if request.get(b":method") != b"POST":
        return Head(refusal=encode(((":status", "405"), ("allow", "POST"))))
    if not re.fullmatch(rb"application/grpc([+;].*)?", request.get(b"content-type", b"")):
        return Head(refusal=encode(((":status", "415"),)))
    try:
        timeout_s = _timeout_s(request.get(b"grpc-timeout"))
        if request.get(b"grpc-encoding", b"identity") != b"identity":
            raise CallError(Status.UNIMPLEMENTED, "no grpc-encoding but identity")
    except CallError as error:
        return Head(refusal=trailers(error.status, error.reason, alone=True))
    return Head(request[b":path"], timeout_s)


def _timeout_s(value: bytes | None) -> float | None:
    """`grpc-timeout`, if there is one. Raises CallError."""
    if value is None:
        return None
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise CallError(Status.INTERNAL, "a grpc-timeout that is none")
    return int(match[1]) * _UNITS_S[match[2]]


def messages(serialized: Iterable[tuple[Buffer, ...]]) -> tuple[list[Buffer], int]:
    """Messages, each in pieces, with their prefixes; and how many octets that is."""
    pieces: list[Buffer] = []
    size = 0
    for message in serialized:
        length = sum(map(len, message))
        pieces += (_pack_prefix(0, length), *message)
        size += _PREFIX_LENGTH + length
    return pieces, size


class MessageReader:
    """Takes messages out of the DATA of one direction. `limit`: octets of one message.

    `data`: what no message has been made of yet.
    """

    __slots__ = ("_limit", "data")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.data: bytes | bytearray = b""

    def receive(self, data: bytes) -> None:
        """Nearly always that is one message, whole, which need not be gathered."""
        if not self.data:
            self.data = data
        elif isinstance(self.data, bytearray):
            self.data += data
        else:
            self.data = bytearray(self.data) + data

    def next(self) -> bytes | None:
        """The next message, or None until more has come. Raises CallError."""
        data = self.data
        size = len(data)
        if size < _PREFIX_LENGTH:
            return None
        compressed, length = _read_prefix(data)
        if compressed:
            raise CallError(Status.INTERNAL, "a compressed message, without grpc-encoding")
        if length > self._limit:
            raise CallError(Status.RESOURCE_EXHAUSTED, f"a message of {length} octets")
        end = _PREFIX_LENGTH + length
        if size < end:
            return None
        if isinstance(data, bytes):
            self.data = bytearray(data[end:]) if end < size else b""
            return data[_PREFIX_LENGTH:end]
        message = bytes(memoryview(data)[_PREFIX_LENGTH:end])
        del data[:end]
        return message

    def end(self) -> None:
        """Raises CallError when the DATA ends amid a message."""
        if self.data:
            raise CallError(Status.INTERNAL, "the request ends amid a message")
