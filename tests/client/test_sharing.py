"""One transport, many threads or tasks.

Invariant: however many exchanges run at once, the directory is fetched once, a failure of that fetch is
shared, and a secret is used within its bounds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from extproc.client import AsyncLinkTransport, LinkTransport, secret
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem
from tests.client.conftest import Opening
from tests.client.gateway import LINK, SHOP, Clock, Gateway, answering, problem

MANY = 24


def at_once(call: Callable[[int], object]) -> list[object]:
    """What each of MANY threads got, or the type of its failure."""
    barrier = threading.Barrier(MANY)

    def run(number: int) -> object:
        barrier.wait(10)
        try:
            return call(number)
        except httpx.TransportError as error:
            return type(error).__name__

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(run, range(MANY)))


@pytest.fixture
def client(gateway: Gateway, clock: Clock) -> httpx.Client:
    wire = httpx.MockTransport(gateway.handle)
    roots = [str(gateway.root.public)]
    return httpx.Client(transport=LinkTransport(LINK, roots=roots, transport=wire, world=clock.world))


def test_threads(gateway: Gateway, client: httpx.Client) -> None:
    got = at_once(lambda number: client.post(SHOP, content=b"%d" % number).content)
    assert got == [b"%d" % number for number in range(MANY)]
    assert len(gateway.fetches) == 1
    sealed = [pb.SealedRequest.FromString(outer.content) for outer in gateway.posts]
    assert len({message.nonce for message in sealed}) == MANY
    assert len({message.encapsulation for message in sealed}) == 1


def test_threads_that_find_the_key_gone(gateway: Gateway, client: httpx.Client) -> None:
    client.get(SHOP)
    gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
    got = at_once(lambda number: client.post(SHOP, content=b"%d" % number).content)
    assert got == [b"%d" % number for number in range(MANY)]
    assert len(gateway.fetches) == 2


def test_threads_share_a_failure(gateway: Gateway, client: httpx.Client) -> None:
    """They don't queue up to run into the same time-out one after the other."""
    started = threading.Event()

    def slowly(_: httpx.Request) -> httpx.Response:
        started.wait(0.3)  # until the others are in the queue
        raise httpx.ConnectTimeout("late")

    gateway.directories += [slowly] * MANY
    failures = at_once(lambda _: client.get(SHOP))
    assert (failures.count("ConnectTimeout"), failures.count("LinkError")) == (1, MANY - 1)
    gateway.directories.clear()
    assert client.get(SHOP).status_code == 200


async def test_tasks(gateway: Gateway, clock: Clock) -> None:
    async def wire(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return gateway.handle(request)

    transport = AsyncLinkTransport(
        LINK,
        roots=[str(gateway.root.public)],
        transport=httpx.MockTransport(wire),
        world=clock.world,
    )
    async with httpx.AsyncClient(transport=transport) as client:
        calls = [client.post(SHOP, content=b"%d" % number) for number in range(MANY)]
        got = [response.content for response in await asyncio.gather(*calls)]
        gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
        await asyncio.gather(*(client.get(SHOP) for _ in range(MANY)))
    assert got == [b"%d" % number for number in range(MANY)]
    assert len(gateway.fetches) == 2


async def test_a_task_that_is_cancelled_leaves_no_lock(gateway: Gateway) -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    handlers = [never]

    async def wire(request: httpx.Request) -> httpx.Response:
        return await handlers.pop()(request) if handlers else gateway.handle(request)

    roots = [str(gateway.root.public)]
    gateway_clock = Clock().world
    transport = AsyncLinkTransport(
        LINK, roots=roots, transport=httpx.MockTransport(wire), world=gateway_clock
    )
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.get(SHOP), 0.05)
        assert (await asyncio.wait_for(client.get(SHOP), 5)).status_code == 200


def secrets_used(gateway: Gateway) -> int:
    return len({pb.SealedRequest.FromString(outer.content).encapsulation for outer in gateway.posts})


def test_a_secret_lasts_an_hour(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect()
    call("GET", SHOP)
    clock.ticks += 3599
    call("GET", SHOP)
    assert secrets_used(gateway) == 1
    clock.ticks += 1
    call("GET", SHOP)
    assert secrets_used(gateway) == 2


def test_a_secret_lasts_so_many_sealings(
    connect: Opening, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert secret.MAX_USES == 2**20
    monkeypatch.setattr(secret, "MAX_USES", 3)
    call = connect()
    gateway.script.append(gateway.refusing("unavailable"))  # the repeat counts as well
    call("GET", SHOP)
    call("GET", SHOP)
    assert secrets_used(gateway) == 1
    call("GET", SHOP)
    assert secrets_used(gateway) == 2


def test_a_new_key_has_a_new_secret(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    call("GET", SHOP)
    gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
    gateway.script.append(answering(problem("unknown-key")))
    call("GET", SHOP)
    assert secrets_used(gateway) == 2
