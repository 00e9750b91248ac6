"""Calls whose replies have to wait, as transcripts.

Invariant: a call whose replies wait takes no more messages, and what it has not taken keeps the peer's window
closed.
"""

from __future__ import annotations

import sys

import pytest

from extproc.server.serving import Status
from extproc.server.wire.connection import Limits
from tests.exchange import link
from tests.wire.caller import CHECK, PROCESS, Caller, asked, keys_request, prefixed, request
from tests.wire.peer import data, frame, window_update

LARGE = link.gateway(directory=bytes(200_000))


def test_what_a_peer_does_not_read_is_not_made() -> None:
    """While replies wait for a window, messages wait, too, and the window for them stays closed."""
    caller = Caller(LARGE, Limits(stream_window=65_535))
    caller.open(PROCESS)
    empty = bytes(16_384)  # messages of nothing, which are refused once one of them is looked at
    caller.deliver(data(1, keys_request()), data(1, empty), data(1, empty), data(1, empty))
    assert len(caller.responses[1].data) == 65_535
    assert caller.events == []
    assert not any(line.startswith("WINDOW_UPDATE 1") for line in caller.sent)
    caller.deliver(window_update(0, 200_000), window_update(1, 200_000))
    assert caller.responses[1].status == Status.FAILED_PRECONDITION
    assert len(caller.responses[1].data) > 200_000


def test_one_call_that_waits_does_not_hold_up_the_others() -> None:
    caller = Caller(LARGE)
    caller.deliver(window_update(0, 2**20))
    caller.deliver(*request(PROCESS, keys_request()))
    assert not caller.responses[1].is_ended
    assert caller.call(CHECK, asked(), stream_id=3).status == Status.OK


def test_a_paused_session_answers_nothing_until_it_goes_on() -> None:
    caller = Caller()
    caller.session.pause()
    caller.deliver(*request(CHECK, asked()))
    assert caller.responses == {}
    caller.session.resume()
    caller.deliver()
    assert caller.responses[1].status == Status.OK


def test_the_window_opens_for_messages_that_have_been_dealt_with() -> None:
    """One of several windows' length, of which nothing is left unread."""
    caller = Caller(limits=Limits(stream_window=65_535))
    caller.open(PROCESS)
    message = prefixed(bytes(300_000))
    for at in range(0, len(message), 16_384):
        caller.deliver(data(1, message[at : at + 16_384]))
    assert "WINDOW_UPDATE 1 +32768" in caller.sent
    assert caller.responses[1].status == Status.FAILED_PRECONDITION  # zeros are no message of Envoy's


@pytest.mark.parametrize("waits", [False, True], ids=["a message that is not whole", "a call that waits"])
def test_octets_that_have_to_wait_do_not_hold_the_read_that_they_came_in(*, waits: bool) -> None:
    """Of 256 KiB, which a peer could have each of its streams hold for one octet."""
    caller = Caller(LARGE)
    caller.open(PROCESS)
    caller.deliver(data(1, keys_request() if waits else b""))
    nothing = frame(0x42, 0, bytes(16_384))  # of no known type
    read = nothing * 15 + data(1, b"\0")
    free = sys.getrefcount(read)
    caller.session.receive(read, 0.0)
    assert sys.getrefcount(read) == free


def test_a_failure_does_not_wait_for_a_window() -> None:
    caller = Caller(LARGE)
    caller.open(PROCESS, grpc_timeout="1S")
    caller.deliver(data(1, keys_request()))
    caller.timers[0].fire()
    assert caller.responses[1].status == Status.DEADLINE_EXCEEDED
    assert caller.session.open_streams == 0
