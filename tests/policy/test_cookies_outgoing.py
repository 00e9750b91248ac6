"""What `set-cookie` lines become: transcripts of what the upstream set and what the browser got.

Invariant: in sealed mode, nothing but opaque lines on the link's path stands outside; a line that a browser
would not store is not set, and is reported without its value.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.message import Headers
from extproc.policy.cookies import CookieContext, CookiePolicy, SetCookies, outgoing, sealed_names
from tests.policy.cookie_steps import (
    CTX,
    INSIDE,
    KEY,
    OLD_KEY,
    OLDEST_KEY,
    PLAIN,
    SEALED,
    answer,
    presented,
    problems,
    salts,
    sealed,
    set_outside,
)


class TestSealedOutgoing:
    def test_a_cookie_becomes_opaque_and_moves_to_the_links_path(self) -> None:
        (line,) = set_outside(b"sid=31d4; Path=/; Domain=example.com")
        name_value, *attributes = line.split("; ")
        name, _, value = name_value.partition("=")
        assert name == KEY.outer_name(CTX.binding, "example.com", "/", "sid")
        assert value.isascii()
        assert attributes == ["Path=/_link", "Secure", "HttpOnly"]

    def test_same_site_and_lifetime_are_the_upstreams(self) -> None:
        (line,) = set_outside(
            b"sid=1; samesite=none; max-age=60; expires=Wed, 15-Nov-23 00:00:00 GMT; Priority=High"
        )
        assert line.split("; ")[1:] == [
            "Path=/_link",
            "Secure",
            "HttpOnly",
            "SameSite=None",
            "Max-Age=60",
            "Expires=Wed, 15 Nov 2023 00:00:00 GMT",
        ]

    def test_same_site_can_be_forced(self) -> None:
        policy = replace(SEALED, same_site="Strict")
        (line,) = set_outside(b"sid=1; SameSite=None", policy=policy)
        assert line.split("; ")[1:] == ["Path=/_link", "Secure", "HttpOnly", "SameSite=Strict"]

    def test_secure_can_be_forced_on_the_cookie_inside(self) -> None:
        http = replace(CTX, scheme="http")
        loose, strict = replace(SEALED, secure=False), replace(SEALED, secure=True)
        assert presented(sealed(b"a=1; Secure", policy=loose), policy=loose, ctx=http) == b"a=1"
        assert presented(sealed(b"a=1", policy=strict), policy=strict, ctx=http) is None
        assert "; Secure; " in set_outside(b"a=1", policy=loose)[0]

    @pytest.mark.parametrize(
        "ending",
        [b"Max-Age=0", b"Max-Age=-5", b"Expires=Thu, 01 Jan 1970 00:00:00 GMT", b"Max-Age=0; Expires=x"],
    )
    def test_a_deletion_keeps_the_outer_name(self, ending: bytes) -> None:
        (made,) = set_outside(b"sid=1; SameSite=None")
        (gone,) = set_outside(b"sid=; SameSite=None; " + ending)
        name = made.partition("=")[0]
        assert gone == f"{name}=; Path=/_link; Secure; HttpOnly; SameSite=None; Max-Age=0"

    def test_a_cookie_that_expires_now_has_expired(self) -> None:
        assert "Max-Age=0" in set_outside(b"sid=1; Expires=Tue, 14 Nov 2023 22:13:20 GMT")[0]
        assert "Max-Age=0" not in set_outside(b"sid=1; Expires=Tue, 14 Nov 2023 22:13:21 GMT")[0]

    def test_cookies_of_one_name_and_several_scopes_do_not_collide(self) -> None:
        lines = set_outside(
            b"sid=1; Path=/",
            b"sid=2; Path=/orders",
            b"sid=3; Path=/; Domain=example.com",
            b"SID=4; Path=/",
            b"sid=5; Path=/",
        )
        names = [line.partition("=")[0] for line in lines]
        assert len(set(names)) == 4
        assert names[0] == names[4]

    def test_a_value_is_never_sealed_alike_twice(self) -> None:
        first, second = set_outside(b"sid=1", b"sid=1")
        assert first != second

    def test_an_older_keys_cookie_is_deleted_with_the_newer_set(self) -> None:
        before = replace(SEALED, keys=(OLD_KEY,))
        after = replace(SEALED, keys=(KEY, OLD_KEY))
        (old,) = set_outside(b"sid=1", policy=before)
        ctx = with_cookies(old)
        deletion, new = set_outside(b"sid=2", policy=after, ctx=ctx)
        assert deletion == f"{old.partition('=')[0]}=; Path=/_link; Secure; HttpOnly; Max-Age=0"
        assert new.partition("=")[0] not in {"", old.partition("=")[0]}
        assert len(set_outside(b"sid=; Max-Age=0", policy=after, ctx=ctx)) == 2

    def test_what_the_browser_does_not_hold_is_not_deleted(self) -> None:
        after = replace(SEALED, keys=(KEY, OLD_KEY, OLDEST_KEY))
        ctx = with_cookies(*set_outside(b"lang=tr", policy=replace(SEALED, keys=(OLD_KEY,))))
        (line,) = set_outside(b"sid=1", policy=after, ctx=ctx)
        assert line.startswith(KEY.outer_name(CTX.binding, "shop.example.com", "/orders", "sid") + "=")
        (line,) = set_outside(b"sid=; Max-Age=0", policy=after, ctx=with_cookies(line))
        assert line.startswith(KEY.outer_name(CTX.binding, "shop.example.com", "/orders", "sid") + "=;")

    def test_a_client_without_a_binding_gets_none(self) -> None:
        assert set_outside(b"sid=1", ctx=replace(CTX, binding=b"")) == []


class TestRefusedLines:
    def test_a_domain_that_the_host_is_not_in(self) -> None:
        assert problems(b"sid=secret; Domain=evil.com") == (
            "set-cookie 'sid': its Domain does not match the host",
        )

    def test_a_cookie_that_a_browser_would_not_store(self) -> None:
        assert problems(b"sid=" + b"s" * 4096) == ("set-cookie 'sid': it is over 4,096 bytes when sealed",)
        assert problems(b"sid=" + b"s" * 3100) == ("set-cookie 'sid': it is over 4,096 bytes when sealed",)
        assert problems(b"sid=1; Path=/" + b"p" * 70_000) == (
            "set-cookie 'sid': it is over 4,096 bytes when sealed",
        )
        long = replace(CTX, host="h" * 70_000, path="/" + "p" * 70_000 + "/")
        assert len(problems(b"sid=1", b"sid=; Max-Age=0", ctx=long)) == 2

    def test_the_limit_is_of_name_and_value(self) -> None:
        longer = [answer(b"sid=" + b"s" * length) for length in range(2_900, 3_000)]
        lines = [line for response in longer for line in outgoing(SEALED, CTX, response, salts()).outer]
        assert 4_094 <= max(len(line.partition(b";")[0]) - len("=") for line in lines) <= 4_096

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            (b"secret", "set-cookie '': it has no name"),
            (b"=secret", "set-cookie '': it has no name"),
            (b"s\xefd=secret", "set-cookie 's\\xefd': its name is not UTF-8"),
            (b"sid=sec\x00ret", "set-cookie 'sid': it has a control character"),
            (b"s\x1bid=secret", "set-cookie 's\\x1bid': it has a control character"),
            (b"n" * 99 + b"=\x7f", f"set-cookie '{'n' * 64}': it has a control character"),
        ],
    )
    def test_a_problem_names_the_cookie_and_no_value(self, line: bytes, problem: str) -> None:
        assert problems(line) == (problem,)

    @pytest.mark.parametrize(
        "line",
        [
            b"__Secure-a=1",
            b"__host-a=1; Path=/",
            b"__Host-a=1; Secure",
            b"__Host-a=1; Secure; Path=/orders",
            b"__Host-a=1; Secure; Path=/; Domain=shop.example.com",
        ],
    )
    def test_a_prefix_that_is_not_kept(self, line: bytes) -> None:
        (problem,) = problems(line)
        assert "its prefix asks for" in problem
        assert problems(line, policy=PLAIN) == (problem,)

    def test_a_prefix_asks_for_https(self) -> None:
        http = replace(CTX, scheme="http")
        assert len(problems(b"__Secure-a=1; Secure", b"__Host-a=1; Secure; Path=/", ctx=http)) == 2
        assert problems(b"__Secure-a=1; Secure", policy=replace(SEALED, secure=False)) != ()

    def test_the_other_lines_are_set_all_the_same(self) -> None:
        result = outgoing(SEALED, CTX, answer(b"a=1", b"b=2; Domain=evil.com", b"c=3"), salts())
        assert len(result.outer) == 2
        assert len(result.problems) == 1


class TestTooManyLines:
    """Envoy would answer 500 in the clear: the first that fit are set, and the answer holds."""

    @pytest.mark.parametrize("policy", [SEALED, PLAIN])
    def test_more_than_80(self, policy: CookiePolicy) -> None:
        many = answer(*(b"c%d=1" % number for number in range(82)))
        result = outgoing(policy, CTX, many, salts())
        assert len(result.outer) == 80
        assert result.inner == many
        assert result.problems == (
            "set-cookie 'c80': its answer sets more than 80 lines outside",
            "set-cookie 'c81': its answer sets more than 80 lines outside",
        )

    def test_more_than_48_kib_and_what_still_fits(self) -> None:
        large = [b"c%d=" % number + b"v" * 2_900 for number in range(13)]
        result = outgoing(SEALED, CTX, answer(*large, b"small=1"), salts())
        assert len(result.outer) == 13
        assert result.problems == ("set-cookie 'c12': its answer sets more than 49,152 bytes outside",)

    def test_a_deletion_under_an_older_key_goes_with_its_cookie(self) -> None:
        fits = [b"c%d=1" % number for number in range(79)]
        (old,) = set_outside(b"sid=1", policy=replace(SEALED, keys=(OLD_KEY,)))
        after = replace(SEALED, keys=(KEY, OLD_KEY))
        result = outgoing(after, with_cookies(old), answer(*fits, b"sid=2"), salts())
        assert len(result.outer) == 79
        assert len(result.problems) == 1


class TestInnerResponse:
    LINES = (b"sid=1; HttpOnly", b"lang=tr", b"bad; httponly", b"t=1;HTTPONLY=x;Path=/", b"u=HttpOnly")

    @pytest.mark.parametrize("policy", [SEALED, PLAIN])
    def test_a_browsers_scripts_see_no_http_only_line(self, policy: CookiePolicy) -> None:
        result = outgoing(policy, replace(CTX, browser=True), answer(*self.LINES), salts())
        assert result.inner == answer(b"lang=tr", b"u=HttpOnly")

    @pytest.mark.parametrize("policy", [SEALED, PLAIN])
    def test_any_other_client_sees_all(self, policy: CookiePolicy) -> None:
        assert outgoing(policy, CTX, answer(*self.LINES), salts()).inner == answer(*self.LINES)

    def test_a_jar_inside_needs_all(self) -> None:
        response = answer(*self.LINES)
        result = outgoing(INSIDE, replace(CTX, browser=True), response, salts())
        assert result == SetCookies((), response, ())


class TestPlain:
    def test_the_business_line_is_fitted_to_the_link(self) -> None:
        lines = set_outside(
            b"sid=1; Path=/orders; HttpOnly; Max-Age=60; Priority=High",
            b"b=2; Domain=.example.com; Secure; SameSite=lax",
            b"c=3; Domain=shop.example.com",
            b"d=; Max-Age=0; Path=/x; SameSite=odd;",
            policy=PLAIN,
        )
        assert lines == [
            "sid=1; HttpOnly; Max-Age=60; Priority=High; Path=/",
            "b=2; Path=/; Domain=example.com; SameSite=Lax; Secure",
            "c=3; Path=/",
            "d=; Max-Age=0; Path=/",
        ]

    def test_attributes_can_be_forced(self) -> None:
        policy = replace(PLAIN, same_site="None", secure=True)
        assert set_outside(b"a=1; SameSite=Lax", policy=policy) == ["a=1; Path=/; SameSite=None; Secure"]
        assert set_outside(b"a=1; Secure", policy=replace(PLAIN, secure=False)) == ["a=1; Path=/"]

    def test_it_needs_no_binding(self) -> None:
        assert set_outside(b"a=1", policy=PLAIN, ctx=replace(CTX, binding=b"")) == ["a=1; Path=/"]


def test_sealing_without_a_key_is_a_mistake_of_the_operator() -> None:
    with pytest.raises(ValueError, match="at least one cookie key"):
        CookiePolicy("sealed", (), "/_link")


def test_no_binding_is_printed() -> None:
    assert "bbbb" not in repr(CTX)
    assert "31d4" not in repr(outgoing(SEALED, CTX, answer(b"sid=31d4"), salts()))


def with_cookies(*lines: str) -> CookieContext:
    """A request of a browser that got these lines."""
    cookie = "; ".join(line.partition(";")[0] for line in lines).encode()
    return replace(CTX, sent=sealed_names(Headers([("cookie", b"lang=tr"), ("cookie", cookie)])))


PIECES = st.sampled_from(
    b"__Secure-pl-|__Host-|a|=|;| |\xff|\r\n|\x00|,|Path=/|Domain=example.com|Secure|HttpOnly|"
    b"SameSite=None|Max-Age=5|Expires=1 Jan 2030 0:0:0".split(b"|")
)
GARBAGE = st.lists(st.binary(max_size=40) | st.lists(PIECES, max_size=12).map(b"".join), max_size=4)


@given(GARBAGE)
def test_no_line_of_the_upstream_gets_outside_but_sealed(lines: list[bytes]) -> None:
    result = outgoing(SEALED, replace(CTX, browser=True), answer(*lines), salts())
    shape = (
        r"__Secure-pl-[A-Za-z0-9_-]{16}=[A-Za-z0-9_-]*; Path=/_link; Secure; HttpOnly(; SameSite=None)?"
        r"(; Max-Age=[0-9]+)?(; Expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT)?"
    )
    assert all(re.fullmatch(shape, line.decode()) for line in result.outer)
    assert len(result.outer) + len(result.problems) == len(lines)
    assert set(result.inner) <= set(answer(*lines))


@given(GARBAGE, st.sampled_from([PLAIN, INSIDE]))
def test_no_line_of_the_upstream_breaks_anything(lines: list[bytes], policy: CookiePolicy) -> None:
    for line in outgoing(policy, CTX, answer(*lines), salts()).outer:
        assert not set(line) & {0, 10, 13}
        assert b"; Path=/" in line
