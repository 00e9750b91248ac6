"""gRPC over HTTP/2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md), as transcripts.

Invariant: each request ends with one status, and OK is that of a call that has ended well.
"""

from __future__ import annotations

import hpack
import pytest

from extproc.server.serving import Status
from extproc.server.wire.grpc import trailers
from extproc.server.wire.health import SERVING
from tests.exchange import link
from tests.server import envoys
from tests.wire import peer
from tests.wire.caller import (
    CHECK,
    LARGEST,
    PROCESS,
    Caller,
    asked,
    forwarded,
    keys_request,
    prefixed,
    request,
)
from tests.wire.peer import data, rst_stream

# Requests.


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_a_method_other_than_post_is_405(method: str) -> None:
    response = Caller().call(CHECK, asked(), __method=method)
    assert (response.fields, response.is_ended) == ({":status": "405", "allow": "POST"}, True)


@pytest.mark.parametrize("content_type", ["", "application/json", "application/grpc-web", "application/grp"])
def test_a_content_type_of_something_else_is_415(content_type: str) -> None:
    assert Caller().call(CHECK, asked(), content_type=content_type).fields == {":status": "415"}


@pytest.mark.parametrize(
    "content_type", ["application/grpc", "application/grpc+proto", "application/grpc;a=b"]
)
def test_content_types_of_grpc(content_type: str) -> None:
    response = Caller().call(CHECK, asked(), content_type=content_type)
    assert response.fields == {":status": "200", "content-type": "application/grpc", "grpc-status": "0"}


@pytest.mark.parametrize("path", ["/", "/grpc.health.v1.Health/Guess", "grpc.health.v1.Health/Check"])
def test_a_method_that_is_not_there_is_unimplemented(path: str) -> None:
    response = Caller().call(path, asked())
    assert (response.status, response.sections, response.is_ended) == (Status.UNIMPLEMENTED, 1, True)
    assert response.fields["content-type"] == "application/grpc"


def test_a_message_encoding_is_unimplemented_and_told_what_is_not() -> None:
    response = Caller().call(CHECK, asked(), grpc_encoding="gzip")
    assert response.status == Status.UNIMPLEMENTED
    assert response.fields["grpc-accept-encoding"] == "identity"
    assert Caller().call(CHECK, asked(), grpc_encoding="identity").status == Status.OK


# Messages.


@pytest.mark.parametrize("at", range(len(keys_request()) + 1))
def test_a_message_may_be_cut_at_any_point(at: int) -> None:
    caller, message = Caller(), keys_request()
    caller.open(PROCESS)
    caller.deliver(data(1, message[:at]))
    caller.deliver(data(1, message[at:]))
    (reply,) = caller.responses[1].processed()
    assert reply.immediate_response.body == b"a signed directory"


def test_a_message_may_come_octet_by_octet() -> None:
    caller = Caller()
    caller.open(CHECK)
    for octet in asked("a service that is nowhere"):
        caller.deliver(data(1, bytes([octet])))
    assert caller.responses[1].status == Status.NOT_FOUND


def test_several_messages_may_come_at_once() -> None:
    """Envoy's first two, each with its reply."""
    body, _ = link.Client().seal(link.inner())
    sealed = envoys.request_body(body).SerializeToString()
    caller = Caller()
    caller.open(PROCESS)
    caller.deliver(data(1, forwarded() + prefixed(sealed)))
    headers, opened = caller.responses[1].processed()
    assert headers.HasField("request_headers")
    assert opened.request_body.response.clear_route_cache


def test_an_empty_message_is_one() -> None:
    assert Caller().call(CHECK, prefixed(b"")).health() == [SERVING]


def test_a_compressed_message_is_an_error() -> None:
    """Without grpc-encoding, as it must have come without."""
    response = Caller().call(CHECK, prefixed(b"", compressed=1))
    assert response.status == Status.INTERNAL


@pytest.mark.parametrize(("path", "limit"), [(PROCESS, LARGEST), (CHECK, 4096)])
def test_a_message_over_the_limit_is_refused_by_its_prefix(path: str, limit: int) -> None:
    caller = Caller()
    caller.open(path)
    caller.deliver(data(1, b"\0" + peer.word(limit + 1)))
    assert caller.responses[1].status == Status.RESOURCE_EXHAUSTED
    assert caller.responses[1].reset == "NO_ERROR"


@pytest.mark.parametrize("rest", [b"\0", asked("shop")[:-1]], ids=["prefix", "message"])
def test_a_request_that_ends_amid_a_message_is_an_error(rest: bytes) -> None:
    assert Caller().call(CHECK, asked() + rest).status == Status.INTERNAL


@pytest.mark.parametrize(
    ("path", "status"), [(CHECK, Status.INTERNAL), (PROCESS, Status.FAILED_PRECONDITION)]
)
def test_a_message_that_does_not_parse_is_an_error(path: str, status: Status) -> None:
    caller = Caller()
    assert caller.call(path, prefixed(b"\xff")).status == status
    assert caller.counts["bugs"] == 0


def test_replies_to_what_came_before_a_failure_are_sent() -> None:
    """However the reads were cut."""
    response = Caller().call(PROCESS, keys_request() + prefixed(b"\xff"))
    assert [each.WhichOneof("response") for each in response.processed()] == ["immediate_response"]
    assert response.status == Status.FAILED_PRECONDITION


# Statuses.


def test_a_call_that_ends_well() -> None:
    """Head, messages, trailers."""
    caller = Caller()
    response = caller.call(PROCESS, keys_request())
    assert response.fields == {":status": "200", "content-type": "application/grpc", "grpc-status": "0"}
    assert (response.sections, response.is_ended, response.reset) == (2, True, None)
    assert caller.session.open_streams == 0


def test_a_call_without_replies_is_trailers_alone() -> None:
    response = Caller().call(PROCESS, b"")
    assert (response.status, response.sections, response.data) == (Status.OK, 1, b"")


def test_an_exchange_that_breaks_off_is_not_ok() -> None:
    """After an OK Envoy would send the request on as it is."""
    caller = Caller()
    caller.deliver(*request(PROCESS, forwarded()))
    assert caller.service.open_exchanges == 0
    assert caller.events == []
    caller.timers[0].fire()
    assert caller.responses[1].status == Status.FAILED_PRECONDITION
    assert caller.events == ["stream.refused"]


def test_an_exchange_that_is_ended_and_then_reset_has_been_cancelled() -> None:
    """That is how Envoy does it."""
    caller = Caller()
    caller.deliver(*request(PROCESS, forwarded()), rst_stream(1, "CANCEL"))
    assert caller.timers[0].is_cancelled
    assert caller.events == []


def test_a_bug_of_ours_is_logged_and_not_told() -> None:
    def broken_clock() -> int:
        raise ZeroDivisionError("with a secret in its text")

    caller = Caller()
    caller.service.now_ns = broken_clock
    response = caller.call(PROCESS, forwarded())
    assert (response.status, response.fields["grpc-message"]) == (Status.INTERNAL, "internal error")
    assert [(entry["event"], entry["exc_info"]) for entry in caller.captured.entries] == [
        ("stream.bug", True)
    ]
    assert caller.counts["bugs"] == 1


def test_a_failure_says_why() -> None:
    assert "expected headers" in Caller().call(PROCESS, prefixed(b"")).fields["grpc-message"]


def test_grpc_message_is_percent_encoded() -> None:
    block = trailers(Status.INTERNAL, "100 % of thé,\nno less", alone=False)
    assert dict(hpack.Decoder().decode(block, raw=True))[b"grpc-message"] == b"100 %25 of th%C3%A9,%0Ano less"


def test_a_cancelled_call_is_forgotten() -> None:
    caller = Caller()
    caller.open(PROCESS)
    caller.deliver(data(1, forwarded()))
    assert caller.service.open_exchanges == 1
    caller.deliver(rst_stream(1, "CANCEL"))
    assert caller.service.open_exchanges == 0
    assert caller.events == []


def test_trailers_end_a_request() -> None:
    caller = Caller()
    caller.open(CHECK)
    caller.deliver(data(1, asked()), peer.headers(1, peer.block(("x-trace", "1")), "END_STREAM"))
    assert (caller.responses[1].health(), caller.responses[1].status) == ([SERVING], Status.OK)


def test_a_connection_that_breaks_ends_its_calls() -> None:
    caller = Caller()
    caller.open(PROCESS)
    caller.deliver(data(1, forwarded()), data(0, b"of no stream"), data(1, b"too late"))
    assert caller.session.is_over
    assert caller.service.open_exchanges == 0
    assert caller.events == ["connection.broken"]
    assert caller.sent[-1] == "GOAWAY 1 PROTOCOL_ERROR"


# Deadlines.


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("3S", 3),
        ("4m", 4e-3),
        ("5u", 5e-6),
        ("6n", 6e-9),
        ("99999999H", 99999999 * 3600),
    ],
)
def test_a_deadline_is_kept(timeout: str, seconds: float) -> None:
    caller = Caller()
    caller.open(PROCESS, grpc_timeout=timeout)
    caller.deliver(data(1, forwarded()))
    (timer,) = caller.timers
    assert timer.seconds == pytest.approx(seconds)
    timer.fire()
    assert caller.responses[1].status == Status.DEADLINE_EXCEEDED
    assert caller.service.open_exchanges == 0


def test_a_deadline_that_is_met_is_forgotten() -> None:
    caller = Caller()
    caller.call(CHECK, asked(), grpc_timeout="1S")
    assert caller.timers[0].is_cancelled


@pytest.mark.parametrize("timeout", ["1", "S", "-1S", "1.5S", "123456789S", "1s"])
def test_a_deadline_that_is_none_is_an_error(timeout: str) -> None:
    caller = Caller()
    assert caller.call(PROCESS, forwarded(), grpc_timeout=timeout).status == Status.INTERNAL
    assert caller.service.open_exchanges == 0
