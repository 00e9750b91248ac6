"""Field blocks, by the hpack library (RFC 7541), and what is malformed in them (RFC 9113, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import hpack

from extproc.message import content_length
from extproc.server.wire.errors import ConnectionFault, StreamFault
from extproc.server.wire.frames import ErrorCode

Fields = tuple[tuple[bytes, bytes], ...]

MAX_LIST: Final = 64 * 1024  # SETTINGS_MAX_HEADER_LIST_SIZE: what a block may decode to
_REMEMBERED: Final = 16  # blocks
_SIZE_UPDATE: Final = b"\x20"  # of the dynamic table, to 0 octets (RFC 7541, 6.3)
_PSEUDO: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
_REQUIRED: Final = frozenset({b":method", b":scheme", b":path"})
_OF_CONNECT: Final = frozenset({b":method", b":authority"})
_OF_A_CONNECTION: Final = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)


class FieldDecoder:
    """Decodes the blocks of one connection.

    A block that has left the dynamic table as it was means the same again for as long as the table stands,
    and nearly all of a connection's blocks are one such block.
    """

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=MAX_LIST)
        self._known: dict[bytes, Fields] = {}

    def decode(self, block: bytes) -> Fields:
        """The fields, in order. Raises ConnectionFault: the table is of no use after an error."""
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._dynamic_table()
        try:
            fields = tuple((name, value) for name, value in self._decoder.decode(block, raw=True))
        except hpack.OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a field section over 64 KiB") from error
        except hpack.HPACKError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a block that does not decode") from error
        if self._dynamic_table() != before or len(self._known) >= _REMEMBERED:
            self._known.clear()
        else:
            self._known[block] = fields
        return fields

    def _dynamic_table(self) -> tuple[object, ...]:
        table = self._decoder.header_table
        return (table.maxsize, *table.dynamic_entries)


def encode(fields: Sequence[tuple[str, str]]) -> bytes:
    """A block that needs no dynamic table, and says so: whatever size the peer allows, it is the same bytes
    on every connection (section 4.3.1)."""
    return _SIZE_UPDATE + hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*pair) for pair in fields])


@lru_cache(maxsize=64)
def check_request(fields: Fields) -> int | None:
    """Its content-length, if it has one. Raises StreamFault for a malformed request (section 8.3.1)."""
    pseudo: dict[bytes, bytes] = {}
    is_regular = False
    for name, value in fields:
        if not name.startswith(b":"):
            is_regular = True
            _check_name(name, value)
        elif is_regular or name in pseudo or name not in _PSEUDO:
            raise _malformed("a pseudo-header field out of place")
        else:
            pseudo[name] = value
        _check_value(value)
    _check_target(pseudo)
    hosts = [value for name, value in fields if name == b"host"]
    if hosts and [pseudo.get(b":authority", hosts[0])] != hosts:
        raise _malformed("more than one host")
    return _content_length(fields)


def check_trailers(fields: Fields) -> None:
    """Raises StreamFault for malformed trailers (section 8.1)."""
    for name, value in fields:
        if name.startswith(b":"):
            raise _malformed("a pseudo-header field in trailers")
        _check_name(name, value)
        _check_value(value)


def _check_target(pseudo: dict[bytes, bytes]) -> None:
    """Sections 8.3.1 and 8.5."""
    if pseudo.get(b":method") == b"CONNECT":
        if pseudo.keys() != _OF_CONNECT:
            raise _malformed("a CONNECT to a path, or to nowhere")
    elif not pseudo.keys() >= _REQUIRED or not pseudo[b":path"]:
        raise _malformed("a pseudo-header field is missing")


def _content_length(fields: Fields) -> int | None:
    lengths = {value for name, value in fields if name == b"content-length"}
    if not lengths:
        return None
    length = content_length(lengths.pop())
    if lengths or length is None:
        raise _malformed("a content-length that is none")
    return length


def _check_name(name: bytes, value: bytes) -> None:
    """Sections 8.2.1 and 8.2.2."""
    if not name or name != name.lower() or name in _OF_A_CONNECTION:
        raise _malformed("a field that HTTP/2 has not")
    if any(byte <= 0x20 or byte >= 0x7F or byte == 0x3A for byte in name):
        raise _malformed("a byte that a name may not have")
    if name == b"te" and value.lower() != b"trailers":
        raise _malformed("te other than trailers")


def _check_value(value: bytes) -> None:
    """Section 8.2.1."""
    if value[:1] in {b" ", b"\t"} or value[-1:] in {b" ", b"\t"} or {0, 10, 13} & set(value):
        raise _malformed("a byte that a value may not have")


def _malformed(reason: str) -> StreamFault:
    return StreamFault(ErrorCode.PROTOCOL_ERROR, reason)
