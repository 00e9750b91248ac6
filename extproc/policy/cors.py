"""CORS by the gateway's own policy (WHATWG Fetch, 3.2): which pages may use the link, and how.

The origin that is allowed is echoed, never `*`; `null` is never allowed. The business's own CORS headers
stay inside the seal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from extproc.message import Field, Headers

# An origin as browsers serialize it (RFC 6454, 6.2): lower case, and nothing after the port. Whatever an
# entry of the policy says, a text that is not of this form is not an origin: no user info, path or fragment
# can pass for a part of the host.
_ORIGIN: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
)
_MAX_ORIGIN: Final = 300  # a host name has at most 253 characters
_DEFAULT_PORTS: Final = re.compile(r"http://.*:80|https://.*:443")
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]+")  # a token, but for "*", which CORS reads as all

_VARY_ALONE: Final = Headers([("vary", b"origin")])
_PREFLIGHT_VARY: Final = b"origin, access-control-request-method, access-control-request-headers"


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Which origins may use the link from a browser, and how. ValueError for an entry that could never work.

    `origins`: exact, `https://*.example.com` (one or more labels, not the apex), or `regex:` and a pattern
    that the whole origin must match. `headers`: request headers beside content-type.
    """

    origins: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age_s: int = 3600

    def __post_init__(self) -> None:
        matcher(self.origins)
        for name in (*self.headers, *self.expose):
            if not _NAME.fullmatch(name):
                raise ValueError(f"expected the name of a header, not {name!r}")


@lru_cache(maxsize=256)
def matcher(origins: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a text is an origin that one of these entries allows. ValueError for an entry that is none."""
    tests = tuple(_compile(entry) for entry in origins)

    def allows(origin: str) -> bool:
        return _is_origin(origin) and any(test(origin) for test in tests)

    return allows


def is_allowed(policy: CorsPolicy, origin: str) -> bool:
    return matcher(policy.origins)(origin)


def preflight(policy: CorsPolicy, request: Headers) -> Headers:
    """The headers of the 204 that answers a preflight; for a forbidden origin `vary` alone."""
    vary = Headers([("vary", _PREFLIGHT_VARY)])
    origins = request.get_all("origin")
    origin = origins[0].decode("latin-1") if len(origins) == 1 else ""
    if not is_allowed(policy, origin):
        return vary
    names = dict.fromkeys(("content-type", *(name.lower() for name in policy.headers)))
    return vary.adding(
        *_grant(policy, origin),
        ("access-control-allow-methods", b"POST, GET"),
        ("access-control-allow-headers", _listed(names)),
        ("access-control-max-age", str(policy.max_age_s).encode()),
    )


def answer_headers(policy: CorsPolicy, origin: str | None) -> Headers:
    """The CORS headers of any other answer; for a forbidden origin, or none, `vary` alone."""
    if origin is None or not is_allowed(policy, origin):
        return _VARY_ALONE
    exposed: list[Field] = []
    if policy.expose:
        exposed.append(("access-control-expose-headers", _listed(name.lower() for name in policy.expose)))
    return _VARY_ALONE.adding(*_grant(policy, origin), *exposed)


def _grant(policy: CorsPolicy, origin: str) -> list[Field]:
    grant = [("access-control-allow-origin", origin.encode())]
    if policy.credentials:
        grant.append(("access-control-allow-credentials", b"true"))
    return grant


def _listed(names: Iterable[str]) -> bytes:
    return ", ".join(names).encode()


def _is_origin(text: str) -> bool:
    return len(text) <= _MAX_ORIGIN and _ORIGIN.fullmatch(text) is not None


def _compile(entry: str) -> Callable[[str], bool]:
    if entry.startswith("regex:"):
        return _pattern(entry.removeprefix("regex:"))
    if "://*." in entry:
        return _subdomains(entry)
    _expect_origin(entry, entry)
    return lambda origin: origin == entry


def _pattern(pattern: str) -> Callable[[str], bool]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"expected a regular expression, not {pattern!r}: {error}") from error
    return lambda origin: compiled.fullmatch(origin) is not None


def _subdomains(entry: str) -> Callable[[str], bool]:
    """One or more labels in the place of `*`: an origin's form lets nothing else stand there."""
    _expect_origin(entry.replace("*", "x", 1), entry)
    start, _, end = entry.partition("*")
    return lambda origin: origin.startswith(start) and origin.endswith(end)


def _expect_origin(text: str, entry: str) -> None:
    if not _is_origin(text) or _DEFAULT_PORTS.fullmatch(text):
        raise ValueError(
            f'expected an origin as browsers send it, such as "https://app.example.com", not {entry!r}'
        )
