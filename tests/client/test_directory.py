"""Which directory a client goes by, and when it asks for another (docs/protocol.md, sections 9 and 11).

Invariant: nothing is sealed to a key that no accepted directory of this link prefers, and a directory that is
worse than the one in hand changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from extproc.client import LinkError
from extproc.link.directory import DirectoryKey, sign
from extproc.link.keys import PrivateKey, RootPrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem
from tests.client.conftest import Caller, Opening
from tests.client.gateway import DAY, SHOP, START, Clock, Gateway, answering

HALF = 3.5 * DAY


def refusal(call: Caller) -> LinkError:
    with pytest.raises(LinkError) as raised:
        call("GET", SHOP)
    return raised.value


def key_ids(gateway: Gateway) -> list[bytes]:
    return [pb.SealedRequest.FromString(outer.content).key_id for outer in gateway.posts]


REFUSED: dict[str, Callable[[Gateway], bytes]] = {
    "unsigned": lambda gateway: sign(gateway.directory()),
    "other root": lambda gateway: sign(gateway.directory(), RootPrivateKey.generate()),
    "other link": lambda gateway: gateway.signed(links=("https://other.example.com",)),
    "expired": lambda gateway: gateway.signed(issued_at=START - DAY, expires_at=START),
    "from the future": lambda gateway: gateway.signed(issued_at=START + DAY + 1),
    "garbled": lambda gateway: gateway.signed()[:-1],
    "empty": lambda _: b"",
    "without keys": lambda gateway: gateway.signed(keys=()),
    "keys of yesterday": lambda gateway: gateway.signed(
        keys=(DirectoryKey(gateway.keys[0].public, START - DAY, START),)
    ),
    "too long": lambda gateway: gateway.signed() + bytes(300_000),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_directory_that_must_not_be_accepted(connect: Opening, gateway: Gateway, case: str) -> None:
    gateway.directories.append(answering(gateway.keys_answer(REFUSED[case](gateway))))
    error = refusal(connect())
    assert (error.code, error.fault, error.outcome_unknown) == ("directory", None, False)
    assert gateway.posts == []


@pytest.mark.parametrize("case", ["unsigned", "other root", "other link", "expired", "garbled", "empty"])
def test_a_worse_directory_changes_nothing(
    connect: Opening, gateway: Gateway, clock: Clock, case: str
) -> None:
    call = connect()
    call("GET", SHOP)
    clock.advance(HALF)
    gateway.directories.append(answering(gateway.keys_answer(REFUSED[case](gateway))))
    call("GET", SHOP)
    assert key_ids(gateway) == [gateway.keys[0].key_id] * 2


@pytest.mark.parametrize(
    "change", [{"serial": 4}, {"serial": 5, "path": "/other"}], ids=["back", "other bytes"]
)
def test_rollback(connect: Opening, gateway: Gateway, clock: Clock, change: dict[str, object]) -> None:
    gateway.serial = 5
    call = connect()
    call("GET", SHOP)
    clock.advance(7 * DAY)
    rolled_back = gateway.signed(**{"expires_at": START + 9 * DAY, **change})
    gateway.directories.append(answering(gateway.keys_answer(rolled_back)))
    assert refusal(call).code == "directory"
    gateway.serial = 6
    gateway.directories.append(answering(gateway.keys_answer(gateway.signed(expires_at=START + 9 * DAY))))
    assert call("GET", SHOP).status_code == 200


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503),
        httpx.Response(200, headers={"content-type": "text/html"}, content=b"<html>"),
        httpx.Response(302, headers={"location": "https://evil.example.com/"}),
        httpx.Response(200, headers={"content-type": "Application/PrivateLink-Keys"}),
    ],
)
def test_an_answer_that_is_no_directory(connect: Opening, gateway: Gateway, answer: httpx.Response) -> None:
    gateway.directories.append(answering(answer))
    assert refusal(connect()).code == "directory"
    assert len(gateway.fetches) == 1, "redirect followed"


def test_transport_trouble_while_fetching(connect: Opening, gateway: Gateway) -> None:
    """Nothing of the caller's has left. httpx's error passes where it says as much, else ours says it."""
    call = connect()
    gateway.directories += [httpx.ConnectError("refused"), httpx.ReadTimeout("late")]
    with pytest.raises(httpx.ConnectError) as raised:
        call("GET", SHOP)
    assert raised.value.request.url == SHOP
    error = refusal(call)
    assert (error.code, error.outcome_unknown) == ("directory", False)
    assert call("GET", SHOP).status_code == 200


def test_the_fetch(connect: Opening, gateway: Gateway) -> None:
    connect()("GET", SHOP, timeout=3, headers={"authorization": "Bearer x"})
    (fetch,) = gateway.fetches
    assert (fetch.method, str(fetch.url)) == ("GET", "https://gw.example.com/_link/keys")
    assert set(fetch.headers) == {"host", "accept", "accept-encoding", "user-agent"}
    assert fetch.extensions["timeout"]["read"] == 3


def test_another_path(connect: Opening, gateway: Gateway) -> None:
    """The first fetch goes where the option says, requests where the directory says."""
    gateway.directories.append(answering(gateway.keys_answer(gateway.signed(path="/private/in"))))
    connect(path="/private")("GET", SHOP)
    assert [outer.url.path for outer in (*gateway.fetches, *gateway.posts)] == [
        "/private/keys",
        "/private/in",
    ]


def test_keys_in_the_directorys_order(connect: Opening, gateway: Gateway) -> None:
    gateway.keys = [PrivateKey.generate(kem) for kem in (Kem.X25519, Kem.XWING)]
    connect()("GET", SHOP)
    connect(require_pq=True)("GET", SHOP)
    assert key_ids(gateway) == [key.key_id for key in gateway.keys]


def test_require_pq_without_such_a_key(connect: Opening, gateway: Gateway) -> None:
    assert refusal(connect(require_pq=True)).code == "directory"
    assert gateway.posts == []


def test_refreshed_at_half_of_its_life(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect()
    call("GET", SHOP)
    clock.advance(HALF - 60)
    call("GET", SHOP)
    assert len(gateway.fetches) == 1
    gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519), *gateway.keys], 2
    clock.advance(120)
    call("GET", SHOP)
    assert len(gateway.fetches) == 2
    assert key_ids(gateway)[-1] == gateway.keys[0].key_id
    assert clock.slept == []


def test_a_refresh_that_fails_costs_no_request(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect()
    call("GET", SHOP)
    clock.advance(HALF + 60)
    gateway.directories += [httpx.ConnectError("refused"), httpx.ReadError("reset")]
    for _ in range(3):
        assert call("GET", SHOP).status_code == 200
    assert len(gateway.fetches) == 2, "tried again within a minute"
    clock.advance(60)
    for _ in range(3):
        assert call("GET", SHOP).status_code == 200
    assert len(gateway.fetches) == 3


def test_a_directory_that_stays_old_is_not_asked_for_at_every_turn(
    connect: Opening, gateway: Gateway, clock: Clock
) -> None:
    """Signed but once a week: past its half, a client halves what is left."""
    clock.advance(6 * DAY)
    call = connect()
    for _ in range(9):
        call("GET", SHOP)
        clock.advance(3600)
    assert len(gateway.fetches) == 1
    clock.advance(12 * 3600)
    call("GET", SHOP)
    assert len(gateway.fetches) == 2


def test_expiry_is_revocation(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect()
    call("GET", SHOP)
    clock.advance(7 * DAY)
    gateway.directories += [httpx.ConnectError("cut")] * 9
    with pytest.raises(httpx.ConnectError):
        call("GET", SHOP)
    assert len(gateway.posts) == 1


def test_a_gateway_does_not_turn_the_clock_back(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    """The learned offset dates requests, not directories: who holds a revoked key could extend its life."""
    call = connect()
    call("GET", SHOP)
    clock.advance(7 * DAY - 1)
    gateway.directories += [httpx.ConnectError("cut")] * 9
    gateway.script.append(gateway.refusing("clock-skew", gateway_time_ms=START * 1000))
    with pytest.raises(LinkError):
        call("GET", SHOP)
    clock.advance(1)
    with pytest.raises(httpx.ConnectError):
        call("GET", SHOP)


def test_a_higher_serial_is_followed(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    call = connect()
    call("GET", SHOP)
    gateway.serial, gateway.keys = 2, [PrivateKey.generate(Kem.XWING), *gateway.keys]
    call("GET", SHOP)  # hears of it
    call("GET", SHOP)  # spreads the load: not at once
    assert len(gateway.fetches) == 1
    clock.advance(5)
    call("GET", SHOP)
    assert gateway.fetches[1].headers["cache-control"] == "no-cache"
    assert key_ids(gateway) == [gateway.keys[1].key_id] * 3 + [gateway.keys[0].key_id]
    clock.advance(3600)
    call("GET", SHOP)
    assert len(gateway.fetches) == 2


def test_a_serial_that_never_comes_is_asked_for_once_a_minute(
    connect: Opening, gateway: Gateway, clock: Clock
) -> None:
    old = gateway.keys_answer(gateway.signed())
    call = connect()
    call("GET", SHOP)
    gateway.serial = 2
    gateway.directories += [answering(old)] * 9
    for _ in range(18):
        call("GET", SHOP)
        clock.advance(10)
    assert len(gateway.fetches) == 1 + 3


def test_no_key_that_holds(connect: Opening, gateway: Gateway, clock: Clock) -> None:
    short = (DirectoryKey(gateway.keys[0].public, START, START + DAY),)
    gateway.directories.append(answering(gateway.keys_answer(gateway.signed(keys=short))))
    call = connect()
    call("GET", SHOP)
    clock.advance(DAY)
    gateway.serial = 2
    assert call("GET", SHOP).status_code == 200
    assert gateway.fetches[1].headers["cache-control"] == "no-cache"
    assert clock.slept == [pytest.approx(0.5, abs=0.01)]
