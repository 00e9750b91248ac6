"""A HeaderMutation: what makes one list of fields of another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from extproc.envoy_api.protobuf import delimited
from extproc.message import Field, Headers

_SET: Final = b"\x0a"  # HeaderMutation.set_headers
_REMOVE: Final = b"\x12"  # HeaderMutation.remove_headers
_HEADER: Final = b"\x0a"  # HeaderValueOption.header
# HeaderValueOption.append. Envoy reads this one, deprecated as it is, and not append_action: docs/envoy.md.
_OVERWRITE: Final = b"\x12\x00"
_APPEND: Final = b"\x12\x02\x08\x01"
_KEY: Final = b"\x0a"  # HeaderValue.key
_RAW_VALUE: Final = b"\x1a"  # HeaderValue.raw_value
# Envoy's own business where there is a body: it may have changed since it was told.
_ALWAYS_SET: Final = "content-length"
# Fields that have few values, none of them a secret: how these are written is remembered.
_REMEMBERED: Final = frozenset(
    {
        *(":method", ":scheme", ":authority", ":status", "cache-control", "vary", "x-link-opened"),
        *("access-control-allow-origin", "access-control-allow-credentials", "content-type"),
        *("access-control-expose-headers", "x-forwarded-proto", "accept", "accept-encoding"),
    }
)
_SHORT: Final = 128  # octets of a value that is


def mutation(before: Headers, after: Iterable[Field]) -> bytes:
    """Serialized: of `before`, which Envoy holds, it makes `after`. Pseudo-headers are never removed.

    The first value of a name overwrites what stands there, or lets it stand, and the rest join it.
    """
    held = _single(before)
    pieces, seen = [], set()
    for name, value in after:
        if name in seen:
            pieces.append(_set(name, value, _APPEND))
            continue
        seen.add(name)
        if held.get(name) != value or name == _ALWAYS_SET:
            pieces.append(_set(name, value, _OVERWRITE))
    gone = (name for name in held if name not in seen and not name.startswith(":"))
    return b"".join([*pieces, *[delimited(_REMOVE, name.encode()) for name in gone]])


def _single(fields: Headers) -> dict[str, bytes | None]:
    """The value of each name; None where it has several."""
    found: dict[str, bytes | None] = {}
    for name, value in fields:
        found[name] = None if name in found else value
    return found


def _set(name: str, value: bytes, append: bytes) -> bytes:
    if name in _REMEMBERED and len(value) <= _SHORT:
        return _remembered(name, value, append)
    return _written(name, value, append)


def _written(name: str, value: bytes, append: bytes) -> bytes:
    header = delimited(_KEY, name.encode()) + delimited(_RAW_VALUE, value)
    return delimited(_SET, delimited(_HEADER, header) + append)


_remembered: Final = lru_cache(maxsize=512)(_written)
