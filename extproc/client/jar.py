"""Where the link's own cookies live; httpx's client has a jar of its own for the inner ones.

Every name is taken, not the sealed ones alone: which cookies there are is the gateway's policy ("plain" has
the upstream's own outside), and a load balancer on the way may have some too. `set-cookie` lines stand
outside the seal, though, so that anyone on the way can add some to an authentic answer. Hence the bounds:
what he adds can't fill the memory, nor make the `cookie` field too long for the gateway to take.
"""

from __future__ import annotations

from contextlib import suppress
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

MAX_COOKIES: Final = 50  # RFC 6265, 6.1: of a domain; the jar sees the link's host alone
MAX_COOKIE: Final = 4096  # bytes of name and value, as the gateway counts them
MAX_ATTRIBUTES: Final = 1024
MAX_TOTAL: Final = 32 * 2**10  # of name and value; Envoy takes 60 KiB of headers if it is not told otherwise

_Key = tuple[str, str, str]


def outer_jar(*, is_loopback: bool) -> httpx.Cookies:
    """An empty jar for one link.

    Sealed cookies are `Secure`. Over plain http they go back to loopback only, which never leaves the
    machine: the jar sees no other host than the link's.
    """
    protocols = ("https", "http") if is_loopback else ("https",)
    return httpx.Cookies(_BoundedJar(DefaultCookiePolicy(secure_protocols=protocols)))


def keep_cookies(jar: httpx.Cookies, answer: httpx.Headers, request: httpx.Request) -> None:
    """Keep what an answer to `request` sets. A line that is too long is ignored, and so is one that is not
    ASCII, since it could not be sent back."""
    lines = (value for name, value in answer.raw if name.lower() == b"set-cookie")
    kept = [(b"set-cookie", line) for line in lines if line.isascii() and _fits(line)]
    jar.extract_cookies(httpx.Response(200, headers=kept, request=request))


def _fits(line: bytes) -> bool:
    pair, _, attributes = line.partition(b";")
    return len(pair) <= MAX_COOKIE and len(attributes) <= MAX_ATTRIBUTES


class _BoundedJar(CookieJar):
    """Where there is no room, the cookie that was set the longest time ago goes."""

    def __init__(self, policy: DefaultCookiePolicy) -> None:
        super().__init__(policy)
        self._by_age: dict[_Key, int] = {}  # oldest first: bytes of name and value

    def set_cookie(self, cookie: Cookie) -> None:
        super().set_cookie(cookie)
        self._by_age.pop(_key(cookie), None)
        there = {_key(other) for other in self}  # deletions and clear() have not passed here
        ages = {key: size for key, size in self._by_age.items() if key in there}
        ages[_key(cookie)] = len(cookie.name) + len(cookie.value or "")
        while len(ages) > MAX_COOKIES or sum(ages.values()) > MAX_TOTAL:
            oldest = next(iter(ages))
            del ages[oldest]
            with suppress(KeyError):  # cleared meanwhile, by another thread
                self.clear(*oldest)
        self._by_age = ages


def _key(cookie: Cookie) -> _Key:
    return cookie.domain, cookie.path, cookie.name
