"""Messages that are read and written around a body mean what protobuf says that they mean.

Invariant: `event` finds in a ProcessingRequest what a parser finds, whatever else is in it; what `reply`
writes is read as the message that it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest, ProcessingResponse
from hypothesis import example, given
from hypothesis import strategies as st

from extproc import envoy_api
from extproc.envoy_api.mutation import mutation
from extproc.exchange.actions import (
    Action,
    Answer,
    AwaitBody,
    DropRequestTrailers,
    DropResponseTrailers,
    Forward,
    ForwardBody,
    Log,
    Respond,
    RespondBody,
)
from extproc.exchange.events import RequestBody, ResponseBody
from extproc.exchange.machine import ProtocolError
from extproc.message import Field, Headers, Request, Response

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
@example(b"\x2a\x02\x10\x01")
@example(b"\x22\x00")
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
    return ProcessingResponse.FromString(b"".join(envoy_api.reply(action)))


@given(bodies, st.booleans())
def test_a_body_for_the_upstream(data: bytes, end: bool) -> None:
    expected = ProcessingResponse()
    streamed = expected.request_body.response.body_mutation.streamed_response
    streamed.body, streamed.end_of_stream = data, end
    assert written(ForwardBody(data, end)) == expected


metadata = st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=2)


def noting(response: ProcessingResponse, metadata: dict[str, str]) -> ProcessingResponse:
    if metadata:
        response.dynamic_metadata.update({envoy_api.NAMESPACE: metadata})
    return response


@given(bodies, st.booleans(), metadata)
def test_a_body_for_the_client(data: bytes, end: bool, metadata: dict[str, str]) -> None:
    expected = ProcessingResponse()
    streamed = expected.response_body.response.body_mutation.streamed_response
    streamed.body, streamed.end_of_stream = data, end
    assert written(RespondBody(data, end, metadata)) == noting(expected, metadata)


names = st.sampled_from(
    [":path", ":status", "content-length", "cookie", "set-cookie", "x-a", "x-" + "b" * 70]
)
field_lists = st.lists(st.tuples(names, st.binary(max_size=3) | st.just(bytes(300))), max_size=9)


def changed(before: Headers, mutation: ext_proc.HeaderMutation) -> list[Field]:
    """What Envoy makes of it: first it removes, then it sets."""
    fields = [pair for pair in before if pair[0] not in set(mutation.remove_headers)]
    for option in mutation.set_headers:
        name = option.header.key
        if not option.append.value:
            fields = [pair for pair in fields if pair[0] != name]
        fields.append((name, option.header.raw_value))
    return sorted(fields, key=itemgetter(0))  # the order of different names means nothing


def line(fields: Iterable[Field]) -> dict[str, bytes]:
    return {name: value for name, value in fields if name.startswith(":")}


@given(field_lists, field_lists)
def test_a_mutation_makes_of_what_envoy_holds_what_it_is_to_hold(
    before: list[Field], after: list[Field]
) -> None:
    """But for pseudo-headers, of which none is ever removed."""
    change = ext_proc.HeaderMutation.FromString(mutation(Headers(before), after))
    after_names = {name for name, _ in after}
    kept = [(name, value) for name, value in before if name.startswith(":") and name not in after_names]
    assert changed(Headers(before), change) == sorted([*kept, *after], key=itemgetter(0))
    assert not any(name.startswith(":") for name in change.remove_headers)


def test_what_stands_there_already_is_not_set_again() -> None:
    before = Headers([("x-a", b"1"), ("x-b", b"1"), ("x-b", b"2"), ("x-c", b"1"), ("content-length", b"1")])
    after = [("x-a", b"1"), ("x-b", b"1"), ("x-c", b"2"), ("content-length", b"1")]
    change = ext_proc.HeaderMutation.FromString(mutation(before, after))
    assert [option.header.key for option in change.set_headers] == ["x-b", "x-c", "content-length"]
    assert list(change.remove_headers) == []


def test_what_is_remembered_of_names_and_lengths_is_forgotten_and_found_anew() -> None:
    """More of them than there is room for, twice, and names and values that are too long for it."""
    fields = [(f"x-{n}", b"1") for n in range(600)] + [("x-" + "a" * n, bytes(9)) for n in (60, 70, 20_000)]
    lengths = [[("x-a", bytes(n))] for n in (*range(600), 16_383, 16_384)]
    for after in [fields, *lengths, fields, *lengths]:
        change = ext_proc.HeaderMutation.FromString(mutation(Headers(), after))
        assert change == mutation_of(after)
        change = ext_proc.HeaderMutation.FromString(mutation(Headers(after), ()))
        assert sorted(change.remove_headers) == sorted(name for name, _ in after)


REQUEST = Request("PUT", "https", "shop.example.com", "/orders?q=1", Headers([("x-a", b"1")]), b"one pen")
OUTER = Headers([(":method", b"POST"), (":scheme", b"https"), (":path", b"/_link"), ("x-b", b"1")])


@given(st.booleans(), metadata)
def test_the_inner_request_takes_the_outer_ones_place(streamed: bool, metadata: dict[str, str]) -> None:
    found = written(Forward(REQUEST, OUTER, metadata, streamed))
    expected = ProcessingResponse()
    phase = expected.request_headers if streamed else expected.request_body
    common = phase.response
    common.clear_route_cache = True
    set_fields = [
        (":method", b"PUT"),
        (":authority", b"shop.example.com"),
        (":path", b"/orders?q=1"),
        ("x-a", b"1"),
    ]
    common.header_mutation.CopyFrom(mutation_of(set_fields, remove=["x-b"]))
    if not streamed:
        common.body_mutation.body = b"one pen"
    assert found == noting(expected, metadata)


@given(st.booleans(), metadata)
def test_a_response_takes_the_upstreams_place(alone: bool, metadata: dict[str, str]) -> None:
    upstream = Headers([(":status", b"404"), ("x-secret", b"1")])
    found = written(
        Respond(Response(200, Headers([("vary", b"origin")]), b"sealed"), upstream, alone, metadata)
    )
    expected = ProcessingResponse()
    common = expected.response_headers.response
    common.header_mutation.CopyFrom(
        mutation_of([(":status", b"200"), ("vary", b"origin")], remove=["x-secret"])
    )
    if alone:
        common.status = ext_proc.CommonResponse.CONTINUE_AND_REPLACE
        common.body_mutation.body = b"sealed"
    assert found == noting(expected, metadata)


@given(st.sampled_from([204, 400, 503]), metadata)
def test_an_answer_of_our_own(status: int, metadata: dict[str, str]) -> None:
    response = Response(
        status, Headers([("vary", b"origin"), ("set-cookie", b"a"), ("set-cookie", b"b")]), b"{}"
    )
    expected = ProcessingResponse()
    immediate = expected.immediate_response
    immediate.status.code, immediate.body = status, b"{}"
    immediate.headers.CopyFrom(mutation_of([("vary", b"origin"), ("set-cookie", b"a"), ("set-cookie", b"b")]))
    immediate.details = "extproc." + metadata.get("outcome", "answered")
    assert written(Answer(response, metadata)) == noting(expected, metadata)


def test_what_never_changes() -> None:
    trailers = Headers([("x-a", b"1"), ("x-a", b"2")])
    no_trailers = ext_proc.TrailersResponse(header_mutation=ext_proc.HeaderMutation(remove_headers=["x-a"]))
    assert written(AwaitBody()) == ProcessingResponse(request_headers=ext_proc.HeadersResponse())
    assert written(DropRequestTrailers(trailers)) == ProcessingResponse(request_trailers=no_trailers)
    assert written(DropResponseTrailers(trailers)) == ProcessingResponse(response_trailers=no_trailers)
    with pytest.raises(KeyError):
        envoy_api.reply(Log("refused", "why"))  # that is the shell's


def mutation_of(fields: Iterable[Field], remove: Iterable[str] = ()) -> ext_proc.HeaderMutation:
    """The first of a name overwrites, the rest join it."""
    found, seen = ext_proc.HeaderMutation(remove_headers=remove), set[str]()
    for name, value in fields:
        option = found.set_headers.add()
        option.header.key, option.header.raw_value = name, value
        option.append.value = name in seen
        seen.add(name)
    return found
