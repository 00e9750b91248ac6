"""A device that sleeps in the middle of a request.

Invariant: what holds for so many seconds ends when either clock says so: one that stands still while the
device sleeps, or one that is set back, does not make it last longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from extproc.client import LinkError
from extproc.client.world import World
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem
from tests.client.conftest import Opening
from tests.client.gateway import SHOP, Clock, Gateway, answering, problem

MARKED = {"link": {"repeatable": True}}


def asleep(clock: Clock, seconds: float) -> None:
    """By CLOCK_MONOTONIC, no time has gone by."""
    clock.ms += int(seconds * 1000)


def set_back(clock: Clock, seconds: float) -> None:
    """By the wall clock, less than none has."""
    clock.ticks += seconds
    clock.ms -= 1000


Sleep = Callable[[Clock, float], None]
SLEEPS: list[Sleep] = [asleep, set_back]


@pytest.mark.parametrize("sleep", SLEEPS)
@pytest.mark.parametrize(("seconds", "posts"), [(59, 2), (61, 1), (320, 1)])
def test_a_repeat_after_sleep(
    connect: Opening, gateway: Gateway, clock: Clock, *, sleep: Sleep, seconds: int, posts: int
) -> None:
    """After 300 s, the gateway would have forgotten that it has run."""

    def lost(request: httpx.Request) -> httpx.Response:
        gateway.answer(request)
        sleep(clock, seconds)
        raise httpx.ReadError("lost")

    gateway.script.append(lost)
    with pytest.raises(httpx.ReadError, match="lost"):
        connect()("POST", SHOP, content=b"tea", extensions=MARKED)
    assert (len(gateway.posts), len(gateway.ran)) == (posts, 1)


@pytest.mark.parametrize("sleep", SLEEPS)
def test_asleep_in_a_remedy(connect: Opening, gateway: Gateway, clock: Clock, sleep: Sleep) -> None:
    def slowly(_: httpx.Request) -> httpx.Response:
        sleep(clock, 61)
        gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519)], 2
        return gateway.keys_answer(gateway.signed())

    call = connect()
    call("GET", SHOP)
    gateway.script.append(answering(problem("unknown-key")))
    gateway.directories.append(slowly)
    with pytest.raises(LinkError, match="unknown-key"):
        call("GET", SHOP)
    assert len(gateway.posts) == 2


def test_a_device_that_slept_before_it_heard_of_its_clock(
    connect: Opening, gateway: Gateway, clock: Clock
) -> None:
    """The envelope ran, and was stale when the device woke: the time that it slept counts as on the way."""

    def held(request: httpx.Request) -> httpx.Response:
        gateway.answer(request)
        asleep(clock, 130)
        return gateway.answer(request)

    gateway.script.append(held)
    with pytest.raises(LinkError, match="clock-skew") as raised:
        connect()("POST", SHOP, content=b"tea")
    assert raised.value.outcome_unknown
    assert (len(gateway.posts), len(gateway.ran)) == (1, 1)


@pytest.mark.parametrize("sleep", SLEEPS)
def test_a_secret_lasts_an_hour(connect: Opening, gateway: Gateway, clock: Clock, sleep: Sleep) -> None:
    call = connect()
    call("GET", SHOP)
    for _ in range(2):
        sleep(clock, 1800)
        call("GET", SHOP)
    secrets = [pb.SealedRequest.FromString(outer.content).encapsulation for outer in gateway.posts]
    assert secrets[0] == secrets[1] != secrets[2]


def test_the_clock_goes_on_in_sleep_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def boot_time(clock: Any) -> float:
        assert clock == 7
        return 320.0

    assert World().monotonic() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=1)
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7)
    monkeypatch.setattr(time, "clock_gettime", boot_time)
    assert World().monotonic() == 320.0
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    assert World().monotonic() == pytest.approx(time.monotonic(), abs=1)
