"""What a request's cookies become: transcripts of what the browser sent and what the upstream got.

Invariant: in sealed mode, inside comes only what was sealed to this install, for this host, path and scheme,
and has not expired; the inner request's own cookies win by name in every mode.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.policy.cookies import CookiePolicy
from tests.policy.cookie_steps import (
    CTX,
    INSIDE,
    KEY,
    NOW,
    OLD_KEY,
    PLAIN,
    SEALED,
    presented,
    sealed,
    set_outside,
)


class TestSealedIncoming:
    def test_a_cookie_comes_back_where_it_belongs(self) -> None:
        outer = sealed(b"a=1; Path=/", b"b=2", b"c=3; Domain=example.com; Path=/cart", b"d=4; Secure; Path=/")
        assert presented(outer) == b"b=2; a=1; d=4"
        assert presented(outer, ctx=replace(CTX, path="/cart")) == b"c=3; a=1; d=4"
        assert presented(outer, ctx=replace(CTX, path="/cart", host="www.example.com")) == b"c=3"
        assert presented(outer, ctx=replace(CTX, scheme="http")) == b"b=2; a=1"
        assert presented(outer, ctx=replace(CTX, host="other.test")) is None

    def test_longer_paths_come_first_then_older_cookies(self) -> None:
        outer = sealed(b"sid=1; Path=/", b"sid=2; Path=/orders/7", b"sid=3; Path=/orders", b"x=4; Path=/")
        assert presented(outer) == b"sid=2; sid=3; sid=1; x=4"

    def test_the_inner_cookie_wins_by_name(self) -> None:
        outer = sealed(b"sid=outer; Path=/", b"sid=deep", b"lang=tr; Path=/")
        assert presented(outer, b"sid=inner; theme=dark") == b"sid=inner; theme=dark; lang=tr"
        assert presented(outer, b"sid") == b"sid; lang=tr"

    def test_cookies_may_be_split_over_fields(self) -> None:
        one, two = sealed(b"a=1; Path=/"), sealed(b"b=2; Path=/")
        assert presented([one, two], b"x=1", b"y=2;z=3") == b"x=1; y=2; z=3; a=1; b=2"

    def test_a_copy_is_of_no_use_to_another_install(self) -> None:
        outer = sealed(b"sid=1")
        assert presented(outer, ctx=replace(CTX, binding=b"c" * 32)) is None
        assert presented(outer, ctx=replace(CTX, binding=b"")) is None

    def test_an_expired_cookie_is_dropped_by_the_gateway(self) -> None:
        outer = sealed(b"sid=1; Max-Age=10")
        assert presented(outer, ctx=replace(CTX, now=NOW + 9)) == b"sid=1"
        assert presented(outer, ctx=replace(CTX, now=NOW + 10)) is None

    @pytest.mark.parametrize("lifetime", [b"", b"; Max-Age=99999999999", b"; Expires=1 Jan 2999 0:0:0"])
    def test_no_cookie_lives_longer_than_400_days(self, lifetime: bytes) -> None:
        outer, last = sealed(b"sid=1" + lifetime), NOW + 400 * 86_400
        assert presented(outer, ctx=replace(CTX, now=last - 1)) == b"sid=1"
        assert presented(outer, ctx=replace(CTX, now=last)) is None

    def test_a_deleted_cookie_is_as_good_as_ever_when_it_is_put_back(self) -> None:
        """The limit of a gateway that keeps no state; docs/security.md has it."""
        outer = sealed(b"sid=1")
        assert "Max-Age=0" in set_outside(b"sid=; Max-Age=0")[0]
        assert presented(outer) == b"sid=1"

    def test_older_keys_still_open_and_the_newer_sealing_wins(self) -> None:
        rotated = replace(SEALED, keys=(KEY, OLD_KEY))
        old = sealed(b"sid=old", policy=replace(SEALED, keys=(OLD_KEY,)))
        assert presented(old, policy=rotated) == b"sid=old"
        assert presented(old + b"; " + sealed(b"sid=new"), policy=rotated) == b"sid=new"
        assert presented(old, policy=SEALED) is None

    def test_a_moved_or_changed_cookie_is_dropped(self) -> None:
        outer = sealed(b"a=1", b"b=2").decode()
        (a, a_value), (b, b_value) = (pair.split("=", 1) for pair in outer.split("; "))
        assert presented(f"{a}={b_value}; {b}={a_value}".encode()) is None
        assert presented(f"{a}={a_value[:-2]}".encode()) is None
        assert presented(f"{a}X={a_value}".encode()) is None

    def test_whatever_else_the_browser_holds_is_ignored(self) -> None:
        outer = sealed(b"a=1")
        junk = b"sid=forged; __Secure-pl-x; __Secure-pl-=; __Secure-pl-\xff=\xff;;=; \x00; " + b"x" * 9_999
        assert presented(junk + b"; " + outer) == b"a=1"
        assert presented(junk) is None

    @pytest.mark.parametrize(
        "pair", ["user[name]=a,b", 'q="x y"', "empty=", "\u015feker=\u00ff", "a b=c d", "eq==a=b="]
    )
    def test_names_and_values_come_back_byte_for_byte(self, pair: str) -> None:
        assert presented(sealed(pair.encode())) == pair.encode()


class TestPlain:
    def test_outer_cookies_join_the_inner_ones(self) -> None:
        outer = b"sid=outer; lang=tr; junk\x01=1; " + sealed(b"old=1")
        assert presented(outer, b"sid=inner", policy=PLAIN) == b"sid=inner; lang=tr"
        assert presented(outer, policy=PLAIN) == b"sid=outer; lang=tr"


def test_inside_ignores_outer_cookies() -> None:
    assert presented(b"lang=tr; " + sealed(b"a=1"), b"sid=1;x=2", policy=INSIDE) == b"sid=1; x=2"
    assert presented(b"lang=tr", policy=INSIDE) is None


PIECES = st.sampled_from(b'__Secure-pl-|AAAAAAAAAAAAAAAA|__Host-|a|=|;| |\xff|\r\n|\x00|\x7f|,|"'.split(b"|"))
GARBAGE = st.lists(st.binary(max_size=40) | st.lists(PIECES, max_size=12).map(b"".join), max_size=4)


@given(GARBAGE, st.sampled_from([SEALED, PLAIN, INSIDE]))
def test_garbage_from_a_peer_breaks_nothing(values: list[bytes], policy: CookiePolicy) -> None:
    cookie = presented(values, policy=policy)
    if policy is not PLAIN:
        assert cookie is None
    elif cookie is not None:
        assert not set(cookie) & {0, 10, 13, 0x7F}
        assert not any(pair.startswith(b"__Secure-pl-") for pair in cookie.split(b"; "))
        assert presented(cookie, policy=PLAIN) == cookie
