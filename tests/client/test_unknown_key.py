"""`unknown-key` from outside the seal: hearsay that may cost one fetch a minute, and never a key.

Invariant: at most one fetch a minute, past HTTP caches, however often somebody says `unknown-key`.
"""

from __future__ import annotations

import httpx
import pytest

from extproc.client import LinkError, LinkTransport
from extproc.link import base64url
from extproc.link.keys import PrivateKey
from extproc.link.suites import Kem
from tests.client.conftest import Caller, Opening
from tests.client.gateway import DAY, LINK, SHOP, START_MS, Clock, Gateway, answering, problem


def refused(call: Caller) -> LinkError:
    with pytest.raises(LinkError, match="unknown-key") as raised:
        call("GET", SHOP)
    return raised.value


def test_one_fetch_a_minute(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect()
    gateway.script += [answering(problem("unknown-key"))] * 99
    for _ in range(30):
        refused(call)
        clock.advance(10)
        clock.ms = START_MS  # by the clock that does not jump
    assert {fetch.headers["cache-control"] for fetch in gateway.fetches[1:]} == {"no-cache"}
    assert len(gateway.fetches) - 1 == 5


def test_a_key_that_came_in_the_meantime_needs_no_fetch(gateway: Gateway, clock: Clock) -> None:
    """While one request is out under the old key, another finds the directory due for its refresh."""
    wire = httpx.MockTransport(gateway.handle)
    link = LinkTransport(LINK, roots=[str(gateway.root.public)], transport=wire, world=clock.world)
    client = httpx.Client(transport=link)

    def meanwhile(request: httpx.Request) -> httpx.Response:
        clock.advance(10)  # half of the directory's life is over
        gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
        assert client.get(SHOP).status_code == 200
        return gateway.answer(request)

    gateway.script.append(meanwhile)
    clock.advance(3.5 * DAY - 5)
    assert client.post(SHOP, content=b"tea").content == b"tea"
    assert len(gateway.fetches) == 2


def test_a_second_loss_within_a_minute_is_an_error(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    call("GET", SHOP)
    for serial in (2, 3):
        gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], serial
        if serial == 2:
            call("GET", SHOP)
    refused(call)
    assert len(gateway.fetches) == 2


@pytest.mark.parametrize("kem", Kem)
def test_pinned_gateway_keys_fetch_nothing(
    connect: Opening, gateway: Gateway, clock: Clock, kem: Kem
) -> None:
    key = PrivateKey.generate(kem)
    gateway.keys = [key]
    pin = f"{kem.name.lower()}:{base64url.encode(key.public.raw)}"
    call = connect(keys=[pin])
    gateway.serial = 9
    call("GET", SHOP)
    clock.advance(10 * 365 * 86_400)
    gateway.now_ms = lambda: START_MS
    gateway.script.append(answering(problem("unknown-key")))
    refused(call)
    assert gateway.fetches == []


def test_the_first_pinned_key_is_used(connect: Opening, gateway: Gateway) -> None:
    gateway.keys = [PrivateKey.generate(kem) for kem in (Kem.X25519, Kem.XWING)]
    pins = [f"{key.public.kem.name.lower()}:{base64url.encode(key.public.raw)}" for key in gateway.keys]
    used = [
        connect(keys=pins, require_pq=pq)("GET", SHOP).extensions["link"]["key_id"] for pq in (False, True)
    ]
    assert used == [key.key_id.hex() for key in gateway.keys]


def test_a_pinned_key_that_is_none(connect: Opening, gateway: Gateway) -> None:
    """32 bytes of the right length, and a point of low order."""
    with pytest.raises(LinkError) as raised:
        connect(keys=["x25519:" + base64url.encode(bytes(32))])("GET", SHOP)
    assert (raised.value.code, raised.value.outcome_unknown) == ("directory", False)
