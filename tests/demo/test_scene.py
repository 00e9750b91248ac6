"""What the demo says of an exchange.

Invariant: each step holds for the exchange as it should be, and for no other.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from extproc.demo.endpoints import Body, Received
from extproc.demo.scene import (
    ORDER,
    Message,
    Scene,
    arrived,
    damaged,
    gateway_yaml,
    hexdump,
    plaintext_words,
    pretty,
    refused,
    replayed,
    steps,
)
from extproc.demo.tap import Turn

BODY = json.dumps(ORDER).encode()
RECEIVED = Received(
    "POST",
    "/orders",
    (("Host", "shop.example.com"), ("x-forwarded-for", "127.0.0.1")),
    Body.of([BODY]),
)
SCENE = Scene(
    app_request=Message("POST https://shop.example.com/orders", (), BODY),
    app_response=Message("201 Created", (), b'{"id": "9ab1516d", "total": 820}'),
    turns=(
        Turn(bytearray(b"POST /_link HTTP/1.1\r\n\r\n\x00\x17"), bytearray(b"HTTP/1.1 200 OK\r\n\r\n\xfe")),
    ),
    upstream=(RECEIVED,),
)


def failing(scene: Scene) -> list[int]:
    return [number for number, step in enumerate(steps(scene)) if not step.held]


def test_all_holds_of_the_exchange_as_it_should_be() -> None:
    assert failing(SCENE) == []


@pytest.mark.parametrize(
    ("scene", "wrong"),
    [
        (replace(SCENE, app_response=Message("409 Conflict", (), b"")), [0]),
        (replace(SCENE, upstream=()), [1, 2]),
        (replace(SCENE, upstream=(RECEIVED, RECEIVED)), [1, 2]),
        (replace(SCENE, upstream=(replace(RECEIVED, body=Body.of([BODY, b" "])),)), [1]),
        (replace(SCENE, upstream=(replace(RECEIVED, path="/_link"),)), [1]),
        (replace(SCENE, upstream=(replace(RECEIVED, headers=(("host", "shop.example.com"),)),)), [2]),
        (replace(SCENE, turns=(*SCENE.turns, Turn(bytearray(b"...LOVELACE...")))), [3]),
        (replace(SCENE, turns=(*SCENE.turns, Turn(bytearray(), bytearray(b"9ab1516d")))), [3]),
    ],
)
def test_each_step_fails_for_its_own_reason(scene: Scene, wrong: list[int]) -> None:
    assert failing(scene) == wrong


def test_words_are_the_order_and_its_answer() -> None:
    words = plaintext_words(SCENE)
    assert {"shop.example.com", "/orders", "cocoa", "Lovelace", "demo-token-of-ada", "9ab1516d"} <= set(words)
    assert all(len(word) >= 5 for word in words)


def test_an_event_has_arrived_or_not() -> None:
    assert arrived('{"item": "tea", "price": 338}').held
    assert not arrived("").held


def test_refusals() -> None:
    assert refused("A plain request", 403).held
    assert not refused("A plain request", 200).held
    assert replayed("replayed", 1).held
    assert not replayed("replayed", 2).held
    assert not replayed(None, 1).held
    assert damaged("bad-envelope", 0).held
    assert not damaged("bad-envelope", 1).held
    assert not damaged("unknown-key", 0).held


def test_a_message_off_the_wire() -> None:
    message = Message.from_wire(b"POST /_link HTTP/1.1\r\nHost: gw\r\nx-empty:\r\n\r\n\x00\r\n\r\n\x01")
    assert message.line == "POST /_link HTTP/1.1"
    assert message.headers == (("Host", "gw"), ("x-empty", ""))
    assert message.body == b"\x00\r\n\r\n\x01"


def test_the_dump_is_short_and_says_how_much_there_is() -> None:
    assert list(hexdump(b"GET \x00\xff/\x7f" * 300, rows=1)) == [
        "0000  47 45 54 20 00 ff 2f 7f  GET ../.",
        "2,400 bytes in all",
    ]
    assert list(hexdump(b"ab", rows=2)) == ["0000  61 62                    ab", "2 bytes in all"]


def test_bodies_for_the_eye() -> None:
    assert list(pretty(b'{"a":1}')) == ["{", '  "a": 1', "}"]
    assert list(pretty(b"ok\n")) == ["ok"]


def test_the_settings_name_what_they_were_given() -> None:
    text = gateway_yaml(link="http://127.0.0.1:1234", shop="127.0.0.1:5678", page="http://127.0.0.1:9012")
    assert 'link:\n  origins: ["http://127.0.0.1:1234"]' in text
    assert 'cors: { origins: ["http://127.0.0.1:9012"]' in text
    assert 'endpoints: ["127.0.0.1:5678"]' in text
