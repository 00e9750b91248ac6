"""The scripted exchange: one order, as the app, the wire and the upstream saw it, and what must hold of it.

Nothing here does I/O; `extproc demo` plays the script and hands in what it saw.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from extproc.demo.endpoints import Body, Fields, Received
from extproc.demo.tap import Turn
from extproc.errors import Code

SHOP_HOST: Final = "shop.example.com"
ORDER_PATH: Final = "/orders"
EVENTS_PATH: Final = "/events"
ORDER_HEADERS: Final = {"authorization": "Bearer demo-token-of-ada"}
ORDER: Final = {"item": "cocoa", "quantity": 2, "note": "for Lovelace, second floor"}
PEER: Final = "127.0.0.1"  # where the app runs, as Envoy sees it

GATEWAY: Final = """\
# Made by `extproc demo`. Everything is on loopback, and port 0 takes a free one.
listen: 127.0.0.1:0
admin: 127.0.0.1:0
link:
  origins: ["{link}"]
  keys: keys
  replay: lmdb
upstreams:
  shop: {{ endpoints: ["{shop}"], health_check: /healthz }}
routes:
  - {{ host: {host}, prefix: /, upstream: shop, access: sealed }}
  - {{ host: {peer}, prefix: /, upstream: shop, access: any }}  # the page's plain requests, for comparison
cors: {{ origins: ["{page}"], credentials: true, expose: [x-request-id] }}
workers: 2
drain: 1s  # for an event stream that has no end
log: {{ format: console, level: warning, access: "" }}
"""


def gateway_yaml(*, link: str, shop: str, page: str) -> str:
    """The demo's gateway.yaml. `link`, `page`: their origins; `shop`: the upstream's host:port."""
    return GATEWAY.format(link=link, shop=shop, page=page, host=SHOP_HOST, peer=PEER)


@dataclass(frozen=True, slots=True)
class Message:
    """An HTTP message for the eye: its first line, fields and body."""

    line: str
    headers: Fields
    body: bytes

    @classmethod
    def from_wire(cls, raw: bytes) -> Message:
        """`raw`: an HTTP/1.1 message. Its body stays as it is framed."""
        head, _, body = raw.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        pairs = (field.partition(":") for field in fields)
        return cls(line, tuple((name, value.strip()) for name, _, value in pairs), body)


@dataclass(frozen=True, slots=True)
class Scene:
    """One sealed order from three places. `turns`: all that went over the wire, the order last."""

    app_request: Message
    app_response: Message
    turns: tuple[Turn, ...]
    upstream: tuple[Received, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that must hold, and what was seen of it."""

    name: str
    held: bool
    seen: str


def steps(scene: Scene) -> Iterator[Step]:
    """What must hold of the order itself."""
    created = scene.app_response.line == f"201 {HTTPStatus.CREATED.phrase}"
    yield Step("The order was opened, answered, and the answer opened", created, scene.app_response.line)
    yield _reached(scene)
    yield _addressed(scene)
    yield _hidden(scene)


def _reached(scene: Scene) -> Step:
    seen = [f"{received.method} {received.path}" for received in scene.upstream]
    held = [
        (received.method, received.path, received.header("host"), received.body)
        for received in scene.upstream
    ] == [("POST", ORDER_PATH, SHOP_HOST, Body.of([scene.app_request.body]))]
    return Step("The upstream saw the inner request, byte for byte, once", held, ", ".join(seen) or "nothing")


def _addressed(scene: Scene) -> Step:
    seen = [received.header("x-forwarded-for") for received in scene.upstream]
    return Step("The upstream saw who sent it", seen == [PEER], f"x-forwarded-for: {', '.join(seen)}")


def _hidden(scene: Scene) -> Step:
    wire = b"".join(bytes(turn.sent + turn.received) for turn in scene.turns).lower()
    words = plaintext_words(scene)
    found = [word for word in words if word.lower().encode() in wire]
    seen = f"{len(found)} of {len(words)} words in {len(wire):,} bytes" + "".join(
        f", {word}" for word in found
    )
    return Step("The wire carried none of the plaintext", not found, seen)


def plaintext_words(scene: Scene) -> tuple[str, ...]:
    """What a reader of the wire would look for: long enough not to be there by chance."""
    answer = json.loads(scene.app_response.body or b"{}")
    values = [SHOP_HOST, ORDER_PATH, *ORDER_HEADERS.values(), *ORDER.values(), *answer.values()]
    words = (word for value in values for word in str(value).replace(",", "").split())
    return tuple(dict.fromkeys(word for word in words if len(word) >= 5))


def arrived(event: str) -> Step:
    """`event`: the data of what came first of an answer that has no end."""
    return Step("An event arrives, of an answer that goes on", bool(event), event or "nothing")


def refused(name: str, status: int) -> Step:
    """A plain request, or a forged mark, on a route that only the link may reach."""
    return Step(f"{name} is refused", status == HTTPStatus.FORBIDDEN, f"{status} {HTTPStatus(status).phrase}")


def replayed(fault: str | None, ran: int) -> Step:
    """The same envelope, sent again. `ran`: how many of the two reached the upstream."""
    held = (fault, ran) == (Code.REPLAYED, 1)
    return Step("The same envelope again is refused", held, f"{fault}; the upstream saw {ran} of 2")


def damaged(code: str | None, ran: int) -> Step:
    """An envelope with one bit turned over."""
    held = (code, ran) == (Code.BAD_ENVELOPE, 0)
    return Step("A flipped bit is refused", held, f"{code}; the upstream saw {ran} of 1")


def hexdump(data: bytes, *, rows: int) -> Iterator[str]:
    """The first bytes of `data`, 8 a row, and how many there are."""
    for start in range(0, min(len(data), 8 * rows), 8):
        row = data[start : start + 8]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{start:04x}  {row.hex(' '):<23}  {text}"
    yield f"{len(data):,} bytes in all"


def pretty(body: bytes) -> Iterable[str]:
    """A JSON body, indented; another one as text."""
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False).splitlines()
    except ValueError:
        return body.decode(errors="replace").splitlines()
