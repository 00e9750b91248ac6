"""Inner validation against a model of section 7.

Invariant: a request is let through exactly when the model forbids nothing in it, whatever it is made of; and
it goes on as it came, but for escapes in its path that say nothing.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.validation import ValidationRules, check_exchange_id, validate_request, validate_trailers
from extproc.message import Headers
from tests.link import model

LINK_PATH = "/_link"
MANY = settings(max_examples=1000)


def mostly(good: st.SearchStrategy[str], *bad: str) -> st.SearchStrategy[str]:
    """Nine times in ten a good one, so that one bad part is seldom hidden behind another."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(bad) if n == 0 else good)


# Pieces that parsers have quarrelled about, in any order.
QUARRELS = r"""
/ / / / a b .. . ; = & ? # \ % %2 %2e %2E %2f %2F %5c %5C %00 %61 %25 %3b %23 %c3%a9 %zz
_link %5flink _linked keys admin é ~ : @ // ./ ../ ;x *
"""
PIECES = st.sampled_from([*QUARRELS.split(), " ", "\t", "\n", "\x7f"])
GOOD_PATHS = st.lists(st.sampled_from(["a", "bc", "..a", "%2561", "%7e", "x;y=z", "%C3%A9", "..."])).map(
    lambda segments: "/" + "/".join(segments)
)
PATHS = st.one_of(
    GOOD_PATHS,
    st.tuples(GOOD_PATHS, st.text()).map("?".join),
    st.lists(PIECES, max_size=6).map(lambda pieces: "/" + "".join(pieces)),
    st.lists(PIECES, max_size=6).map("".join),
    st.text(st.characters(max_codepoint=0x80), max_size=8).map(lambda text: "/" + text),
)
GOOD_AUTHORITIES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,9}[a-z0-9])?(:[1-9][0-9]{0,3})?", fullmatch=True)
AUTHORITIES = st.one_of(
    GOOD_AUTHORITIES,
    st.text("ab1.-_:@[]/ é٣\n", max_size=8),
    st.tuples(st.sampled_from(["a", "[::1]", "1.2.3.4"]), st.integers(0, 99999)).map("{0[0]}:{0[1]}".format),
)
TOKENS = st.text(model.TCHAR, min_size=1, max_size=8)
METHODS = mostly(
    st.sampled_from(["GET", "POST", "PATCH", "M-SEARCH", "get"]),
    *("", "CONNECT", "TRACE", "Connect", "GET ", "G\tET", "GET\n", "GÉT", "GET/"),
)
SCHEMES = mostly(st.sampled_from(["http", "https"]), "", "HTTPS", "https\n", "ftp", "http\u017f")
GOOD_NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=9).map("a{}".format)
NAMES = mostly(
    st.one_of(GOOD_NAMES, st.sampled_from(["cookie", "origin", "content-type", "host", "content-length"])),
    *("", "X-A", "x_link_risk", "x-link-risk", "x-link", "proxy-a", "proxy", "te", "connection", "upgrade"),
    *("transfer-encoding", "trailer", "keep-alive", ":path", "x a", "x\n", "é", "x-lin\u212a-a"),
)
GOOD_VALUES = st.binary().map(
    lambda raw: bytes(byte for byte in raw if byte in b"\t" or 0x20 <= byte != 0x7F).strip(b" \t")
)
VALUES = st.one_of(
    GOOD_VALUES,
    GOOD_VALUES,
    st.binary(max_size=4),
    st.sampled_from([b"a.example", b"0", b"3", b"03", b"+3", b"3 "]),
)
RULES = st.builds(ValidationRules, st.just(LINK_PATH), st.booleans())


@st.composite
def requests(draw: st.DrawFn) -> pb.InnerRequest:
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
    return pb.InnerRequest(
        method=draw(METHODS | TOKENS),
        scheme=draw(SCHEMES),
        authority=draw(GOOD_AUTHORITIES | AUTHORITIES),
        path=draw(GOOD_PATHS | PATHS),
        headers=[pb.Header(name=name, value=value) for name, value in headers],
        body=draw(st.sampled_from([b"", b"abc"])),
        exchange_id=bytes(draw(st.sampled_from([16] * 20 + [0, 15, 17]))),
        cookie_binding=bytes(draw(st.sampled_from([0, 32] * 10 + [1, 31, 33]))),
        client=pb.ClientInfo(tags=draw(st.dictionaries(st.sampled_from("abc"), st.text(max_size=3)))),
    )


@st.composite
def good_requests(draw: st.DrawFn) -> pb.InnerRequest:
    authority, body = draw(GOOD_AUTHORITIES), draw(st.binary(max_size=20))
    headers = draw(st.lists(st.tuples(GOOD_NAMES, GOOD_VALUES), max_size=8))
    headers += [("host", authority.encode()), ("content-length", str(len(body)).encode())]
    return pb.InnerRequest(
        method=draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])),
        scheme=draw(st.sampled_from(["http", "https"])),
        authority=authority,
        path=draw(GOOD_PATHS),
        headers=[pb.Header(name=name, value=value) for name, value in draw(st.permutations(headers))],
        body=body,
        sent_at_ms=draw(st.integers(0, 2**64 - 1)),
        exchange_id=draw(st.binary(min_size=16, max_size=16)),
        cookie_binding=draw(st.sampled_from([b"", bytes(32)])),
    )


@MANY
@given(requests(), RULES, st.booleans())
def test_as_the_model_has_it(inner: pb.InnerRequest, rules: ValidationRules, streamed: bool) -> None:
    forbidden = model.is_forbidden(
        inner, rules.link_path, encoded_slash=rules.allow_encoded_slash, streamed=streamed
    )
    event("forbidden" if forbidden else "let through")
    assert is_refused(inner, rules, streamed=streamed) == forbidden


@MANY
@given(PATHS, RULES)
def test_paths_as_the_model_has_it(path: str, rules: ValidationRules) -> None:
    inner = pb.InnerRequest(
        method="GET", scheme="https", authority="a.example", path=path, exchange_id=bytes(16)
    )
    forbidden = model.is_forbidden(inner, rules.link_path, encoded_slash=rules.allow_encoded_slash)
    event("forbidden" if forbidden else "let through")
    assert is_refused(inner, rules) == forbidden
    if not forbidden:
        check_meaning_stays(path, inner, rules)


def check_meaning_stays(path: str, inner: pb.InnerRequest, rules: ValidationRules) -> None:
    """The new path decodes to the same bytes, keeps the query, and is not changed a second time."""
    before, _, query = path.partition("?")
    request = validate_request(inner, rules)
    after, _, same_query = request.path.partition("?")
    assert unquote_to_bytes(after) == unquote_to_bytes(before)
    assert (same_query, after) == (query, model.normal(before))
    inner.path = request.path
    assert validate_request(inner, rules).path == request.path


@given(good_requests(), RULES)
def test_good_requests_pass_as_they_are(inner: pb.InnerRequest, rules: ValidationRules) -> None:
    request = validate_request(inner, rules)
    assert (request.method, request.scheme, request.authority) == (
        inner.method,
        inner.scheme,
        inner.authority,
    )
    assert request.headers == Headers((header.name, header.value) for header in inner.headers)
    assert request.body == inner.body


@given(good_requests(), st.integers(0, 255), st.booleans())
def test_no_control_character_passes_in_a_value(inner: pb.InnerRequest, code: int, at_end: bool) -> None:
    value = b"a" + bytes([code]) + (b"" if at_end else b"b")
    inner.headers.append(pb.Header(name="a", value=value))
    allowed = code >= 0x80 or 0x21 <= code <= 0x7E or (code in b" \t" and not at_end)
    assert is_refused(inner, ValidationRules(LINK_PATH)) != allowed


@pytest.mark.parametrize("code", range(0x180))
def test_characters_of_names_methods_and_paths(code: int) -> None:
    """One character at a time, in each place, inside and last: a trap of `$` and of case is one character."""
    character = chr(code)
    for text in (f"a{character}b", f"a{character}"):
        for inner in (good(method=text), good(path=f"/{text}"), good(headers=[pb.Header(name=text)])):
            forbidden = model.is_forbidden(inner, LINK_PATH, encoded_slash=False)
            assert is_refused(inner, ValidationRules(LINK_PATH)) == forbidden


def test_what_a_store_is_asked_for_has_16_bytes() -> None:
    check_exchange_id(good())
    with pytest.raises(LinkError) as raised:
        check_exchange_id(good(exchange_id=bytes(15)))
    assert raised.value.code is Code.BAD_REQUEST


def good(**changes: object) -> pb.InnerRequest:
    inner = pb.InnerRequest(method="GET", scheme="https", authority="a.example", path="/")
    inner.exchange_id = bytes(16)
    inner.MergeFrom(pb.InnerRequest(**changes))  # type: ignore[arg-type]  # as the generated stub would check
    return inner


def is_refused(inner: pb.InnerRequest, rules: ValidationRules, *, streamed: bool = False) -> bool:
    try:
        validate_request(inner, rules, streamed=streamed)
    except LinkError as error:
        return error.code is Code.BAD_REQUEST
    return False


def test_headers_are_counted_before_anything_is_made_of_them() -> None:
    """A megabyte of empty headers is refused for their number, not for the first that is no field."""
    bomb = pb.InnerRequest(exchange_id=bytes(16), method="GET", scheme="https", authority="a", path="/")
    bomb.MergeFromString(b"\x2a\x00" * 500_000)
    with pytest.raises(LinkError, match="500000 headers"):
        validate_request(bomb, ValidationRules("/_link"))


LENGTHS = [
    b"0",
    b"3",
    b"03",
    b"4",
    b"9223372036854775807",
    b"9223372036854775808",
    b"9" * 20,
    b"",
    b"-1",
    b"+3",
    b"3 ",
    b"0x3",
    b"3,3",
    b"\xb3",
]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_streamed_request_may_declare_any_length_that_is_one(length: bytes) -> None:
    """Nobody has seen its body yet: the gateway counts as it comes. What is no length is refused at once."""
    inner = good(headers=[pb.Header(name="content-length", value=length)])
    is_length = length.isdigit() and int(length) < 2**63
    assert is_refused(inner, ValidationRules(LINK_PATH), streamed=True) != is_length
    assert is_refused(inner, ValidationRules(LINK_PATH)) == (length != b"0")


@given(st.lists(st.tuples(NAMES, VALUES), max_size=3))
def test_trailers_are_what_headers_may_be(fields: list[tuple[str, bytes]]) -> None:
    """One by one: no rule holds them to the request's own headers."""
    trailers = [pb.Header(name=name, value=value) for name, value in fields]
    allowed = all(not model.is_forbidden_field(trailer) for trailer in trailers)
    assert are_refused(trailers) != allowed


def test_trailers_have_bounds() -> None:
    for count, size, within in ((200, 1, True), (201, 1, False), (1, 2**16 - 1, True), (1, 2**16, False)):
        assert are_refused([pb.Header(name="a", value=b"v" * size)] * count) != within


def are_refused(trailers: list[pb.Header]) -> bool:
    try:
        validate_trailers(trailers)
    except LinkError as error:
        return error.code is Code.BAD_REQUEST
    return False
