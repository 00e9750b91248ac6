"""HTTP messages as values: what every room above passes around (RFC 9110)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar, dataclass_transform, final

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """A dataclass that nobody changes: the type checker holds that, and not `frozen`, which costs more than
    all else that the making of such a value does. An exchange is a dozen of them."""
    return dataclass(slots=True)(cls)


Buffer = bytes | memoryview  # a body passes by as it was received
Field = tuple[str, bytes]


@final
class Headers:
    """Ordered, immutable HTTP fields: lower-case names, values as bytes, repeats kept.

    `fields` are all of them, `first` the first value of each name. Its repr shows names only, since a value
    may be a cookie or a token.
    """

    __slots__ = ("fields", "first")

    fields: tuple[Field, ...]
    first: Mapping[str, bytes]

    def __init__(self, fields: Iterable[Field] = ()) -> None:
        self.fields = tuple([(name.lower(), value) for name, value in fields])
        self.first = dict(reversed(self.fields))

    @classmethod
    def of(cls, fields: Iterable[Field]) -> Headers:
        """Of fields whose names are in lower case already: those of HTTP/2 are, and those of a Headers."""
        headers = cls.__new__(cls)
        headers.fields = fields = tuple(fields)
        headers.first = dict(reversed(fields))
        return headers

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, name: object) -> bool:
        return name in self.first

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(self.fields)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name for name, _ in self.fields)})"

    def get(self, name: str) -> bytes | None:
        """The first value of `name`, or None."""
        return self.first.get(name)

    def get_all(self, name: str) -> list[bytes]:
        """Every value of `name`, in order."""
        return [value for own, value in self.fields if own == name]

    @property
    def content_length(self) -> int | None:
        """RFC 9110, 8.6. None for none, and for what is no length."""
        value = self.first.get("content-length")
        return None if value is None else content_length(value)

    def text(self, name: str) -> str | None:
        """The first value of `name` as Latin-1 text (RFC 9110, 5.5), or None."""
        value = self.first.get(name)
        return None if value is None else value.decode("latin-1")

    def without(self, *names: str) -> Headers:
        return Headers.of([pair for pair in self.fields if pair[0] not in names])

    def adding(self, *fields: Field) -> Headers:
        return Headers.of((*self.fields, *fields))

    def setting(self, name: str, value: bytes) -> Headers:
        """These fields with `name` once, at the end."""
        return self.without(name).adding((name, value))


NO_FIELDS: Final = Headers()


def content_length(value: bytes) -> int | None:
    """What a `content-length` says (RFC 9110, 8.6). None for no length, or one that not all can count to."""
    return int(value) if value.isdigit() and len(value) < 20 and int(value) < 2**63 else None


@value
class Request:
    """A request whose body has been read. `path` is in origin form, with the query."""

    method: str
    scheme: str
    authority: str
    path: str
    headers: Headers = NO_FIELDS
    body: bytes = field(default=b"", repr=False)

    @property
    def host(self) -> str:
        """The authority's host, in lower case and without port."""
        return authority_host(self.authority)


def authority_host(authority: str) -> str:
    """The host of `host`, `host:port` or `[address]:port`, in lower case."""
    host, _, port = authority.lower().rpartition(":")
    return host if host and port.isdecimal() else authority.lower()


@value
class Response:
    """A response whose body has been read."""

    status: int
    headers: Headers = NO_FIELDS
    body: bytes = field(default=b"", repr=False)
    trailers: Headers = NO_FIELDS
