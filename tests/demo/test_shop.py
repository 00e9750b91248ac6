"""The shop over real sockets.

Invariant: it answers what its page of endpoints says, keeps what it received, and nothing a client sends
stops it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from extproc.demo.endpoints import PRICES, Shop
from extproc.demo.shop import ShopServer


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def client(shop: Shop) -> Iterator[httpx.Client]:
    with ShopServer(shop).running() as server, httpx.Client(base_url=f"http://{server.authority}") as client:
        yield client


def test_an_order_is_kept_and_named(client: httpx.Client) -> None:
    placed = client.post("/orders", json={"item": "tea", "quantity": 2})
    assert (placed.status_code, placed.json()["total"]) == (201, 2 * PRICES["tea"])
    assert placed.headers["set-cookie"].startswith(
        f"last_order={placed.json()['id']}; Path=/orders; HttpOnly"
    )

    assert client.get(placed.headers["location"]).json() == placed.json()
    assert client.get("/orders/0").status_code == 404


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"item": "gold", "quantity": 1}', b'{"item": "tea", "quantity": 0}']
)
def test_an_order_that_makes_no_sense_is_refused(client: httpx.Client, body: bytes) -> None:
    assert client.post("/orders", content=body).status_code == 400


def test_prices_are_packed_when_asked(client: httpx.Client) -> None:
    with client.stream("GET", "/prices", headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert json.loads(gzip.decompress(b"".join(packed.iter_raw()))) == PRICES
    plain = client.get("/prices", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == PRICES


def test_a_login_lasts_until_the_logout(client: httpx.Client) -> None:
    assert client.get("/me").status_code == 401

    cookies = client.post("/login", json={"user": "ada"}).headers.get_list("set-cookie")
    assert [line.split("; ")[1] for line in cookies] == ["Path=/", "Path=/orders"]
    assert all("HttpOnly" in line for line in cookies)
    assert client.get("/me").json() == {"user": "ada"}

    assert client.post("/logout").status_code == 204
    assert client.get("/me").status_code == 401
    assert not client.cookies.get("session")


def test_echo_tells_what_came(client: httpx.Client) -> None:
    seen = client.request("PATCH", "/echo?a=1", content=b"hello", headers={"x-mark": "1"}).json()
    assert (seen["method"], seen["path"]) == ("PATCH", "/echo?a=1")
    assert ["x-mark", "1"] in seen["headers"]
    assert seen["body"] == {"size": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}


def test_a_page_of_its_own_may_ask_it_from_another_origin() -> None:
    page = "http://127.0.0.1:1"
    with (
        ShopServer(Shop(page=page)).running() as server,
        httpx.Client(base_url=f"http://{server.authority}") as client,
    ):
        asks = {"access-control-request-method": "PUT", "access-control-request-headers": "content-type"}
        preflight = client.options("/uploads/a", headers={"origin": page, **asks})
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-methods"] == "PUT"
        assert preflight.headers["access-control-allow-headers"] == "content-type"
        for answer in (preflight, client.get("/prices", headers={"origin": page})):
            assert answer.headers["access-control-allow-origin"] == page
            assert answer.headers["access-control-allow-credentials"] == "true"
        others = [client.get("/prices", headers={"origin": "http://evil.example"}), client.get("/prices")]
        assert not any("access-control-allow-origin" in answer.headers for answer in others)


def test_a_chunked_body_is_read_whole(client: httpx.Client) -> None:
    body = client.post("/echo", content=iter([b"one", b"two" * 10_000])).json()["body"]
    assert body["size"] == 30_003


def test_what_it_received_is_kept(client: httpx.Client, shop: Shop) -> None:
    client.post("/echo", content=b"hello")
    last = shop.received[-1]
    assert (last.method, last.path, last.body.start) == ("POST", "/echo", b"hello")
    assert last.header("content-length") == "5"


def test_events_go_on_until_the_reader_leaves(client: httpx.Client) -> None:
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        events = (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
        assert [next(events)["item"] for _ in range(2)] == ["tea", "coffee"]
    assert client.get("/healthz").text == "ok\n"


def test_an_export_ends_with_its_checksum(client: httpx.Client) -> None:
    rows = client.get("/export.csv").content
    assert rows.count(b"\n") == 1_000_000
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as peer:
        peer.sendall(b"GET /export.csv HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
        end = f"0\r\nx-checksum: {hashlib.sha256(rows).hexdigest()}\r\n\r\n"
        assert peer.makefile("rb").read().endswith(end.encode())


def test_an_export_that_is_cut_has_no_end(client: httpx.Client) -> None:
    with client.stream("GET", "/export.csv?cut=1") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_an_upload_is_measured_and_not_kept(client: httpx.Client, shop: Shop) -> None:
    stored = client.put("/uploads/backup.tar", content=iter([b"a" * 2**16] * 100))
    assert stored.status_code == 201
    assert stored.json() == {"size": 100 * 2**16, "sha256": hashlib.sha256(b"a" * 100 * 2**16).hexdigest()}
    assert shop.received[-1].body.start == b"a" * 2**16


@pytest.mark.parametrize("framing", ["content-length: 9", "transfer-encoding: chunked\r\n\r\n9"])
def test_an_upload_that_is_cut_is_none(shop: Shop, framing: str) -> None:
    with (
        ShopServer(shop).running() as server,
        socket.create_connection(("127.0.0.1", server.server_port)) as peer,
    ):
        peer.sendall(f"PUT /uploads/a HTTP/1.1\r\nhost: shop\r\n{framing}\r\n\r\nfour".encode())
        peer.shutdown(socket.SHUT_WR)
        assert peer.makefile("rb").read() == b""
    assert not shop.received


def test_head_and_wrong_methods(client: httpx.Client) -> None:
    head = client.head("/healthz")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "3", b"")
    wrong = client.delete("/orders")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert client.head("/events").headers["transfer-encoding"] == "chunked"
    assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    "framing", ["content-length: -1", "content-length: x", "transfer-encoding: chunked\r\n\r\n-5"]
)
def test_broken_framing_ends_its_connection_alone(shop: Shop, framing: str) -> None:
    with ShopServer(shop).running() as server:
        with socket.create_connection(("127.0.0.1", server.server_port)) as peer:
            peer.sendall(f"POST /echo HTTP/1.1\r\nhost: shop\r\n{framing}\r\n\r\n".encode())
            assert peer.makefile("rb").read().startswith(b"HTTP/1.1 400")
        assert httpx.get(f"http://{server.authority}/healthz").text == "ok\n"


def test_it_runs_by_itself_until_a_signal() -> None:
    command = [sys.executable, "-m", "extproc.demo.shop", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().removeprefix("shop on ").strip()
        assert httpx.get(f"{url}/healthz").text == "ok\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


@pytest.mark.parametrize("listen", ["8080", "host:port", "127.0.0.1:99999"])
def test_a_wrong_address_is_one_sentence(listen: str) -> None:
    command = [sys.executable, "-m", "extproc.demo.shop", "--listen", listen]
    run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert run.returncode == 2
    assert "--listen" in run.stderr
    assert "Traceback" not in run.stderr
