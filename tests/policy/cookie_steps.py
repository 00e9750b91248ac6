"""The steps that cookie transcripts are made of: an upstream's answer, a browser's request."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from extproc.link.cookies import CookieKey
from extproc.message import Headers
from extproc.policy.cookies import CookieContext, CookiePolicy, incoming, outgoing

NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
KEY = CookieKey(bytes(range(32)))
OLD_KEY = CookieKey(bytes(range(1, 33)))
OLDEST_KEY = CookieKey(bytes(range(2, 34)))
SEALED = CookiePolicy("sealed", (KEY,), "/_link")
PLAIN = CookiePolicy("plain", (), "/_link")
INSIDE = CookiePolicy("inside", (), "/_link")
CTX = CookieContext(
    scheme="https",
    host="shop.example.com",
    path="/orders/7",
    outer_host="gw.example.com",
    binding=b"b" * 32,
    browser=False,
    now=NOW,
)


def salts() -> Callable[[int], bytes]:
    """Randomness that never repeats, and is the same in every run."""
    counter = count(1)
    return lambda length: next(counter).to_bytes(length, "big")


def answer(*lines: bytes) -> Headers:
    return Headers([("content-type", b"text/plain"), *(("set-cookie", line) for line in lines)])


def set_outside(*lines: bytes, policy: CookiePolicy = SEALED, ctx: CookieContext = CTX) -> list[str]:
    result = outgoing(policy, ctx, answer(*lines), salts())
    assert not result.problems
    return [line.decode("latin-1") for line in result.outer]


def problems(*lines: bytes, policy: CookiePolicy = SEALED, ctx: CookieContext = CTX) -> tuple[str, ...]:
    result = outgoing(policy, ctx, answer(*lines), salts())
    assert not result.outer
    return result.problems


def sealed(*lines: bytes, policy: CookiePolicy = SEALED, ctx: CookieContext = CTX) -> bytes:
    """The `cookie` field of a browser that got these lines."""
    pairs = [line.partition(";")[0] for line in set_outside(*lines, policy=policy, ctx=ctx)]
    return "; ".join(pairs).encode()


def presented(
    outer: bytes | list[bytes],
    *own: bytes,
    policy: CookiePolicy = SEALED,
    ctx: CookieContext = CTX,
) -> bytes | None:
    """What the upstream sees in `cookie`."""
    fields = [outer] if isinstance(outer, bytes) else outer
    merged = incoming(
        policy,
        ctx,
        outer=Headers([("x-outer", b"1"), *(("cookie", value) for value in fields)]),
        inner=Headers([("x-inner", b"1"), *(("cookie", value) for value in own)]),
    )
    assert merged.without("cookie") == Headers([("x-inner", b"1")])
    assert len(merged.get_all("cookie")) <= 1
    return merged.get("cookie")
