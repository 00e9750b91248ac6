"""gRPC over HTTP/2: messages and statuses (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md)."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from extproc.errors import ExtprocError
from extproc.message import Buffer
from extproc.server.wire.fields import encode

Request = Mapping[bytes, bytes]  # its fields, by name

_PREFIX: Final = struct.Struct(">BI")  # compressed flag, length
_TIMEOUT: Final = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_S: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MAX_SHOWN: Final = 256
_HEAD: Final = ((":status", "200"), ("content-type", "application/grpc"))
_ENCODINGS: Final = ("grpc-accept-encoding", "identity")
# What `grpc-message` leaves as it is, beyond letters and digits: printable ASCII but for "%".
_PRINTABLE: Final = " !\"#$&'()*+,/:;<=>?@[\\]^`{|}~"


class Status(IntEnum):
    """Those that are used here (doc/statuscodes.md)."""

    OK = 0
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


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


def refusal(request: Request) -> bytes | None:
    """The whole answer to a request that is none of gRPC's, or None for one that is."""
    if request.get(b":method") != b"POST":
        return encode(((":status", "405"), ("allow", "POST")))
    if not re.fullmatch(rb"application/grpc([+;].*)?", request.get(b"content-type", b"")):
        return encode(((":status", "415"),))
    return None


def message(*serialized: Buffer) -> tuple[Buffer, ...]:
    """A message with its prefix, in pieces."""
    return _PREFIX.pack(0, sum(map(len, serialized))), *serialized


def timeout_s(request: Request) -> float | None:
    """`grpc-timeout`, if there is one. Raises CallError."""
    value = request.get(b"grpc-timeout")
    if value is None:
        return None
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise CallError(Status.INTERNAL, "a grpc-timeout that is none")
    return int(match[1]) * _UNITS_S[match[2]]


class MessageReader:
    """Takes messages out of the DATA of one direction. `limit`: octets of one message."""

    __slots__ = ("_data", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()

    def receive(self, data: Buffer) -> None:
        self._data += data

    def next(self) -> bytes | None:
        """The next message, or None until more has come. Raises CallError."""
        data = self._data
        if len(data) < _PREFIX.size:
            return None
        compressed, length = _PREFIX.unpack_from(data)
        if compressed:
            raise CallError(Status.INTERNAL, "a compressed message, without grpc-encoding")
        if length > self._limit:
            raise CallError(Status.RESOURCE_EXHAUSTED, f"a message of {length} octets")
        end = _PREFIX.size + length
        if len(data) < end:
            return None
        message = bytes(memoryview(data)[_PREFIX.size : end])
        del data[:end]
        return message

    def end(self) -> None:
        """Raises CallError when the DATA ends amid a message."""
        if self._data:
            raise CallError(Status.INTERNAL, "the request ends amid a message")
