"""Cookies across the seal (docs/protocol.md, section 13), in the three modes of the gateway's policy.

    sealed   outside go opaque names and values, which only this gateway opens, for this install alone
    plain    outside go the business's own lines, fitted to the outer host
    inside   outside goes nothing: the client keeps a jar of its own

In each, the inner request's own cookies come first, and win by name over those from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final, Literal

from extproc.link.cookies import PREFIX, SALT_LENGTH, Cookie, CookieKey, open_cookie, seal
from extproc.message import Field, Headers
from extproc.policy.rfc6265 import (
    SameSite,
    SetCookie,
    SetCookieError,
    attributes,
    cookie_pairs,
    domain_match,
    parse_set_cookie,
    path_match,
)

Mode = Literal["sealed", "plain", "inside"]

_MAX_BYTES: Final = 4096  # of name and value, as browsers count them
_TOO_LARGE: Final = f"it is over {_MAX_BYTES:,} bytes when sealed"
# Of one answer's lines. Above 256 fields or 80 KiB Envoy answers 500 in the clear; one that is not configured
# by the bootstrap, above 100 fields. Room is left for the answer's other fields, and for a proxy in front.
_MAX_LINES: Final = 80
_MAX_TOTAL: Final = 48 * 2**10
_LONGEST: Final = 400 * 24 * 3600  # seconds that a sealed cookie lives: RFC 6265bis, 5.5
_EARLIEST: Final = 1  # the earliest time that a cookie can expire at, since 0 is a session's
_SHOWN: Final = 64  # characters of a name in a problem
_PREFIX: Final = PREFIX.encode()
_FITTED: Final = {b"domain", b"path", b"samesite", b"secure"}


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """`keys`: the first seals, all open. `same_site` and `secure`, when given, are forced on every cookie."""

    mode: Mode
    keys: tuple[CookieKey, ...]
    link_path: str
    same_site: SameSite | None = None
    secure: bool | None = None

    def __post_init__(self) -> None:
        if self.mode == "sealed" and not self.keys:
            raise ValueError("cookie mode sealed: expected at least one cookie key")


@dataclass(frozen=True, slots=True)
class CookieContext:
    """The inner request that cookies are for, and whom it came from.

    `host` and `outer_host` in lower case, without port; `path` without its query; `binding`: 32 bytes, or
    empty for a client that has none; `browser`: scripts read the inner response; `now`: Unix seconds;
    `sent`: the names of the sealed cookies that came with the outer request (`sealed_names`).
    """

    scheme: str
    host: str
    path: str
    outer_host: str
    binding: bytes = field(repr=False)
    browser: bool
    now: int
    sent: frozenset[bytes] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class SetCookies:
    """`outer`: lines to set outside. `inner`: all fields of the inner response. `problems`: for the log."""

    outer: tuple[bytes, ...] = field(repr=False)
    inner: Headers
    problems: tuple[str, ...]


def sealed_names(outer: Headers) -> frozenset[bytes]:
    """The outer names of the sealed cookies that a request's fields hold."""
    pairs = cookie_pairs(outer.get_all("cookie"))
    return frozenset(name for name, _ in pairs if name.startswith(_PREFIX))


def incoming(policy: CookiePolicy, ctx: CookieContext, *, outer: Headers, inner: Headers) -> Headers:
    """The inner request's fields with one merged `cookie` field, or none."""
    own = cookie_pairs(inner.get_all("cookie"))
    taken = {name for name, _ in own}
    others = _from_outside(policy, ctx, cookie_pairs(outer.get_all("cookie")))
    pairs = [pair for _, pair in own] + [pair for name, pair in others if name not in taken]
    rest = inner.without("cookie")
    return rest.adding(("cookie", b"; ".join(pairs))) if pairs else rest


def outgoing(
    policy: CookiePolicy, ctx: CookieContext, response: Headers, random: Callable[[int], bytes]
) -> SetCookies:
    """What the `set-cookie` lines of a response become. `random(n)` gives n fresh random bytes.

    Where the browser keeps the cookies, its scripts are not to see those with HttpOnly in the inner response.
    A cookie whose lines no longer fit beside those before it is not set: the answer itself never fails.
    """
    if policy.mode == "inside":
        return SetCookies((), response, ())
    outer: list[bytes] = []
    problems: list[str] = []
    for raw in response.get_all("set-cookie"):
        try:
            lines = _to_outside(policy, ctx, parse_set_cookie(raw), random)
            _check_room([*outer, *lines])
            outer += lines
        except SetCookieError as error:
            problems.append(f"set-cookie {_shown_name(raw)}: {error}")
    inner = Headers(pair for pair in response if not (ctx.browser and _is_http_only(pair)))
    return SetCookies(tuple(outer), inner, tuple(problems))


def _check_room(lines: list[bytes]) -> None:
    if len(lines) > _MAX_LINES:
        raise SetCookieError(f"its answer sets more than {_MAX_LINES} lines outside")
    if sum(map(len, lines)) > _MAX_TOTAL:
        raise SetCookieError(f"its answer sets more than {_MAX_TOTAL:,} bytes outside")


def _is_http_only(pair: Field) -> bool:
    return pair[0] == "set-cookie" and any(found.name == b"httponly" for found in attributes(pair[1]))


def _shown_name(raw: bytes) -> str:
    name, equals, _ = raw.partition(b";")[0].partition(b"=")
    return ascii(name.decode("latin-1").strip()[:_SHOWN] if equals else "")  # else it may be a value


# From outside


def _from_outside(
    policy: CookiePolicy, ctx: CookieContext, pairs: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """The names and pairs that outer cookies bring to the inner request."""
    if policy.mode == "sealed":
        return _opened(policy, ctx, [pair for name, pair in pairs if name.startswith(_PREFIX)])
    if policy.mode == "plain":
        return [(name, pair) for name, pair in pairs if not name.startswith(_PREFIX)]
    return []


def _opened(policy: CookiePolicy, ctx: CookieContext, pairs: list[bytes]) -> list[tuple[bytes, bytes]]:
    """Those that open and are for this request, longer paths first (RFC 6265, 5.4)."""
    if not ctx.binding:
        return []
    found: dict[tuple[str, str, str], Cookie] = {}
    for pair in pairs:
        name, _, value = pair.decode("latin-1").partition("=")
        cookie = open_cookie(policy.keys, ctx.binding, name, value)
        if cookie is not None and _is_for(cookie, ctx):
            # A browser sends what it got last at the end: the sealing under the newer key.
            found[cookie.name, cookie.domain, cookie.path] = cookie
    ordered = sorted(found.values(), key=lambda cookie: len(cookie.path), reverse=True)
    return cookie_pairs([cookie.name.encode() + b"=" + cookie.value for cookie in ordered])


def _is_for(cookie: Cookie, ctx: CookieContext) -> bool:
    """RFC 6265, 5.4, step 1."""
    return (
        not _is_expired(cookie, ctx.now)
        and (ctx.host == cookie.domain if cookie.host_only else domain_match(ctx.host, cookie.domain))
        and path_match(ctx.path, cookie.path)
        and (ctx.scheme == "https" or not cookie.secure)
    )


def _is_expired(cookie: Cookie, now: int) -> bool:
    return 0 < cookie.expires_at <= now


# To outside


def _to_outside(
    policy: CookiePolicy, ctx: CookieContext, line: SetCookie, random: Callable[[int], bytes]
) -> list[bytes]:
    cookie = _stored(policy, ctx, line)
    if policy.mode == "plain":
        return [_plain(policy, ctx, line, cookie)]
    return _sealed(policy, ctx, line, cookie, random) if ctx.binding else []


def _stored(policy: CookiePolicy, ctx: CookieContext, line: SetCookie) -> Cookie:
    """The cookie as a user agent would store it (RFC 6265, 5.3). Raises SetCookieError."""
    try:
        name = line.name.decode()
    except UnicodeDecodeError:
        raise SetCookieError("its name is not UTF-8") from None
    domain, host_only = line.domain(ctx.host)
    expires_at, longest = line.expires_at(ctx.now), ctx.now + _LONGEST
    cookie = Cookie(
        name=name,
        value=line.value,
        domain=domain,
        host_only=host_only,
        path=line.path(ctx.path),
        secure=line.has(b"secure") if policy.secure is None else policy.secure,
        expires_at=longest if expires_at is None else min(max(expires_at, _EARLIEST), longest),
    )
    _check_prefix(cookie, line, ctx)
    return cookie


def _check_prefix(cookie: Cookie, line: SetCookie, ctx: CookieContext) -> None:
    """RFC 6265bis, 4.1.3: what the name promises has to be so, whatever the outer line says."""
    name = cookie.name.lower()
    if name.startswith(("__secure-", "__host-")) and not (cookie.secure and ctx.scheme == "https"):
        raise SetCookieError("its prefix asks for Secure and for https")
    if name.startswith("__host-") and not (cookie.host_only and line.last(b"path") == b"/"):
        raise SetCookieError("its prefix asks for Path=/ and for no Domain")


def _sealed(
    policy: CookiePolicy,
    ctx: CookieContext,
    line: SetCookie,
    cookie: Cookie,
    random: Callable[[int], bytes],
) -> list[bytes]:
    """The sealed line, or the deletion; before it that of the cookie under older keys, where it was sent."""
    if len(cookie.name) + len(cookie.value) + len(cookie.domain) + len(cookie.path) > _MAX_BYTES:
        raise SetCookieError(_TOO_LARGE)
    expired = _is_expired(cookie, ctx.now)
    name, *older = (
        key.outer_name(ctx.binding, cookie.domain, cookie.path, cookie.name) for key in policy.keys
    )
    gone = [old for old in older if old.encode() in ctx.sent] + ([name] if expired else [])
    deletions = [_sealed_line(policy, line, unused, "", "Max-Age=0") for unused in gone]
    if expired:
        return deletions
    name, value = seal(policy.keys[0], ctx.binding, cookie, salt=random(SALT_LENGTH))
    if len(name) + len(value) > _MAX_BYTES:
        raise SetCookieError(_TOO_LARGE)
    return [*deletions, _sealed_line(policy, line, name, value, *_lifetime(line))]


def _sealed_line(policy: CookiePolicy, line: SetCookie, name: str, value: str, *lifetime: str) -> bytes:
    same_site = policy.same_site or line.same_site()
    parts = [f"{name}={value}", f"Path={policy.link_path}", "Secure", "HttpOnly"]
    parts += [f"SameSite={same_site}"] if same_site else []
    return "; ".join((*parts, *lifetime)).encode()


def _lifetime(line: SetCookie) -> list[str]:
    age, expires = line.max_age(), line.expires()
    parts = [] if age is None else [f"Max-Age={age}"]
    return parts if expires is None else [*parts, f"Expires={formatdate(expires, usegmt=True)}"]


def _plain(policy: CookiePolicy, ctx: CookieContext, line: SetCookie, cookie: Cookie) -> bytes:
    """The business's own line, fitted to the link: its path is not the link's, and its domain may not be."""
    parts = [line.name + b"=" + line.value]
    parts += [found.raw for found in line.attributes if found.raw and found.name not in _FITTED]
    parts.append(b"Path=/")
    if not cookie.host_only and domain_match(ctx.outer_host, cookie.domain):
        parts.append(b"Domain=" + cookie.domain.encode())
    if same_site := policy.same_site or line.same_site():
        parts.append(b"SameSite=" + same_site.encode())
    if cookie.secure:
        parts.append(b"Secure")
    return b"; ".join(parts)
