"""The algorithms of RFC 6265, each against its own section.

Invariant: whatever bytes a peer sends, the answer is a value or the one refusal, in linear time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.policy.rfc6265 import (
    LATEST,
    SetCookieError,
    cookie_pairs,
    default_path,
    domain_match,
    parse_date,
    parse_set_cookie,
    path_match,
)
from tests.policy import jar


def seconds(*date: int) -> int:
    year, month, day, hour, minute, second = date
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"Wed, 09 Jun 2021 10:18:14 GMT", seconds(2021, 6, 9, 10, 18, 14)),
        (b"Mon, 10-Dec-2007 17:02:24 GMT", seconds(2007, 12, 10, 17, 2, 24)),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", seconds(1994, 11, 6, 8, 49, 37)),
        (b"Sun Nov  6 08:49:37 1994", seconds(1994, 11, 6, 8, 49, 37)),
        (b"6 nOVember 94 8:9:7", seconds(1994, 11, 6, 8, 9, 7)),
        (b"08:49:37 06 Nov 1994", seconds(1994, 11, 6, 8, 49, 37)),
        (b"Sat, 15-Apr-17 21:01:22 PST", seconds(2017, 4, 15, 21, 1, 22)),  # no zone but GMT
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"1 Jan 69 00:00:00", seconds(2069, 1, 1, 0, 0, 0)),
        (b"1 Jan 70 00:00:00", 0),
        (b"1 Jan 1601 00:00:00", seconds(1601, 1, 1, 0, 0, 0)),
        (b"31 Dec 9999 23:59:59", LATEST),
        (b"29 Feb 2024 00:00:00", seconds(2024, 2, 29, 0, 0, 0)),
        (b"12th Jan 2020 01:02:03Z", seconds(2020, 1, 12, 1, 2, 3)),
        (b"10 10 Jan 2020 01:02:03", seconds(2010, 1, 10, 1, 2, 3)),  # a second day is a year
        (b"1 Jan 2020 01:02:03 04:05:06", seconds(2020, 1, 1, 1, 2, 3)),
    ],
)
def test_a_date_is_read_token_by_token(text: bytes, expected: int) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"0",
        b"1 Jan 2020",
        b"Jan 2020 01:02:03",
        b"1 2020 01:02:03",
        b"1 Jan 01:02:03",
        b"1 Jan 1600 00:00:00",
        b"1 Jan 20200 00:00:00",
        b"0 Jan 2020 00:00:00",
        b"32 Jan 2020 00:00:00",
        b"30 Feb 2020 00:00:00",
        b"29 Feb 2023 00:00:00",
        b"1 Jan 2020 24:00:00",
        b"1 Jan 2020 00:60:00",
        b"1 Jan 2020 00:00:60",
        b"1 Jan 2020 00:00:000",
        b"1 Jan 2020 00:00",
        b"001 Jan 2020 00:00:00",
        b"2020-01-01T00:00:00Z",
        b"1 Jan 2020 0\xb2:00:00",
    ],
)
def test_what_is_not_a_date_is_none(text: bytes) -> None:
    assert parse_date(text) is None


@given(st.datetimes(min_value=datetime(1601, 1, 1), max_value=datetime(9999, 12, 31)))
def test_every_date_survives_the_form_that_servers_send(date: datetime) -> None:
    text = f"{date:%a, %d %b} {date.year:04} {date:%H:%M:%S} GMT"
    assert parse_date(text.encode()) == int(date.replace(microsecond=0, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("host", "domain", "expected"),
    [
        ("shop.example.com", "shop.example.com", True),
        ("shop.example.com", "example.com", True),
        ("a.b.example.com", "example.com", True),
        ("example.com", "shop.example.com", False),
        ("badexample.com", "example.com", False),
        ("example.com.evil.com", "example.com", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "2.1", False),
        ("192.0.2.1", "0.2.1", False),
        ("x.0x7f.1", "0x7f.1", False),
        ("a.0x7f", "0x7f", False),
        ("192.0.2.1.", "1.", False),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("[2001:db8::192.0.2.1]", "2.1]", False),
    ],
)
def test_a_domain_matches_itself_and_the_names_below_it(host: str, domain: str, expected: bool) -> None:
    assert domain_match(host, domain) is expected


@pytest.mark.parametrize(
    ("request_path", "expected"),
    [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("/a/b/", "/a/b"), ("/a/b.html", "/a")],
)
def test_the_default_path_is_the_requests_directory(request_path: str, expected: str) -> None:
    assert default_path(request_path) == expected


@pytest.mark.parametrize(
    ("request_path", "cookie_path", "expected"),
    [
        ("/", "/", True),
        ("/a/b", "/", True),
        ("/a", "/a", True),
        ("/a/b", "/a", True),
        ("/a/b", "/a/", True),
        ("/a", "/a/", False),
        ("/ab", "/a", False),
        ("/", "/a", False),
        ("/a/b", "/a//", False),
        ("/A", "/a", False),
    ],
)
def test_a_path_matches_itself_and_what_is_below_it(
    request_path: str, cookie_path: str, expected: bool
) -> None:
    assert path_match(request_path, cookie_path) is expected


paths = st.text(st.sampled_from("/ab")).map("/".__add__)


@given(paths, paths)
def test_paths_match_as_in_the_prose(request_path: str, cookie_path: str) -> None:
    assert path_match(request_path, cookie_path) == jar.path_matches(request_path, cookie_path)
    assert default_path(request_path) == jar.default_path(request_path)


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"sid=31d4", b"sid", b"31d4"),
        (b" sid\t= a b ;Path=/", b"sid", b"a b"),
        (b"sid=", b"sid", b""),
        (b'sid="a=b"; x', b"sid", b'"a=b"'),
        (b"user[name]=\xff,x", b"user[name]", b"\xff,x"),
    ],
)
def test_a_line_gives_name_and_value(line: bytes, name: bytes, value: bytes) -> None:
    cookie = parse_set_cookie(line)
    assert (cookie.name, cookie.value) == (name, value)
    assert b"a b" not in repr(cookie).encode()


@pytest.mark.parametrize(
    "line", [b"", b"sid", b"=1", b" =1", b";sid=1", b"sid; x=1", b"sid=1\x00", b"a=1\r\nb: c"]
)
def test_a_line_that_sets_nothing_is_refused(line: bytes) -> None:
    with pytest.raises(SetCookieError):
        parse_set_cookie(line)


def domain_of(line: bytes, host: str = "shop.example.com") -> tuple[str, bool]:
    return parse_set_cookie(b"sid=1;" + line).domain(host)


def test_the_domain_is_the_last_given_or_the_host() -> None:
    assert domain_of(b"") == ("shop.example.com", True)
    assert domain_of(b"Domain=") == ("shop.example.com", True)
    assert domain_of(b"Domain=.") == ("shop.example.com", True)
    assert domain_of(b"DOMAIN = .Example.COM") == ("example.com", False)
    assert domain_of(b"Domain=evil.com; domain=example.com; Domain=") == ("example.com", False)
    assert domain_of(b"Domain=localhost", "localhost") == ("localhost", True)
    assert domain_of(b"Domain=192.0.2.1", "192.0.2.1") == ("192.0.2.1", False)


@pytest.mark.parametrize(
    "domain", ["evil.com", "a.shop.example.com", "op.example.com", "com", "..com", "\xe9.com"]
)
def test_a_domain_that_the_host_is_not_in_is_refused(domain: str) -> None:
    with pytest.raises(SetCookieError, match="Domain"):
        domain_of(b"Domain=" + domain.encode("latin-1"))


def path_of(line: bytes) -> str:
    return parse_set_cookie(b"sid=1;" + line).path("/orders/7")


def test_the_path_is_the_last_given_or_the_default() -> None:
    assert path_of(b"") == "/orders"
    assert path_of(b"Path=/cart") == "/cart"
    assert path_of(b"Path=/cart; path=/") == "/"
    assert path_of(b"Path=/cart; Path") == "/orders"
    assert path_of(b"Path=cart") == "/orders"
    assert path_of(b"Path=/\xe9") == "/\xe9"


def expiry_of(line: bytes) -> int | None:
    return parse_set_cookie(b"sid=1;" + line).expires_at(1_000)


def test_max_age_comes_before_expires_and_nonsense_before_neither() -> None:
    assert expiry_of(b"") is None
    assert expiry_of(b"Expires=Thu, 01 Jan 1970 01:00:00 GMT") == 3_600
    assert expiry_of(b"Max-Age=10; Expires=Thu, 01 Jan 1970 01:00:00 GMT") == 1_010
    assert expiry_of(b"Expires=Thu, 01 Jan 1970 01:00:00 GMT; Max-Age=1e3") == 3_600
    assert expiry_of(b"Max-Age=10; Max-Age=20; Max-Age=x; Expires=soon") == 1_020
    assert expiry_of(b"Expires=soon") is None
    assert expiry_of(b"Max-Age=+1") is None
    assert expiry_of(b"Max-Age=-") is None
    assert expiry_of(b"Max-Age=") is None


def test_an_age_of_any_length_is_read() -> None:
    assert expiry_of(b"Max-Age=0") == 1_000
    assert expiry_of(b"Max-Age=-" + b"9" * 60_000) == 1_000
    assert expiry_of(b"Max-Age=" + b"9" * 60_000) == LATEST
    assert expiry_of(b"Max-Age=" + b"0" * 60_000 + b"7") == 1_007
    assert expiry_of(b"Max-Age=999999999999") == LATEST


def test_same_site_is_one_of_three() -> None:
    assert parse_set_cookie(b"a=1; samesite=LAX").same_site() == "Lax"
    assert parse_set_cookie(b"a=1; SameSite=Lax; SameSite=None").same_site() == "None"
    assert parse_set_cookie(b"a=1; SameSite=Sometimes").same_site() is None
    assert parse_set_cookie(b"a=1").same_site() is None


def test_pairs_may_come_in_several_fields() -> None:
    assert cookie_pairs([b"a=1; b=2;;c", b" d = 4;", b"", b"e=5\x00; f=\xff"]) == [
        (b"a", b"a=1"),
        (b"b", b"b=2"),
        (b"c", b"c"),
        (b"d", b"d = 4"),
        (b"f", b"f=\xff"),
    ]


@given(
    st.binary()
    | st.lists(st.sampled_from([b"a", b"=", b";", b"Domain", b"Max-Age", b"-", b"9", b"/", b"Expires"])).map(
        b"".join
    )
)
def test_any_bytes_are_read_or_refused(line: bytes) -> None:
    parse_date(line)
    cookie_pairs([line])
    try:
        cookie = parse_set_cookie(line)
        cookie.domain("shop.example.com")
    except SetCookieError:
        return
    assert cookie.path("/").startswith("/")
    assert 0 <= (cookie.expires_at(1_000) or 0) <= LATEST


@pytest.mark.parametrize("unit", [b"0", b"9", b"-", b" ", b";", b"=", b"12:", b"jan ", b"Max-Age=0", b"a=;"])
def test_a_long_line_takes_no_longer_than_its_length(unit: bytes) -> None:
    text = unit * (60_000 // len(unit))
    started = time.process_time()
    parse_date(text)
    cookie_pairs([text])
    for line in (b"a=" + text, b"a=1;Max-Age=" + text + b"x", b"a=1;Expires=" + text, b"a=1;Domain=" + text):
        parse_set_cookie(line).expires_at(1_000)
    assert time.process_time() - started < 1.0
