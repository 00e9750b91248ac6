"""The service behind a transport: Envoy's messages in, replies out, and what it counts.

Invariant: what counts as open is open, and nothing of a stream counts when it has ended, however it does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from extproc.envoy_api import NAMESPACE
from extproc.exchange.events import Event
from extproc.link.envelope import ResponseOpener
from extproc.link.streams import Chunk, StreamWriter
from extproc.message import Headers
from extproc.server.service import Service, Stream, StreamError, StreamResetError
from extproc.server.stores import MemoryStore
from tests.exchange import link
from tests.exchange.courses import streamed_courses, whole_courses
from tests.server import envoys

Begin = Callable[[Service], tuple[Stream, object, object]]
OK = Headers([(":status", b"200")])


def store() -> MemoryStore:
    return MemoryStore(100, link.NOW_MS - 60_000)


def serving(max_streams: int = 2) -> Service:
    return Service(link.gateway(), store(), max_streams=max_streams, now_ns=link.now_ns)


def told(stream: Stream, message: ProcessingRequest) -> list[ProcessingResponse]:
    """The replies to a message, parsed."""
    replies = stream.receive(message.SerializeToString())
    return [ProcessingResponse.FromString(b"".join(reply)) for reply in replies]


def uploading(service: Service) -> tuple[Stream, StreamWriter, ResponseOpener]:
    """A stream whose request has been forwarded, and is not at its end."""
    stream = service.stream()
    assert told(stream, envoys.request_headers(link.stream_headers())) == []
    head, writer, opener = link.Client().stream(link.posted(exchange_id=os.urandom(16)))
    forward, body = told(stream, envoys.request_body(head, end_of_stream=False))
    assert forward.request_headers.response.clear_route_cache
    assert envoys.streamed(body) == (b"", False)
    return stream, writer, opener


def downloading(service: Service) -> tuple[Stream, ResponseOpener, list[ProcessingResponse]]:
    """A stream whose answer has begun."""
    stream = service.stream()
    told(stream, envoys.request_headers(link.sealed_headers()))
    body, opener = link.Client().seal(link.posted(exchange_id=os.urandom(16)))
    told(stream, envoys.request_body(body))
    assert service.open_streams == 0
    assert told(stream, envoys.response_headers(OK)) == []
    return stream, opener, told(stream, envoys.response_body(b"first", end_of_stream=False))


def outcome(reply: ProcessingResponse) -> str:
    return str(reply.dynamic_metadata[NAMESPACE]["outcome"])


def test_an_upload_is_a_stream_until_it_is_answered() -> None:
    service = serving()
    stream, writer, opener = uploading(service)
    assert (service.open_exchanges, service.open_streams) == (1, 1)
    (body,) = told(stream, envoys.request_body(writer.write(b"one "), end_of_stream=False))
    assert envoys.streamed(body) == (b"one ", False)
    (end,) = told(stream, envoys.request_body(writer.finish(b"pen")))
    assert envoys.streamed(end) == (b"pen", True)
    assert (service.open_exchanges, service.open_streams) == (1, 1)

    (answer,) = told(stream, envoys.response_headers(OK, end_of_stream=True))
    assert opener.open(answer.response_headers.response.body_mutation.body).status == 200
    assert (service.open_exchanges, service.open_streams) == (0, 0)
    stream.close()


def test_an_answer_is_a_stream_while_it_leaves() -> None:
    service = serving()
    stream, opener, (respond, first) = downloading(service)
    assert (service.open_exchanges, service.open_streams) == (1, 1)
    assert not respond.response_headers.response.HasField("body_mutation")
    assert outcome(respond) == "streaming"
    reader = opener.stream()
    assert list(reader.receive(envoys.streamed(first)[0])) == [Chunk(b"first", (), is_final=False)]

    last, drop = told(stream, envoys.response_trailers(Headers([("x-sum", b"1")])))
    (final,) = reader.receive(envoys.streamed(last)[0])
    assert [(header.name, header.value) for header in final.trailers] == [("x-sum", b"1")]
    assert outcome(last) == "ok"
    assert list(drop.response_trailers.header_mutation.remove_headers) == ["x-sum"]
    assert (service.open_exchanges, service.open_streams) == (0, 0)
    stream.close()


def test_an_exchange_that_streams_both_ways_counts_once() -> None:
    service = serving(max_streams=1)
    stream, _, _ = uploading(service)
    told(stream, envoys.response_headers(OK))
    respond, _ = told(stream, envoys.response_body(b"first", end_of_stream=False))
    assert outcome(respond) == "streaming"
    assert (service.open_exchanges, service.open_streams) == (1, 1)
    stream.abandon()
    assert (service.open_exchanges, service.open_streams) == (0, 0)


def test_beyond_max_streams_an_upload_is_unavailable_until_one_ends() -> None:
    service = serving(max_streams=2)
    begun = [uploading(service)[0] for _ in range(2)]
    refused = service.stream()
    told(refused, envoys.request_headers(link.stream_headers()))
    head, _, opener = link.Client().stream(link.posted(exchange_id=os.urandom(16)))
    (answer,) = told(refused, envoys.request_body(head, end_of_stream=False))
    assert opener.open(answer.immediate_response.body).fault == "unavailable"
    assert service.open_streams == 2
    begun[0].abandon()

    again = service.stream()
    told(again, envoys.request_headers(link.stream_headers()))
    forward, _ = told(again, envoys.request_body(head, end_of_stream=False))  # its id was not spent
    assert forward.HasField("request_headers")
    assert service.open_streams == 2


def test_what_is_cut_off_is_logged_and_no_longer_counts() -> None:
    service = serving()
    stream, writer, _ = uploading(service)
    told(stream, envoys.response_headers(OK))
    told(stream, envoys.response_body(b"first", end_of_stream=False))
    with capture_logs() as logs, pytest.raises(StreamResetError, match="truncated"):
        told(stream, envoys.request_body(writer.write(b"one ")))
    assert [(entry["event"], entry["request_id"]) for entry in logs] == [("refused", "r-1")]
    assert (service.open_exchanges, service.open_streams) == (0, 0)


@pytest.mark.parametrize("begin", [uploading, downloading])
def test_a_stream_that_ends_before_its_exchange_is_an_error_and_no_longer_counts(begin: Begin) -> None:
    service = serving()
    stream = begin(service)[0]
    with pytest.raises(StreamError, match="before the exchange did"):
        stream.close()
    assert (service.open_exchanges, service.open_streams) == (0, 0)
    stream.abandon()
    assert (service.open_exchanges, service.open_streams) == (0, 0)


def carried(stream: Stream, course: list[Event]) -> Iterator[list[ProcessingResponse]]:
    """The replies to each message of a course, up to the first error."""
    with contextlib.suppress(StreamError):
        for message in filter(None, map(envoys.message, course)):
            yield told(stream, message)


courses = st.one_of(whole_courses, st.builds(lambda course: course.events, streamed_courses()))


@given(st.lists(courses, min_size=1, max_size=3), st.integers(0, 2), st.booleans())
def test_nothing_is_left_open(begun: list[list[Event]], max_streams: int, closed: bool) -> None:
    service = serving(max_streams)
    streams = [service.stream() for _ in begun]
    for number, stream in enumerate(streams):
        service.store = store()  # they all have one id
        for _ in carried(stream, begun[number]):
            assert 0 <= service.open_streams <= min(max_streams, service.open_exchanges)
            assert service.open_exchanges <= number + 1
    for stream in streams:
        with contextlib.suppress(StreamError):
            stream.close() if closed else stream.abandon()
    assert (service.open_exchanges, service.open_streams) == (0, 0)
