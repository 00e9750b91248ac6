"""The gateway's sealed cookies, held against a browser's own jar.

Invariant: an upstream behind the link is presented with the same `cookie` field, byte for byte, as one that
the browser reaches directly, whatever was set, by which host, on which path and scheme, and whenever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from email.utils import formatdate

from hypothesis import given, settings
from hypothesis import strategies as st

from extproc.link.cookies import CookieKey
from extproc.message import Headers
from extproc.policy.cookies import CookieContext, CookiePolicy, incoming, outgoing, sealed_names
from tests.policy.cookie_steps import CTX, KEY, NOW, SEALED, salts
from tests.policy.jar import Jar, Url

LINK = Url("https", "gw.example.com", "/_link")

HOSTS = "shop.example.com example.com a.shop.example.com badexample.com localhost 192.0.2.1 [2001:db8::1]"
DOMAINS = "example.com .Shop.Example.com shop.example.com com localhost 192.0.2.1 0.2.1"
urls = st.builds(
    Url,
    scheme=st.sampled_from(["https", "https", "http"]),
    host=st.sampled_from(HOSTS.split()),
    path=st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c"]),
)
attributes = st.one_of(
    st.sampled_from(DOMAINS.split()).map("Domain={}".format),
    st.sampled_from(["/", "/a", "/a/", "/a/b", "a"]).map("path={}".format),
    st.sampled_from(["Path", "Domain=", "Secure", "HttpOnly", "SameSite=Lax"]),
    st.integers(-1, 9).map("Max-Age={}".format),
    st.integers(NOW - 2, NOW + 12).map(lambda when: f"Expires={formatdate(when, usegmt=True)}"),
)
lines = st.builds(
    lambda name, value, attributes: "; ".join([f"{name}={value}", *attributes]),
    st.sampled_from(["sid", "sid", "lang", "__Host-x", "__Secure-y"]),
    st.integers(0, 99),
    st.lists(attributes, max_size=5),
)


@dataclass(frozen=True)
class Step:
    """A request, `later` seconds after the one before, and the lines of its answer."""

    url: Url
    later: int
    lines: list[str]


steps = st.lists(st.builds(Step, urls, st.integers(0, 4), st.lists(lines, max_size=4)), max_size=8)


def context(url: Url, now: int, binding: bytes = CTX.binding) -> CookieContext:
    return replace(CTX, scheme=url.scheme, host=url.host, path=url.path, now=now, binding=binding)


def presented(outer: str, ctx: CookieContext, policy: CookiePolicy = SEALED) -> str:
    return incoming(policy, ctx, outer=sent(outer), inner=Headers()).text("cookie") or ""


def sent(outer: str) -> Headers:
    return Headers([("cookie", outer.encode())] if outer else [])


def receive(through: Jar, step: Step, now: int, policy: CookiePolicy = SEALED) -> None:
    response = Headers(("set-cookie", line.encode()) for line in step.lines)
    ctx = replace(context(step.url, now), sent=sealed_names(sent(through.header(LINK, now))))
    for line in outgoing(policy, ctx, response, salts()).outer:
        through.receive(line.decode(), LINK, now)


@given(steps)
def test_the_upstream_cannot_tell_the_link_from_a_direct_request(story: list[Step]) -> None:
    direct, through, now = Jar(), Jar(), NOW
    for step in story:
        now += step.later
        outer = through.header(LINK, now)
        assert presented(outer, context(step.url, now)) == direct.header(step.url, now)
        assert presented(outer, context(step.url, now, binding=b"c" * 32)) == ""
        receive(through, step, now)
        for line in step.lines:
            direct.receive(line, step.url, now)
    assert len(through.cookies) == len(direct.cookies)


@given(steps, st.lists(st.integers(0, 2), min_size=8, max_size=8))
def test_nor_when_the_cookie_key_is_rotated(story: list[Step], rotations: list[int]) -> None:
    """But for the order of cookies whose paths are equally long: a new name counts as set later."""
    direct, through, now, keys = Jar(), Jar(), NOW, [KEY]
    for step, times in zip(story, rotations, strict=False):
        now += step.later
        keys = [*(CookieKey(bytes([len(keys) + new] * 32)) for new in range(times)), *keys]
        policy = replace(SEALED, keys=tuple(keys))
        seen = presented(through.header(LINK, now), context(step.url, now), policy)
        assert sorted(seen.split("; ")) == sorted(direct.header(step.url, now).split("; "))
        receive(through, step, now, policy)
        for line in step.lines:
            direct.receive(line, step.url, now)
        assert len(through.cookies) == len(direct.cookies)


@settings(max_examples=400)  # of which most are set for another place or time, as they should be
@given(lines, urls, urls, st.integers(0, 12))
def test_a_client_that_forgets_nothing_gains_nothing(line: str, setter: Url, url: Url, later: int) -> None:
    """The browser's own jar is no part of this: the gateway alone holds to the cookie's scope and expiry."""
    response = Headers([("set-cookie", line.encode())])
    outer = outgoing(SEALED, context(setter, NOW), response, salts()).outer
    kept = b"".join(outer).decode().partition(";")[0]
    direct = Jar()
    direct.receive(line, setter, NOW)
    assert presented(kept, context(url, NOW + later)) == direct.header(url, NOW + later)


@given(steps, st.lists(st.sampled_from(["sid=own", "lang=own", "other=own"]), max_size=3))
def test_a_name_comes_from_one_side_only(story: list[Step], own: list[str]) -> None:
    through = Jar()
    for step in story:
        receive(through, step, NOW)
    outer = Headers([("cookie", through.header(LINK, NOW).encode())])
    inner = Headers([("cookie", "; ".join(own).encode())])
    url = Url("https", "shop.example.com", "/a/b")
    pairs = (incoming(SEALED, context(url, NOW), outer=outer, inner=inner).text("cookie") or "").split("; ")
    mine = {pair.partition("=")[0] for pair in own}
    assert [pair for pair in pairs if pair.partition("=")[0] in mine] == own
