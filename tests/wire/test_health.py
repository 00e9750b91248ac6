"""grpc.health.v1 (github.com/grpc/grpc, doc/health-checking.md), as transcripts.

Invariant: a question has the answer of its moment, and a watch has every one from then on.
"""

from __future__ import annotations

import pytest

from extproc.server.serving import Status
from extproc.server.wire.health import NOT_SERVING, SERVICE_UNKNOWN, SERVING
from tests.wire.caller import CHECK, WATCH, Caller, asked, request
from tests.wire.peer import rst_stream


def test_health_of_a_service_that_is_not_known() -> None:
    assert Caller().call(CHECK, asked("shop")).status == Status.NOT_FOUND


@pytest.mark.parametrize("path", [CHECK, WATCH])
@pytest.mark.parametrize("body", [b"", asked() * 2], ids=["none", "two"])
def test_health_takes_one_question(path: str, body: bytes) -> None:
    caller = Caller()
    caller.deliver(*request(path, body))
    for timer in caller.timers:
        timer.fire()
    assert caller.responses[1].status == Status.INTERNAL


def test_a_watch_hears_of_each_change_until_it_is_cancelled() -> None:
    caller = Caller()
    response = caller.call(WATCH, asked())
    assert (response.health(), response.is_ended) == ([SERVING], False)
    caller.health.stop()
    assert response.health() == [SERVING, NOT_SERVING]
    caller.deliver(rst_stream(1, "CANCEL"))
    caller.health.set("", SERVING)
    assert response.health() == [SERVING, NOT_SERVING]


def test_a_watch_may_wait_for_its_service() -> None:
    caller = Caller()
    response = caller.call(WATCH, asked("shop"))
    caller.health.set("shop", SERVING)
    assert response.health() == [SERVICE_UNKNOWN, SERVING]
