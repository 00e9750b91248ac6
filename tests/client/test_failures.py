"""Answers from outside the seal, and sealed ones that are wrong.

Invariant: whatever comes instead of an authentic answer is an error with its outcome unknown; nothing of it
is shown as the upstream's, and no other address is asked.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extproc.client import LinkError, LinkTransport
from extproc.client.errors import may_have_run
from extproc.errors import Code, ExtprocError
from extproc.link.envelope import MEDIA_WHOLE, open_request
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.conftest import Caller, Opening
from tests.client.gateway import LINK, SHOP, Clock, Gateway, Script, answering, problem


def refusal(call: Caller, method: str = "POST") -> LinkError:
    with pytest.raises(LinkError) as raised:
        call(method, SHOP, content=b"tea")
    return raised.value


def plain(status: int, content_type: str | None, content: bytes = b"") -> httpx.Response:
    headers = {} if content_type is None else {"content-type": content_type}
    return httpx.Response(status, headers=headers, content=content)


UNSEALED = {
    "500": plain(500, "text/plain", b"boom"),
    "503": plain(503, "text/plain", b"no healthy upstream"),
    "504": plain(504, None),
    "a captive portal": plain(200, "text/html", b"<html>Log in"),
    "nothing": plain(200, None),
    "a redirect": httpx.Response(307, headers={"location": "https://evil.example.com/"}),
    "a problem of another kind": plain(400, "application/problem+json", b'{"type": "about:blank"}'),
    "a problem without its prefix": plain(400, "application/problem+json", b'{"type": "unknown-key"}'),
    "a problem without a type": plain(400, "application/problem+json", b"[]"),
    "a problem that is no JSON": plain(400, "application/problem+json", b"{"),
    "a problem that nests": plain(400, "application/problem+json", b"[" * 4000),
    "a problem that is long": plain(400, "application/problem+json", b'"' + b"x" * 5000 + b'"'),
    "a problem as HTML": plain(400, "text/html", problem("unknown-key").content),
    "another media type": plain(200, "application/privatelink+json"),
}


@pytest.mark.parametrize("case", UNSEALED)
def test_outside_the_seal(connect: Opening, gateway: Gateway, case: str) -> None:
    gateway.script.append(answering(UNSEALED[case]))
    error = refusal(connect(), "GET")
    assert (error.code, error.fault, error.outcome_unknown) == ("gateway", None, True)
    status, media_type = UNSEALED[case].status_code, UNSEALED[case].headers.get("content-type")
    assert error.reason == f"answered {status}, with {media_type or 'no content type'}, outside the seal"
    assert (len(gateway.posts), len(gateway.fetches)) == (1, 1)


@pytest.mark.parametrize("code", [*Code, "no-such-problem"])
def test_hearsay_teaches_nothing(connect: Opening, gateway: Gateway, clock: Clock, code: str) -> None:
    """It ends the exchange, outcome unknown. Apart from a fetch, the next one is as if it had not been."""
    forged = problem(code, status=503)
    forged.headers.update({"set-cookie": "a=b; Path=/", "date": "Thu, 01 Jan 1970 00:00:00 GMT"})
    forged.headers.update({"retry-after": "9999", "location": "https://evil.example.com/"})
    gateway.script.append(answering(forged))
    call = connect()
    error = refusal(call)
    assert (error.fault, error.outcome_unknown, may_have_run(error)) == (None, True, True)
    assert call("POST", SHOP, content=b"tea").content == b"tea"
    outer = gateway.posts[-1]
    assert (str(outer.url), "cookie" in outer.headers) == (f"{LINK}/_link", False)
    assert gateway.ran[-1].sent_at_ms == clock.ms
    assert len(gateway.posts) == 2
    assert len(gateway.fetches) == (2 if code == "unknown-key" else 1)


def altered(gateway: Gateway, **changes: object) -> Script:
    """The gateway's own answer, with something else about it."""

    def alter(request: httpx.Request) -> httpx.Response:
        answer = gateway.answer(request)
        fields = {"status_code": 200, "headers": {"content-type": MEDIA_WHOLE}, "content": answer.content}
        return httpx.Response(**{**fields, **changes})  # type: ignore[arg-type]  # a test says what it changes

    return alter


@pytest.mark.parametrize(
    "changes",
    [
        {"status_code": 503},
        {"headers": {"content-type": "Application/Privatelink"}},
        {"headers": {"content-type": "text/plain; application/privatelink"}},
        {"headers": {}},
    ],
)
def test_sealed_but_not_as_such(connect: Opening, gateway: Gateway, changes: dict[str, object]) -> None:
    gateway.script.append(altered(gateway, **changes))
    assert refusal(connect()).code == "gateway"


def test_parameters_of_the_media_type_do_not_count(connect: Opening, gateway: Gateway) -> None:
    gateway.script.append(altered(gateway, headers={"content-type": f"{MEDIA_WHOLE}; v=1"}))
    assert connect()("POST", SHOP, content=b"tea").content == b"tea"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sealed_answer_with_a_byte_changed_or_cut(
    connect: Opening, gateway: Gateway, data: st.DataObject
) -> None:
    def spoil(request: httpx.Request) -> httpx.Response:
        body = bytearray(gateway.answer(request).content)
        at = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            del body[at:]
        else:
            body[at] ^= data.draw(st.integers(1, 255))
        return plain(200, MEDIA_WHOLE, bytes(body))

    gateway.script.append(spoil)
    error = refusal(connect())
    assert (error.code, error.outcome_unknown) == ("bad-response", True)


def test_the_answer_to_another_request(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    answers: list[httpx.Response] = []

    def keep(request: httpx.Request) -> httpx.Response:
        answers.append(gateway.answer(request))
        return answers[0]

    gateway.script += [keep, keep]
    call("POST", SHOP, content=b"tea")
    assert refusal(call).code == "bad-response"


@pytest.mark.parametrize(
    "inner",
    [
        pb.InnerResponse(status=0),
        pb.InnerResponse(status=101),
        pb.InnerResponse(status=600),
        pb.InnerResponse(status=200, headers=[pb.Header(name="x-a", value=b"1\r\nset-cookie: b=2")]),
        pb.InnerResponse(status=200, headers=[pb.Header(name="X-A", value=b"1")]),
        pb.InnerResponse(status=200, headers=[pb.Header(name="x a", value=b"1")]),
        pb.InnerResponse(status=200, headers=[pb.Header(name="x_a", value=b"1")]),
        pb.InnerResponse(status=200, headers=[pb.Header(name="", value=b"1")]),
        pb.InnerResponse(status=200, trailers=[pb.Header(name="x-a", value=b" 1")]),
    ],
    ids=lambda inner: str(inner).replace("\n", " "),
)
def test_a_sealed_answer_that_is_malformed(
    connect: Opening, gateway: Gateway, inner: pb.InnerResponse
) -> None:
    gateway.upstream = lambda _: inner
    error = refusal(connect())
    assert (error.code, error.outcome_unknown) == ("bad-response", True)


def test_an_answer_without_end_is_cut(
    connect: Opening, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extproc.client.exchange.MAX_RESPONSE", 1000)
    monkeypatch.setattr("extproc.client.outer.MAX_RESPONSE", 1000)
    gateway.upstream = lambda _: pb.InnerResponse(status=200, body=bytes(1001))
    assert refusal(connect()).code == "bad-response"


@pytest.mark.parametrize(
    ("request_line", "headers", "reason"),
    [
        (("CONNECT", SHOP), {}, "method"),
        (("GET", f"{SHOP}/_link/keys"), {}, "path is one of the link's own"),
        (("GET", f"{SHOP}//a"), {}, "path"),
        (("GET", "ftp://shop.example.com/"), {}, "scheme"),
        (("GET", SHOP), {"X_Risk": "s3cret"}, "header 'x_risk': no \"_\" in a name"),
        (("GET", SHOP), {"x risk": "s3cret"}, "header 'x risk': a name is a lower-case token of RFC 9110"),
        (("GET", SHOP), {"x" * 99 + " ": "s3cret"}, f"header '{'x' * 64}': a name is"),
        (("GET", SHOP), {"x-risk": "s3cret\x01"}, "header 'x-risk': no control characters in a value"),
        (("GET", SHOP), {"x-link-opened": "1"}, "header x-link-opened"),
        (("POST", SHOP), {"content-length": "9"}, "content-length is not the body's"),
    ],
)
def test_what_the_gateway_would_refuse_is_not_sent(
    connect: Opening, gateway: Gateway, request_line: tuple[str, str], headers: dict[str, str], reason: str
) -> None:
    with pytest.raises(LinkError) as raised:
        connect()(*request_line, headers=headers)
    assert (raised.value.code, raised.value.fault, raised.value.outcome_unknown) == (
        "bad-request",
        None,
        False,
    )
    assert reason in raised.value.reason
    assert "s3cret" not in raised.value.reason
    assert gateway.posts == []


def test_an_escaped_slash_is_for_the_gateway_to_allow(connect: Opening, gateway: Gateway) -> None:
    assert connect()("GET", f"{SHOP}/a%2fb").status_code == 200


@pytest.mark.parametrize("length", [65_536, 65_537, 70_000])
def test_a_body_over_the_limit_is_not_sent(connect: Opening, gateway: Gateway, length: int) -> None:
    """To a gateway that takes no streams."""
    gateway.stream_path = ""
    with pytest.raises(LinkError, match="the gateway takes 65536 bytes") as raised:
        connect()("POST", SHOP, content=os.urandom(length))
    assert (raised.value.code, raised.value.outcome_unknown) == ("too-large", False)
    assert gateway.posts == []


def test_a_generator_without_end_is_read_up_to_the_limit(connect: Opening, gateway: Gateway) -> None:
    gateway.stream_path = ""
    read = 0

    def forever() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1000
            yield bytes(1000)

    async def forever_async() -> AsyncIterator[bytes]:
        for chunk in forever():
            yield chunk

    with pytest.raises(LinkError, match="too-large"):
        connect()("POST", SHOP, content=forever_async() if connect.is_async else forever())
    assert read == 66_000


def test_the_error_is_httpxs_and_ours(connect: Opening, gateway: Gateway) -> None:
    gateway.script.append(answering(problem("bad-envelope")))
    error = refusal(connect())
    assert isinstance(error, httpx.TransportError)
    assert isinstance(error, ExtprocError)
    assert (error.request.method, str(error.request.url)) == ("POST", SHOP)
    assert str(error) == "bad-envelope: refused outside the seal"


def test_the_error_names_the_request_without_a_client_too(gateway: Gateway) -> None:
    wire = httpx.MockTransport(gateway.handle)
    link = LinkTransport(LINK, roots=[str(gateway.root.public)], transport=wire, world=Clock().world)
    request = httpx.Request("POST", SHOP)
    gateway.script += [httpx.ReadError("reset"), answering(problem("bad-envelope"))]
    for failure in (httpx.ReadError, LinkError):
        with pytest.raises(failure) as raised:
            link.handle_request(request)
        assert raised.value.request is request


def test_the_double_opens_what_the_client_seals(connect: Opening, gateway: Gateway) -> None:
    connect()("POST", SHOP, content=b"tea")
    (outer,) = gateway.posts
    assert open_request(gateway.keyring, outer.content, gateway.now).inner == gateway.ran[0]
