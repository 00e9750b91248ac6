"""Protocol Buffers by hand: just enough to write the messages of section 7, and to write them wrongly; and to
read fields again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Inner = dict[str, Any]
"""An inner message as it stands in the JSON files: field names and values, bytes as bytes until written."""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: bytes | str | int) -> bytes:
    """One field, also when it holds its default, which a serializer would leave out."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def message(fields: Iterable[tuple[int, bytes | str | int]]) -> bytes:
    """Fields in the order given; defaults are left out, as proto3 does."""
    return b"".join(field(number, value) for number, value in fields if value)


def fields(raw: bytes) -> list[tuple[int, bytes | int]]:
    """The fields of a serialized message, varints and length-delimited ones. Raises ValueError."""
    found: list[tuple[int, bytes | int]] = []
    while raw:
        tag, raw = _varint(raw)
        value, raw = _varint(raw)
        if tag >> 3 == 0 or tag & 7 not in {0, 2}:
            raise ValueError("a field of another kind")
        if tag & 7 == 0:
            found.append((tag >> 3, value))
            continue
        if value > len(raw):
            raise ValueError("cut")
        found.append((tag >> 3, raw[:value]))
        raw = raw[value:]
    return found


def _varint(raw: bytes) -> tuple[int, bytes]:
    """A varint, and what follows it."""
    for length, byte in enumerate(raw[:10], 1):
        if byte < 0x80:
            return sum((part & 0x7F) << 7 * place for place, part in enumerate(raw[:length])), raw[length:]
    raise ValueError("no varint")


def sealed_request(key_id: bytes, encapsulation: bytes, nonce: bytes, ciphertext: bytes) -> bytes:
    return message([(1, key_id), (2, encapsulation), (3, nonce), (4, ciphertext)])


def sealed_response(nonce: bytes, ciphertext: bytes) -> bytes:
    return message([(1, nonce), (2, ciphertext)])


def _headers(number: int, headers: Sequence[tuple[str, bytes]]) -> bytes:
    return b"".join(field(number, message([(1, name), (2, value)])) for name, value in headers)


def _client(client: Mapping[str, Any]) -> bytes:
    texts = [(i, client.get(name, "")) for i, name in enumerate(("sdk", "platform", "app", "install_id"), 1)]
    tags = client.get("tags", {})
    return message(texts) + b"".join(field(5, field(1, name) + field(2, tags[name])) for name in tags)


def inner_request(inner: Inner) -> bytes:
    """A serialized InnerRequest. Absent keys are the fields' defaults."""
    line = [(i, inner.get(name, "")) for i, name in enumerate(("method", "scheme", "authority", "path"), 1)]
    rest: list[tuple[int, bytes | int]] = [
        (6, inner.get("body", b"")),
        (7, inner.get("sent_at_ms", 0)),
        (8, inner.get("exchange_id", b"")),
        (9, int(inner.get("accept_stream", False))),
        (10, inner.get("cookie_binding", b"")),
        (11, _client(inner.get("client", {}))),
    ]
    return message(line) + _headers(5, inner.get("headers", [])) + message(rest)


def inner_response(inner: Inner) -> bytes:
    """A serialized InnerResponse. Absent keys are the fields' defaults."""
    return b"".join(
        (
            message([(1, inner.get("status", 0))]),
            _headers(2, inner.get("headers", [])),
            message([(3, inner.get("body", b""))]),
            _headers(4, inner.get("trailers", [])),
            message([(5, inner.get("fault", "")), (6, inner.get("gateway_time_ms", 0))]),
            message([(7, inner.get("directory_serial", 0))]),
        )
    )


def inner_chunk(data: bytes = b"", trailers: Sequence[tuple[str, bytes]] = ()) -> bytes:
    """A serialized InnerChunk."""
    return message([(1, data)]) + _headers(2, trailers)


def padding(length: int) -> bytes:
    """The field `padding` with `length` zeros; `length` may be 0, and the field is written all the same."""
    return field(15, bytes(length))


def gateway_key(key_id: bytes, kem_id: int, public_key: bytes, not_before: int, not_after: int) -> bytes:
    return message([(1, key_id), (2, kem_id), (3, public_key), (4, not_before), (5, not_after)])


def key_directory(directory: Inner, keys: Sequence[bytes]) -> bytes:
    """A serialized KeyDirectory; `keys` are serialized already."""
    times = [(1, directory["serial"]), (2, directory["issued_at"]), (3, directory["expires_at"])]
    places: list[tuple[int, str | int]] = [
        (5, directory["path"]),
        (6, directory["stream_path"]),
        (7, directory["max_request_bytes"]),
    ]
    links = b"".join(field(8, link) for link in directory["links"])
    return message(times) + b"".join(field(4, key) for key in keys) + message(places) + links


def signed_directory(directory: bytes, signatures: Sequence[tuple[bytes, bytes]]) -> bytes:
    """`signatures`: pairs of root id and signature."""
    entries = (field(2, message([(1, root_id), (2, signature)])) for root_id, signature in signatures)
    return message([(1, directory)]) + b"".join(entries)


def sealed_cookie(cookie: Inner) -> bytes:
    """The plaintext of a sealed cookie."""
    return message(
        [
            (1, cookie["name"]),
            (2, cookie["value"]),
            (3, cookie["domain"]),
            (4, int(cookie["host_only"])),
            (5, cookie["path"]),
            (6, int(cookie["secure"])),
            (7, cookie["expires_at"]),
        ]
    )
