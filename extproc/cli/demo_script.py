"""The demo's script: one sealed order, an event, and then what a man in the middle would try."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from extproc.cli.demo_stage import Stage
from extproc.client import LinkError, LinkTransport
from extproc.demo import scene
from extproc.demo.endpoints import Received
from extproc.demo.scene import Message, Scene, Step
from extproc.exchange.crossing import OPENED_MARK

_ORDERS = f"https://{scene.SHOP_HOST}{scene.ORDER_PATH}"
_EVENTS = f"https://{scene.SHOP_HOST}{scene.EVENTS_PATH}"
_PLAIN = {"host": scene.SHOP_HOST}


def send_order(stage: Stage) -> Scene:
    """Send one order over the link, and collect what was seen of it. Raises httpx.TransportError."""
    with _client(stage) as client:
        response = client.post(_ORDERS, json=scene.ORDER, headers=scene.ORDER_HEADERS)
    request = response.request
    return Scene(
        app_request=Message(f"{request.method} {request.url}", _fields(request.headers), request.content),
        app_response=Message(
            f"{response.status_code} {response.reason_phrase}", _fields(response.headers), response.content
        ),
        turns=tuple(stage.tap.turns),
        upstream=tuple(_orders(stage)),
    )


def watch(stage: Stage) -> Iterator[Step]:
    """The first event of a stream that goes on until its reader leaves. Raises httpx.TransportError."""
    with _client(stage) as client, client.stream("GET", _EVENTS) as answer:
        data = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))
        yield scene.arrived(next(data, ""))


def meddle(stage: Stage) -> Iterator[Step]:
    """What a man in the middle would try, each with how it went. Raises httpx.TransportError."""
    plain = httpx.post(f"{stage.link}{scene.ORDER_PATH}", json=scene.ORDER, headers=_PLAIN)
    yield scene.refused("A plain request", plain.status_code)
    forged = httpx.get(f"{stage.link}/prices", headers=_PLAIN | {OPENED_MARK: "1"})
    yield scene.refused(f"A forged {OPENED_MARK}", forged.status_code)
    yield scene.replayed(*_order_through(stage, lambda body: [body, body]))
    yield scene.damaged(*_order_through(stage, lambda body: [body[:-1] + bytes([body[-1] ^ 1])]))


def _order_through(stage: Stage, change: Callable[[bytes], list[bytes]]) -> tuple[str | None, int]:
    """Order with `change` on the line: what the link complained of, and how many orders came through."""
    before = len(_orders(stage))
    complaint = None
    with _client(stage, _Meddler(change)) as client:
        try:
            client.post(_ORDERS, json=scene.ORDER, headers=scene.ORDER_HEADERS)
        except LinkError as error:
            complaint = error.code
    return complaint, len(_orders(stage)) - before


class _Meddler(httpx.BaseTransport):
    """Sends what `change` makes of each posted body, one after the other, and delivers the last answer."""

    def __init__(self, change: Callable[[bytes], list[bytes]]) -> None:
        self._change = change
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return self._inner.handle_request(request)
        *first, last = (self._again(request, body) for body in self._change(request.read()))
        for other in first:
            self._inner.handle_request(other).read()
        return self._inner.handle_request(last)

    def close(self) -> None:
        self._inner.close()

    @staticmethod
    def _again(request: httpx.Request, body: bytes) -> httpx.Request:
        return httpx.Request(
            request.method, request.url, headers=request.headers, content=body, extensions=request.extensions
        )


def _client(stage: Stage, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    return httpx.Client(transport=LinkTransport(stage.link, roots=[stage.root], transport=transport))


def _orders(stage: Stage) -> list[Received]:
    """What reached the shop, apart from Envoy's health checks."""
    return [received for received in stage.shop.received if received.resource != "/healthz"]


def _fields(headers: httpx.Headers) -> tuple[tuple[str, str], ...]:
    return tuple(headers.multi_items())
