"""Messages that are read and written around a body mean what protobuf says that they mean.

Invariant: `event` finds in a ProcessingRequest what a parser finds, whatever else is in it; what `reply`
writes is read as the message that it stands for.
"""

from __future__ import annotations

import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from hypothesis import example, given
from hypothesis import strategies as st

from extproc import envoy_api
from extproc.exchange.actions import Action, ForwardBody, RespondBody
from extproc.exchange.events import RequestBody, ResponseBody
from extproc.exchange.machine import ProtocolError

bodies = st.one_of(st.binary(max_size=300), st.sampled_from([127, 128, 16_383, 16_384, 2**21]).map(bytes))
phases = st.sampled_from(["request_body", "response_body"])
rest = st.sampled_from(
    [
        ProcessingRequest(),
        ProcessingRequest(observability_mode=True),
        ProcessingRequest(attributes={"a": {}}),
    ]
)


def request(phase: str, body: ext_proc.HttpBody, rest: ProcessingRequest) -> bytes:
    message = ProcessingRequest(**{phase: body})
    message.MergeFrom(rest)
    return bytes(message.SerializeToString())


@given(phases, bodies, st.booleans(), st.booleans(), rest)
def test_a_body_is_found_whatever_stands_beside_it(
    phase: str, data: bytes, end: bool, compressed: bool, rest: ProcessingRequest
) -> None:
    body = ext_proc.HttpBody(body=data, end_of_stream=end, grpc_message_compressed=compressed)
    kind = RequestBody if phase == "request_body" else ResponseBody
    assert envoy_api.event(request(phase, body, rest)) == kind(data, end)


@given(phases, st.binary(max_size=40), st.binary(max_size=40), st.booleans())
def test_of_a_field_that_comes_twice_the_last_counts(phase: str, one: bytes, two: bytes, end: bool) -> None:
    """As section "Last One Wins" of protobuf's encoding has it."""
    twice = b"".join(
        ext_proc.HttpBody(body=data, end_of_stream=end).SerializeToString() for data in (one, two)
    )
    serialized = bytes([0x22 if phase == "request_body" else 0x2A, len(twice)]) + twice
    found = envoy_api.event(serialized)
    message = ProcessingRequest.FromString(serialized)
    part = message.request_body if phase == "request_body" else message.response_body
    assert isinstance(found, RequestBody | ResponseBody)
    assert (bytes(found.data), found.end_of_stream) == (part.body, part.end_of_stream)


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda tail: b"\x22" + tail)))
@example(b"\x22\x02\x0a\x7f")
@example(b"\x2a")
@example(b"\x2a\x80")
@example(b"\x22\x03\x0a\x01")
def test_any_bytes_are_what_protobuf_takes_them_for(serialized: bytes) -> None:
    try:
        message = ProcessingRequest.FromString(serialized)
    except Exception:  # protobuf's own
        with pytest.raises(ProtocolError):
            envoy_api.event(serialized)
        return
    phase = message.WhichOneof("request")
    if phase not in {"request_body", "response_body"}:
        return
    part = getattr(message, phase)
    found = envoy_api.event(serialized)
    assert isinstance(found, RequestBody | ResponseBody)
    assert (bytes(found.data), found.end_of_stream) == (part.body, part.end_of_stream)


def written(action: Action) -> ProcessingResponse:
    reply = envoy_api.reply(action)
    assert reply is not None
    return ProcessingResponse.FromString(b"".join(reply))


@given(bodies, st.booleans())
def test_a_body_for_the_upstream(data: bytes, end: bool) -> None:
    expected = ProcessingResponse()
    streamed = expected.request_body.response.body_mutation.streamed_response
    streamed.body, streamed.end_of_stream = data, end
    assert written(ForwardBody(data, end)) == expected


@given(bodies, st.booleans(), st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2))
def test_a_body_for_the_client(data: bytes, end: bool, metadata: dict[str, str]) -> None:
    expected = ProcessingResponse()
    streamed = expected.response_body.response.body_mutation.streamed_response
    streamed.body, streamed.end_of_stream = data, end
    if metadata:
        expected.dynamic_metadata.update({envoy_api.NAMESPACE: metadata})
    assert written(RespondBody(data, end, metadata)) == expected
