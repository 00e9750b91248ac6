"""A HeaderMutation: what makes one list of fields of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_UNSURE: Final = "content-length"  # Envoy's own business, where it has a body
# Fields that have few values, none of them a secret: how they are written is remembered.
_REMEMBERED: Final = frozenset(
    {
        *(":method", ":scheme", ":authority", ":status", "cache-control", "vary", "x-link-opened"),
        *("access-control-allow-origin", "access-control-allow-credentials", "content-type"),
        *("access-control-expose-headers", "x-forwarded-proto", "accept", "accept-encoding"),
    }
)


def mutation(before: Headers, after: Sequence[Field]) -> bytes:
    """Serialized: of `before`, which Envoy holds, it makes `after`. Pseudo-headers are never removed.

    The first value of a name overwrites what stands there, or lets it stand, and the rest join it.
    """
    held, first, rest = _single(before), dict(after), []
    if len(first) < len(after):
        first.update(reversed(after))
        rest = list(_repeated(after))
    pieces = [
        (_remembered_set if name in _REMEMBERED else _set)(name, value, _OVERWRITE)
        for name, value in first.items()
        if held.get(name) != value
    ]
    pieces += [_set(name, value, _APPEND) for name, value in rest]
    pieces += [_remove(name) for name in held if name not in first and name[0] != ":"]
    return b"".join(pieces)


def _single(fields: Headers) -> dict[str, bytes | None]:
    """The value of each name; None where it has several, or may no longer be what Envoy has said."""
    found: dict[str, bytes | None] = dict(fields.fields)
    if len(found) < len(fields.fields):
        found.update(dict.fromkeys([name for name, _ in _repeated(fields.fields)]))
    if _UNSURE in found:
        found[_UNSURE] = None
    return found


def _repeated(fields: Iterable[Field]) -> Iterator[Field]:
    """Those whose name has come before."""
    seen = set()
    for name, value in fields:
        if name in seen:
            yield name, value
        seen.add(name)


def _set(name: str, value: bytes, append: bytes) -> bytes:
    header = _key(name) + _RAW_VALUE + varint(len(value)) + value
    option = _HEADER + varint(len(header)) + header + append
    return _SET + varint(len(option)) + option


_remembered_set: Final = lru_cache(maxsize=128)(_set)


@lru_cache(maxsize=128)
def _key(name: str) -> bytes:
    return delimited(_KEY, name.encode())


@lru_cache(maxsize=128)
def _remove(name: str) -> bytes:
    return delimited(_REMOVE, name.encode())
