"""HTTP messages as values: what every room above passes around (RFC 9110)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import final

Buffer = bytes | memoryview  # a body passes by as it was received
Field = tuple[str, bytes]


@final
class Headers:
    """Ordered, immutable HTTP fields: lower-case names, values as bytes, repeats kept.

    Its repr shows names only, since a value may be a cookie or a token.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self._fields: tuple[Field, ...] = tuple((name.lower(), value) for name, value in fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return any(own == name for own, _ in self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self._fields)})"

    def get(self, name: str) -> bytes | None:
        """The first value of `name`, or None."""
        return next((value for own, value in self._fields if own == name), None)

    def get_all(self, name: str) -> list[bytes]:
        """Every value of `name`, in order."""
        return [value for own, value in self._fields if own == name]

    @property
    def content_length(self) -> int | None:
        """RFC 9110, 8.6. None for none, and for what is no length."""
        return content_length(self.get("content-length") or b"")

    def text(self, name: str) -> str | None:
        """The first value of `name` as Latin-1 text (RFC 9110, 5.5), or None."""
        value = self.get(name)
        return None if value is None else value.decode("latin-1")

    def where(self, keep: Callable[[str], bool]) -> Headers:
        """The fields whose name `keep` accepts."""
        return Headers(pair for pair in self._fields if keep(pair[0]))

    def without(self, *names: str) -> Headers:
        return self.where(lambda name: name not in names)

    def adding(self, *fields: Field) -> Headers:
        return Headers((*self._fields, *fields))

    def setting(self, name: str, value: bytes) -> Headers:
        """These fields with `name` once, at the end."""
        return self.without(name).adding((name, value))


def content_length(value: bytes) -> int | None:
    """What a `content-length` says (RFC 9110, 8.6). None for no length, or one that not all can count to."""
    return int(value) if value.isdigit() and len(value) < 20 and int(value) < 2**63 else None


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has been read. `path` is in origin form, with the query."""

    method: str
    scheme: str
    authority: str
    path: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)

    @property
    def host(self) -> str:
        """The authority's host, in lower case and without port."""
        return authority_host(self.authority)


def authority_host(authority: str) -> str:
    """The host of `host`, `host:port` or `[address]:port`, in lower case."""
    host, _, port = authority.lower().rpartition(":")
    return host if host and port.isdecimal() else authority.lower()


@dataclass(frozen=True, slots=True)
class Response:
    """A response whose body has been read."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = field(default=b"", repr=False)
    trailers: Headers = field(default_factory=Headers)
