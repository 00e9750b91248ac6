"""What an inner request must be before anything is done with it (section 7)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from extproc.errors import Code, LinkError
from extproc.link.cookies import BINDING_LENGTH
from extproc.link.pb import privatelink_pb2 as pb
from extproc.message import Field, Headers, Request, content_length

_MAX_HEADERS: Final = 200
_MAX_HEADER_BYTES: Final = 64 * 1024
_MAX_TAGS: Final = 16
_MAX_TAG_LENGTH: Final = 64
_EXCHANGE_ID_LENGTH: Final = 16
_MAX_NAME_SHOWN: Final = 64
_MAX_METHOD: Final = 32
_MAX_AUTHORITY: Final = 255
_MAX_PATH: Final = 16 * 1024

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_NAME: Final = re.compile(r"[!#$%&'*+\-.^`|~0-9a-z]+")  # lower case, and without "_"
_FIELD_VALUE: Final = re.compile(
    rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?"
)
_AUTHORITY: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([1-9][0-9]{0,4}))?"
)
_TARGET: Final = re.compile(r"/[\x21\x22\x24-\x5b\x5d-\x7e]*")  # neither "#" nor backslash
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# With parameters too: "..;x" is ".." to Envoy's own normalization, and to servlet containers.
_DOT_SEGMENT: Final = re.compile(r"\.{1,2}(?:;.*)?")
_ENCODED_SLASH: Final = re.compile(r"%2f", re.IGNORECASE)
_ENCODED_SEPARATOR_OR_NUL: Final = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)
_ENCODED_BACKSLASH_OR_NUL: Final = re.compile(r"%(?:5c|00)", re.IGNORECASE)

_REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})
_REFUSED_FIELDS: Final = frozenset(
    {"connection", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive"}
)
_REFUSED_PREFIXES: Final = ("proxy-", "x-link-")
_SINGLE_FIELDS: Final = frozenset(
    {"host", "content-length", "content-type", "authorization", "origin", "referer"}
)


@dataclass(frozen=True, slots=True)
class ValidationRules:
    """`link_path`: the link's own prefix, which no inner request may name."""

    link_path: str
    allow_encoded_slash: bool = False


def check_exchange_id(inner: pb.InnerRequest) -> None:
    """Raises LinkError(BAD_REQUEST). A store must not be asked for an id of another length."""
    if len(inner.exchange_id) != _EXCHANGE_ID_LENGTH:
        raise _bad(f"exchange_id of {len(inner.exchange_id)} bytes")


def is_field(name: str, value: bytes) -> bool:
    """Whether this is what a Header may be: a lower-case token without "_", and a field value of RFC 9110."""
    return _FIELD_NAME.fullmatch(name) is not None and _FIELD_VALUE.fullmatch(value) is not None


def why_no_field(name: str) -> str:
    """What `is_field` has found wrong, for logs: the header and the rule, never the value."""
    shown = f"header {name[:_MAX_NAME_SHOWN]!r}"
    if "_" in name:
        return f'{shown}: no "_" in a name'
    if not _FIELD_NAME.fullmatch(name):
        return f"{shown}: a name is a lower-case token of RFC 9110"
    return f"{shown}: no control characters in a value, and no white space around it"


def validate_request(inner: pb.InnerRequest, rules: ValidationRules, *, streamed: bool = False) -> Request:
    """The inner request as a Request. Raises LinkError(BAD_REQUEST) for one that smuggles.

    `streamed`: its body comes in chunks, for the caller to count against `content-length`.
    """
    check_exchange_id(inner)
    method, scheme, authority, target = inner.method, inner.scheme, inner.authority, inner.path
    if len(method) > _MAX_METHOD or len(authority) > _MAX_AUTHORITY or len(target) > _MAX_PATH:
        longest = max(len(method), len(authority), len(target))
        raise _bad(f"a method, authority or path of {longest} characters")
    _check_line(method, scheme, authority)
    path = _checked_path(target, rules)
    _check_client(inner)
    headers, body = Headers.of(_checked_headers(inner.headers)), inner.body
    _check_single_fields(headers, authority, None if streamed else len(body))
    return Request(method, scheme, authority, path, headers, body)


def validate_trailers(trailers: Sequence[pb.Header]) -> None:
    """Raises LinkError(BAD_REQUEST) for what could not be headers."""
    _checked_headers(trailers)


def _bad(reason: str) -> LinkError:
    return LinkError(Code.BAD_REQUEST, reason)


@lru_cache(maxsize=256)
def _check_line(method: str, scheme: str, authority: str) -> None:
    """Of what is short. There are few that are good, and they are remembered."""
    if not _TOKEN.fullmatch(method) or method.upper() in _REFUSED_METHODS:
        raise _bad("method")
    if scheme not in {"http", "https"}:
        raise _bad("scheme")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None or int(parts[1] or 0) > 65_535:
        raise _bad("authority")


def _checked_path(target: str, rules: ValidationRules) -> str:
    """The path, and the query as it is. Escapes of unreserved characters are undone (RFC 3986, 6.2.2.2).

    Envoy does the same to the path of a plain request. Without it, `/%61dmin` would pass by what guards
    `/admin`, and the upstream would take it for `/admin` all the same.
    """
    if not _TARGET.fullmatch(target):
        raise _bad("path is not in origin form, or has a byte that it may not have")
    path, question_mark, query = target.partition("?")
    decoded = path  # as an upstream reads it that needs encoded slashes
    if "%" in path:
        path = _unescaped(path, rules)
        decoded = _ENCODED_SLASH.sub("/", path)
    if "//" in decoded or ("/." in decoded and any(map(_DOT_SEGMENT.fullmatch, decoded.split("/")))):
        raise _bad("path has an empty or a dot segment")
    if path.startswith(rules.link_path) and path[len(rules.link_path) :][:1] in {"", "/"}:
        raise _bad("path is one of the link's own")
    return path + question_mark + query


def _unescaped(path: str, rules: ValidationRules) -> str:
    """A path with escapes, without those of unreserved characters."""
    if _BAD_ESCAPE.search(path):
        raise _bad("path has a percent sign that escapes nothing")
    path = _ESCAPE.sub(_unescape_unreserved, path)
    forbidden = _ENCODED_BACKSLASH_OR_NUL if rules.allow_encoded_slash else _ENCODED_SEPARATOR_OR_NUL
    if forbidden.search(path):
        raise _bad("path has an escape that it may not have")
    return path


def _unescape_unreserved(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0]


def _check_client(inner: pb.InnerRequest) -> None:
    binding, tags = inner.cookie_binding, inner.client.tags
    if binding and len(binding) != BINDING_LENGTH:
        raise _bad(f"cookie_binding of {len(binding)} bytes")
    if tags and _are_too_many_or_long(tags):
        raise _bad("client tags over their bounds")


def _are_too_many_or_long(tags: Mapping[str, str]) -> bool:
    return len(tags) > _MAX_TAGS or any(max(len(tag), len(tags[tag])) > _MAX_TAG_LENGTH for tag in tags)


def _checked_headers(fields: Sequence[pb.Header]) -> list[Field]:
    if len(fields) > _MAX_HEADERS:  # before anything is made of them
        raise _bad(f"{len(fields)} headers")
    headers, size = [], 0
    for field in fields:
        name, value = field.name, field.value
        size += len(name) + len(value)
        if size > _MAX_HEADER_BYTES:
            raise _bad("more than 64 KiB of headers")
        if not is_field(name, value):
            raise _bad(why_no_field(name))
        if name in _REFUSED_FIELDS or name.startswith(_REFUSED_PREFIXES):
            raise _bad(f"header {name}")
        headers.append((name, value))
    return headers


def _check_single_fields(headers: Headers, authority: str, body_length: int | None) -> None:
    """`body_length`: of a body that is whole."""
    first = headers.first
    if len(first) < len(headers.fields):
        _check_repeats(headers.fields)
    host, declared = first.get("host"), first.get("content-length")
    if host is not None and host != authority.encode():
        raise _bad("host is not the authority")
    if declared is None:
        return
    length = content_length(declared)
    if length is None or (body_length is not None and length != body_length):
        raise _bad("content-length is not the body's")


def _check_repeats(fields: Sequence[Field]) -> None:
    seen = set()
    for name, _ in fields:
        if name in seen:
            raise _bad(f"header {name} twice")
        if name in _SINGLE_FIELDS:
            seen.add(name)
