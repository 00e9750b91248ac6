"""A HeaderMutation: what makes one list of fields of another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from extproc.envoy_api.protobuf import delimited
from extproc.link.messages import varint
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
_SHORT: Final = 64  # characters of a name that is remembered


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
    key = _key(name) if len(name) <= _SHORT else _written_key(name)
    header = key + varint(len(value)) + value
    option = _HEADER + varint(len(header)) + header + append
    return _SET + varint(len(option)) + option


def _written_key(name: str) -> bytes:
    """A HeaderValue as far as it is the same for every field of a name."""
    return delimited(_KEY, name.encode()) + _RAW_VALUE


_key: Final = lru_cache(maxsize=512)(_written_key)
