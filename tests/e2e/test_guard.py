"""Through a real Envoy: what must not pass, does not."""

from __future__ import annotations

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.e2e.stack import Stack

ENVELOPE = {"content-type": "application/privatelink"}


def test_a_plain_request_to_a_sealed_route_is_forbidden(stack: Stack) -> None:
    before = len(stack.upstream.seen)
    assert stack.http.get("/", headers={"host": "shop.example.com"}).status_code == 403
    assert len(stack.upstream.seen) == before


@pytest.mark.parametrize("name", ["x-link-opened", "X-Link-Opened", "x-link-risk"])
def test_a_forged_mark_opens_nothing(stack: Stack, name: str) -> None:
    before = len(stack.upstream.seen)
    answer = stack.http.get("/", headers={"host": "shop.example.com", name: "1"})
    assert answer.status_code == 403
    assert len(stack.upstream.seen) == before


def test_a_forged_mark_with_underscores_is_refused(stack: Stack) -> None:
    answer = stack.http.get("/", headers={"host": "shop.example.com", "x_link_opened": "1"})
    assert answer.status_code in {400, 403}


def test_the_mark_never_reaches_the_upstream(stack: Stack, client: httpx.Client) -> None:
    client.get("https://shop.example.com/echo")
    assert [name for name, _ in stack.upstream.last().headers if name.startswith("x-link")] == []
    stack.http.get("/", headers={"host": "open.example.com", "x-link-opened": "1"})
    assert stack.upstream.last().all("x-link-opened") == []


def test_plain_requests_pass_an_any_route(stack: Stack) -> None:
    assert stack.http.get("/hello", headers={"host": "open.example.com"}).text == "hello from the upstream"


def test_sealed_requests_pass_an_any_route_too(client: httpx.Client) -> None:
    assert client.get("https://open.example.com/hello").text == "hello from the upstream"


@pytest.mark.parametrize("path", ["/", "/_link/other", "/_link/keys/x", "/anything"])
def test_crawlers_get_nothing_from_the_links_host(stack: Stack, path: str) -> None:
    answer = stack.http.get(path)
    assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize(
    ("envelope", "kind"), [(b"", "bad-envelope"), (b"\x00" * 100, "bad-envelope"), (b"{}", "bad-envelope")]
)
def test_what_does_not_open_goes_nowhere(stack: Stack, envelope: bytes, kind: str) -> None:
    before = len(stack.upstream.seen)
    answer = stack.http.post("/_link", content=envelope, headers=ENVELOPE)
    assert (answer.status_code, answer.json()) == (400, {"type": f"urn:privatelink:problem:{kind}"})
    assert len(stack.upstream.seen) == before


def test_every_flipped_byte_gets_the_same_answer(stack: Stack) -> None:
    body, _ = stack.sealer.seal()
    answers = set()
    for index in range(10, len(body), 7):  # after the key id, which has an answer of its own
        flipped = body[:index] + bytes([body[index] ^ 0x55]) + body[index + 1 :]
        answer = stack.http.post("/_link", content=flipped, headers=ENVELOPE)
        answers.add((answer.status_code, answer.content))
    assert answers == {(400, b'{"type":"urn:privatelink:problem:bad-envelope"}')}


def test_a_chunked_body_of_nothing_but_trailers_gets_it_too(stack: Stack) -> None:
    head = "POST /_link HTTP/1.1\r\nhost: gw.localhost\r\ncontent-type: application/privatelink\r\n"
    with stack.dial() as connection:
        connection.sendall(f"{head}transfer-encoding: chunked\r\nconnection: close\r\n\r\n".encode())
        connection.sendall(b"0\r\nx-note: 1\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'{"type":"urn:privatelink:problem:bad-envelope"}' in answer


def test_an_unknown_key_is_told(stack: Stack) -> None:
    body, _ = stack.sealer.seal()
    answer = stack.http.post("/_link", content=body[:2] + bytes(8) + body[10:], headers=ENVELOPE)
    assert answer.json() == {"type": "urn:privatelink:problem:unknown-key"}


def test_a_replayed_envelope_is_refused_inside_the_seal(stack: Stack) -> None:
    body, opener = stack.sealer.seal(method="POST", path="/orders", body=b"once")
    first = stack.http.post("/_link", content=body, headers=ENVELOPE)
    assert opener.open(first.content).status == 200
    count = len(stack.upstream.seen)
    again = opener.open(stack.http.post("/_link", content=body, headers=ENVELOPE).content)
    assert (again.fault, again.status) == ("replayed", 409)
    assert len(stack.upstream.seen) == count


def test_a_stale_request_is_refused_with_the_time(stack: Stack) -> None:
    body, opener = stack.sealer.seal(sent_at_ms=1)
    inner = opener.open(stack.http.post("/_link", content=body, headers=ENVELOPE).content)
    assert (inner.fault, inner.status) == ("clock-skew", 400)
    assert inner.gateway_time_ms > 1_700_000_000_000


@pytest.mark.parametrize("path", ["/a/%2e%2e/b", "//b", "/a\\b", "/_link", "/_link/keys", "/a%2fb"])
def test_an_inner_path_that_smuggles_is_refused_inside_the_seal(stack: Stack, path: str) -> None:
    body, opener = stack.sealer.seal(path=path)
    inner = opener.open(stack.http.post("/_link", content=body, headers=ENVELOPE).content)
    assert (inner.fault, inner.status) == ("bad-request", 400)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_envelope_is_413(stack: Stack, chunked: bool) -> None:
    envelope = bytes(800 * 1024)
    content = iter([envelope[:400_000], envelope[400_000:]]) if chunked else envelope
    answer = stack.http.post("/_link", content=content, headers=ENVELOPE)
    assert (answer.status_code, answer.json()) == (413, {"type": "urn:privatelink:problem:too-large"})


def test_an_envelope_just_under_the_limit_passes(stack: Stack, client: httpx.Client) -> None:
    answer = client.post("https://shop.example.com/upload", content=b"x" * (768 * 1024 - 1500))
    assert answer.status_code == 200


def test_a_response_over_the_limit_is_a_sealed_fault(stack: Stack) -> None:
    body, opener = stack.sealer.seal(path="/bytes?n=600000")
    inner = opener.open(stack.http.post("/_link", content=body, headers=ENVELOPE).content)
    assert (inner.fault, inner.status) == ("response-too-large", 502)


def test_a_response_under_the_limit_passes(client: httpx.Client) -> None:
    assert len(client.get("https://shop.example.com/bytes?n=500000").content) == 500_000


def test_a_websocket_passes_an_any_route_and_no_sealed_one(stack: Stack) -> None:
    port = int(stack.address.rpartition(":")[2])
    with connect(f"ws://ws.example.com:{port}/", sock=stack.dial(), proxy=None) as socket:
        socket.send("ping")
        assert socket.recv(5) == "ping"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://shop.example.com:{port}/", sock=stack.dial(), proxy=None)
    assert refused.value.response.status_code == 403
