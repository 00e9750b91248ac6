"""The tap carries every byte unchanged, and keeps requests and their responses together."""

from __future__ import annotations

import asyncio

import httpx

from extproc.demo.endpoints import Shop
from extproc.demo.shop import ShopServer
from extproc.demo.tap import Piece, Tap


async def test_it_carries_and_keeps_what_passes() -> None:
    tap = Tap()
    with ShopServer(Shop()).running() as server:
        async with tap.listening() as (host, port), httpx.AsyncClient() as client:
            tap.target = ("127.0.0.1", server.server_port)
            prices = await client.get(f"http://{host}:{port}/prices", headers={"accept-encoding": "identity"})
            order = await client.post(f"http://{host}:{port}/orders", json={"item": "tea", "quantity": 1})
    assert (prices.status_code, order.status_code) == (200, 201)

    first, second = tap.turns
    assert first.sent.startswith(b"GET /prices HTTP/1.1\r\n")
    assert first.received.endswith(prices.content)
    assert second.sent.startswith(b"POST /orders HTTP/1.1\r\n")
    assert second.sent.endswith(order.request.content)
    assert second.received.endswith(order.content)


def test_it_keeps_the_first_bytes_of_each_direction() -> None:
    tap = Tap()
    turn = tap.begin()
    for _ in range(3):
        tap.passed(turn, "sent", b"a" * 30_000)
    tap.passed(turn, "received", b"b")
    assert (bytes(turn.sent), bytes(turn.received)) == (b"a" * 65_536, b"b")


def test_who_watches_sees_what_passes_from_then_on() -> None:
    tap = Tap()
    turn = tap.begin()
    tap.passed(turn, "sent", b"before")
    watched = tap.watch(patience=0.01)
    tap.passed(turn, "sent", b"after")
    assert next(watched) == Piece(turn.number, "sent", 5, b"after")
    assert next(watched) is None


def test_who_falls_far_behind_is_let_go() -> None:
    tap = Tap()
    turn, watched = tap.begin(), tap.watch(patience=0.01)
    for _ in range(5000):
        tap.passed(turn, "sent", b"")
    assert list(watched) == []


async def test_it_keeps_nothing_when_told_so() -> None:
    tap = Tap()
    tap.recording = False
    with ShopServer(Shop()).running() as server:
        async with tap.listening() as (host, port), httpx.AsyncClient() as client:
            tap.target = ("127.0.0.1", server.server_port)
            assert (await client.get(f"http://{host}:{port}/healthz")).text == "ok\n"
    assert not tap.turns


async def test_without_a_target_it_hangs_up() -> None:
    async with Tap().listening() as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_leaves_takes_its_connection_along() -> None:
    tap, gone = Tap(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, tap.listening() as (host, port):
        tap.target = server.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)
