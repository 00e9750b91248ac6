"""A HeaderMutation: what makes one list of fields of another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_MOST: Final = 128  # of what is remembered: names, which may be a client's, and lengths of a name's values
_LONGEST: Final = 64  # octets of a name that is remembered


def mutation(before: Headers, after: Sequence[Field]) -> bytes:
    """Serialized: of `before`, which Envoy holds, it makes `after`. Pseudo-headers are never removed.

    The first value of a name overwrites what stands there, or lets it stand, and the rest join it.
    """
    held, first = _single(before), dict(after)
    joining: Iterable[Field] = ()
    if len(first) < len(after):
        first.update(reversed(after))
        joining = _repeated(after)
    pieces = []
    for name, value in first.items():
        if held.pop(name, None) != value:
            pieces.append(_names[name][len(value)])
            pieces.append(value)
    for name, value in joining:
        pieces += _names[name].opening(len(value), _APPEND), value
    for name in held:
        if name[0] != ":":
            pieces.append(_names[name].removed)
    return b"".join(pieces)


def _single(fields: Headers) -> dict[str, bytes | None]:
    """The value of each name; None where it has several, or may no longer be what Envoy has said."""
    found: dict[str, bytes | None] = dict(fields.first)
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


class _Name(dict[int, bytes]):
    """How fields of a name are written: by the length of a value, what stands before one that overwrites."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._key = delimited(_KEY, name.encode())
        self.removed = delimited(_REMOVE, name.encode())

    def __missing__(self, length: int) -> bytes:
        if len(self) == _MOST:
            self.clear()
        opening = self[length] = self.opening(length, _OVERWRITE)
        return opening

    def opening(self, length: int, append: bytes) -> bytes:
        """A field that is set, up to its value, which ends it."""
        header = self._key + _RAW_VALUE + varint(length)
        option = append + _HEADER + varint(len(header) + length) + header
        return _SET + varint(len(option) + length) + option


class _Names(dict[str, _Name]):
    def __missing__(self, name: str) -> _Name:
        found = _Name(name)
        if len(name) <= _LONGEST:
            if len(self) == _MOST:
                self.clear()
            self[name] = found
        return found


_names: Final = _Names()
