"""CORS by policy.

Invariant: an answer grants the request's own origin, and only when an entry of the policy allows it; it never
grants `*`, `null`, or anything that is not an origin. Whatever is granted or not varies on the origin.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.message import Headers
from extproc.policy.cors import CorsPolicy, answer_headers, is_allowed, matcher, preflight

SHOP = "https://shop.example.com"
POLICY = CorsPolicy(
    origins=(SHOP, "https://*.apps.example.com", r"regex:https://pr-\d+\.preview\.example\.com"),
    headers=("X-Trace", "content-type"),
    expose=("X-Request-Id", "Retry-After"),
    credentials=True,
    max_age_s=600,
)
PREFLIGHT_VARY = ("vary", b"origin, access-control-request-method, access-control-request-headers")


def asking(origin: str) -> Headers:
    return Headers(
        [
            (":method", b"OPTIONS"),
            ("origin", origin.encode("latin-1")),
            ("access-control-request-method", b"DELETE"),
            ("access-control-request-headers", b"x-trace, x-admin"),
        ]
    )


def test_a_preflight_gets_what_the_policy_allows_and_nothing_it_asked_for() -> None:
    assert list(preflight(POLICY, asking(SHOP))) == [
        PREFLIGHT_VARY,
        ("access-control-allow-origin", SHOP.encode()),
        ("access-control-allow-credentials", b"true"),
        ("access-control-allow-methods", b"POST, GET"),
        ("access-control-allow-headers", b"content-type, x-trace"),
        ("access-control-max-age", b"600"),
    ]


def test_a_preflight_of_a_forbidden_origin_gets_vary_alone() -> None:
    assert list(preflight(POLICY, asking("https://evil.com"))) == [PREFLIGHT_VARY]
    assert list(preflight(POLICY, asking("null"))) == [PREFLIGHT_VARY]
    assert list(preflight(POLICY, Headers())) == [PREFLIGHT_VARY]


def test_a_preflight_with_two_origins_is_nobodys() -> None:
    assert list(preflight(POLICY, asking(SHOP).adding(("origin", SHOP.encode())))) == [PREFLIGHT_VARY]


def test_an_answer_echoes_the_allowed_origin() -> None:
    assert list(answer_headers(POLICY, SHOP)) == [
        ("vary", b"origin"),
        ("access-control-allow-origin", SHOP.encode()),
        ("access-control-allow-credentials", b"true"),
        ("access-control-expose-headers", b"x-request-id, retry-after"),
    ]


def test_an_answer_without_credentials_or_exposed_headers_does_not_mention_them() -> None:
    assert list(answer_headers(CorsPolicy(origins=(SHOP,)), SHOP)) == [
        ("vary", b"origin"),
        ("access-control-allow-origin", SHOP.encode()),
    ]


@pytest.mark.parametrize("origin", [None, "null", "", "https://evil.com"])
def test_any_other_answer_gets_vary_alone(origin: str | None) -> None:
    assert list(answer_headers(POLICY, origin)) == [("vary", b"origin")]


@pytest.mark.parametrize(
    "origin",
    [
        SHOP,
        "https://a.apps.example.com",
        "https://a.b-c.d_e.apps.example.com",
        "https://pr-42.preview.example.com",
    ],
)
def test_allowed(origin: str) -> None:
    assert is_allowed(POLICY, origin)


@pytest.mark.parametrize(
    "origin",
    [
        # near an exact entry
        "http://shop.example.com",
        "https://shop.example.com:8443",
        "https://shop.example.com/",
        "https://shop.example.com.",
        "HTTPS://SHOP.EXAMPLE.COM",
        " https://shop.example.com",
        "https://shop.example.com\n",
        f"{SHOP} {SHOP}",
        # near a wildcard
        "https://apps.example.com",
        "https://.apps.example.com",
        "https://a..apps.example.com",
        "https://evilapps.example.com",
        "http://a.apps.example.com",
        "https://a.apps.example.com:444",
        "https://evil.com#.apps.example.com",
        "https://evil.com?.apps.example.com",
        "https://evil.com/.apps.example.com",
        "https://evil.com\\.apps.example.com",
        "https://evil.com:443.apps.example.com",
        "https://evil.com@a.apps.example.com",
        "https://evil.com%23.apps.example.com",
        "https://evil.com\x00.apps.example.com",
        "https://é.apps.example.com",
        "https://*.apps.example.com",
        f"https://{'a.' * 200}apps.example.com",
        # near a pattern
        "https://pr-42.preview.example.com.evil.com",
        "xhttps://pr-42.preview.example.com",
        "https://pr-٤.preview.example.com",
        # not an origin
        "null",
        "*",
        "file://",
    ],
)
def test_forbidden(origin: str) -> None:
    assert not is_allowed(POLICY, origin)


def test_a_wildcard_keeps_its_port() -> None:
    allows = matcher(("http://*.example.com:8080",))
    assert allows("http://a.example.com:8080")
    assert not allows("http://a.example.com")
    assert not allows("http://a.example.com:80801")


def test_origins_of_apps_and_addresses_are_origins() -> None:
    origins = (
        "capacitor://localhost",
        "http://[::1]:3000",
        "http://127.0.0.1:3000",
        "https://xn--bcher-kva.example",
    )
    assert all(matcher(origins)(origin) for origin in origins)


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "null",
        "",
        "shop.example.com",
        "https://Shop.example.com",
        "https://shop.example.com/",
        "https://shop.example.com:443",
        "http://*.example.com:80",
        "https://*",
        "https://*.*.example.com",
        "https://a.*.example.com",
        "https://*.example.com/x",
        "regex:(",
    ],
)
def test_an_entry_that_could_never_match_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        CorsPolicy(origins=(entry,))


@pytest.mark.parametrize("name", ["*", "x trace", "", "x-trace\r\nx: y", "é"])
def test_a_name_that_is_no_header_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expected the name of a header"):
        CorsPolicy(headers=(name,))
    with pytest.raises(ValueError, match="expected the name of a header"):
        CorsPolicy(expose=(name,))


HOSTILE = st.text(st.sampled_from("ahpst:/.*#?@\\%-[]019 \x00é")) | st.builds(
    "{}{}{}".format,
    st.sampled_from(["https://", "http://", "https://evil.com", ""]),
    st.text(st.sampled_from("ab.:#/@?\\ ")),
    st.sampled_from([".apps.example.com", "shop.example.com", "", "null"]),
)


@given(HOSTILE)
def test_only_an_origin_that_the_policy_names_is_ever_granted(origin: str) -> None:
    granted = answer_headers(POLICY, origin).text("access-control-allow-origin")
    below_apps = re.fullmatch(r"https://([a-z0-9_-]+\.)+apps\.example\.com", origin)
    assert granted == (origin if origin == SHOP or below_apps else None)


@given(HOSTILE)
def test_a_pattern_for_everything_still_allows_origins_only(origin: str) -> None:
    if matcher(("regex:.*",))(origin):
        scheme, separator, rest = origin.partition("://")
        assert scheme
        assert separator
        assert rest
        assert not set(rest) & set("/#?@\\% \x00é*")
