"""A request that failed twice: which failure the caller is told.

Invariant: where either sealing may have run, the failure says so; what is told first is why there was a
repeat, unless the repeat knows better; and neither failure is lost.
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from extproc.client import LinkError
from extproc.client.errors import may_have_run
from extproc.link.keys import PrivateKey
from extproc.link.suites import Kem
from tests.client.conftest import Opening
from tests.client.gateway import SHOP, START_MS, Gateway, Script, answering, problem

Failing = Callable[[Gateway], Script]


def refused(fault: str, after_s: int = 50) -> Failing:
    return lambda gateway: gateway.refusing(fault, gateway_time_ms=START_MS + after_s * 1000)


def late(gateway: Gateway) -> Script:
    """It ran, and its answer did not arrive."""
    return gateway.running(then=httpx.ReadTimeout("late"))


def unreachable(_: Gateway) -> Script:
    return httpx.ConnectError("refused")


def reset(_: Gateway) -> Script:
    return httpx.ReadError("reset")


def forged(_: Gateway) -> Script:
    return answering(httpx.Response(503, text="no healthy upstream"))


def unknown_key(gateway: Gateway) -> Script:
    """Said outside the seal, and so hearsay; and there is a new key."""

    def renew(_: httpx.Request) -> httpx.Response:
        gateway.keys, gateway.serial = [PrivateKey.generate(Kem.X25519), *gateway.keys], 2
        return problem("unknown-key")

    return renew


UNAVAILABLE, CLOCK_SKEW, REPLAYED, NOT_PERMITTED = map(
    refused, ("unavailable", "clock-skew", "replayed", "not-permitted")
)

STALE = refused("clock-skew", after_s=200)  # and so it was when it can have arrived first

# first, second, what is told, of which sealing, whether it may have run
Case = tuple[Failing, Failing, str, int, bool]
CASES: list[Case] = [
    # The first may have run.
    (late, REPLAYED, "ReadTimeout", 1, True),
    (late, unreachable, "ReadTimeout", 1, True),
    (late, reset, "ReadError", 2, True),
    (late, forged, "gateway", 2, True),
    (late, UNAVAILABLE, "unavailable", 2, True),
    (late, CLOCK_SKEW, "clock-skew", 2, True),
    (late, NOT_PERMITTED, "not-permitted", 2, True),
    (unknown_key, REPLAYED, "unknown-key", 1, True),
    (unknown_key, unreachable, "unknown-key", 1, True),
    (unknown_key, reset, "ReadError", 2, True),
    (unknown_key, UNAVAILABLE, "unavailable", 2, True),
    # It may have, though a sealed answer refuses it: that may be the second answer to the same bytes.
    (UNAVAILABLE, REPLAYED, "unavailable", 1, True),
    (UNAVAILABLE, unreachable, "unavailable", 1, True),
    (UNAVAILABLE, late, "ReadTimeout", 2, True),
    (UNAVAILABLE, UNAVAILABLE, "unavailable", 2, True),
    (CLOCK_SKEW, REPLAYED, "clock-skew", 1, True),
    (CLOCK_SKEW, unreachable, "clock-skew", 1, True),
    (CLOCK_SKEW, STALE, "clock-skew", 2, True),
    (CLOCK_SKEW, NOT_PERMITTED, "not-permitted", 2, True),
    # It has not: it never left, or a sealed answer says so.
    (unreachable, REPLAYED, "replayed", 2, True),
    (unreachable, unreachable, "ConnectError", 2, False),
    (unreachable, reset, "ReadError", 2, True),
    (unreachable, UNAVAILABLE, "unavailable", 2, True),
    (STALE, REPLAYED, "replayed", 2, True),
    (STALE, unreachable, "ConnectError", 2, False),
    (STALE, forged, "gateway", 2, True),
    (STALE, NOT_PERMITTED, "not-permitted", 2, False),
]


@pytest.mark.parametrize("case", CASES)
def test_of_two_failures(connect: Opening, gateway: Gateway, case: Case) -> None:
    first, second, told, sealing, unknown = case
    call = connect()
    call("HEAD", SHOP)
    gateway.script += [first(gateway), second(gateway)]
    with pytest.raises(httpx.TransportError) as raised:
        call("GET", SHOP)
    error = raised.value
    assert (name(error), may_have_run(error)) == (told, unknown)
    assert str(error.request.url) == SHOP
    assert len(gateway.posts) == 3
    if sealing == 1:
        assert "it failed again" in error.__notes__[0]
    else:
        assert isinstance(error.__cause__, httpx.TransportError)


def test_the_second_is_chained_to_the_first(connect: Opening, gateway: Gateway) -> None:
    first, second = httpx.ReadTimeout("late"), httpx.ReadError("reset")
    gateway.script += [first, second]
    with pytest.raises(httpx.ReadError) as raised:
        connect()("GET", SHOP)
    assert (raised.value, raised.value.__cause__) == (second, first)


def name(error: httpx.TransportError) -> str:
    return error.code if isinstance(error, LinkError) else type(error).__name__
