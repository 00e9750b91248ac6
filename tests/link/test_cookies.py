"""Sealed cookies: each opens for its own install, under its own name, with its own key, as it was."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from extproc.link.cookies import PREFIX, Cookie, CookieKey, open_cookie, seal

RAW_KEYS = st.binary(min_size=32, max_size=32)
BINDINGS = st.binary(min_size=32, max_size=32)
SALTS = st.binary(min_size=16, max_size=16)
COOKIES = st.builds(
    Cookie,
    name=st.text(min_size=1, max_size=20),
    value=st.binary(max_size=100),
    domain=st.text(max_size=20),
    host_only=st.booleans(),
    path=st.text(max_size=20),
    secure=st.booleans(),
    expires_at=st.integers(0, 2**63),
)
KEY, BINDING = CookieKey(bytes(range(32))), bytes(range(32, 64))
COOKIE = Cookie("session", b"abc.def", "shop.example.com", True, "/", True, 0)
NAME, VALUE = seal(KEY, BINDING, COOKIE, salt=bytes(16))
COOKIE_OCTETS = set(string.ascii_letters + string.digits + "-_")


@given(RAW_KEYS, BINDINGS, SALTS, COOKIES)
def test_round_trip(raw: bytes, binding: bytes, salt: bytes, cookie: Cookie) -> None:
    name, value = seal(CookieKey(raw), binding, cookie, salt=salt)
    assert name.startswith(PREFIX)
    assert len(name) == len(PREFIX) + 16
    assert set(value) <= COOKIE_OCTETS
    assert open_cookie([CookieKey(raw)], binding, name, value) == cookie
    assert open_cookie([KEY, CookieKey(raw)], binding, name, value) == cookie


@given(RAW_KEYS, BINDINGS, COOKIES)
def test_nothing_else_opens_it(raw: bytes, binding: bytes, cookie: Cookie) -> None:
    other_name, other_value = seal(CookieKey(raw), binding, cookie, salt=bytes(16))
    assume(raw != KEY.raw)
    assume(binding != BINDING)
    assert open_cookie([CookieKey(raw)], BINDING, NAME, VALUE) is None
    assert open_cookie([KEY], binding, NAME, VALUE) is None
    assert open_cookie([KEY], BINDING, other_name, VALUE) is None
    assert open_cookie([KEY], BINDING, NAME, other_value) is None


def test_every_character_of_a_value_counts() -> None:
    for index, character in enumerate(VALUE):
        for other in COOKIE_OCTETS - {character}:
            assert open_cookie([KEY], BINDING, NAME, VALUE[:index] + other + VALUE[index + 1 :]) is None
        assert open_cookie([KEY], BINDING, NAME, VALUE[:index]) is None
        assert open_cookie([KEY], BINDING, NAME, VALUE[:index] + "A" + VALUE[index:]) is None


@given(COOKIES, COOKIES, BINDINGS)
def test_a_name_tells_cookies_apart_and_nothing_else(one: Cookie, other: Cookie, binding: bytes) -> None:
    """Same domain, path and name: one outer name, so that a browser replaces the one by the other."""

    def outer_name(cookie: Cookie) -> str:
        return seal(KEY, binding, cookie, salt=bytes(16))[0]

    same = (one.domain, one.path, one.name) == (other.domain, other.path, other.name)
    assert (outer_name(one) == outer_name(other)) == same


def test_parts_do_not_run_together() -> None:
    """Lengths come first: no character can move from the domain to the path or the name."""
    names = {
        KEY.outer_name(BINDING, domain, path, name)
        for domain, path, name in (("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ("abc", "", "d"))
    }
    assert len(names) == 4


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_without_a_whole_binding_nothing_opens(length: int) -> None:
    binding = bytes(length)
    name, value = seal(KEY, binding, COOKIE, salt=bytes(16))
    assert open_cookie([KEY], binding, name, value) is None


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes of cookie key"):
        CookieKey(bytes(length))


def test_every_key_is_another() -> None:
    assert CookieKey.generate().raw != CookieKey.generate().raw
