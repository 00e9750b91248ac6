"""The replies of an external processor, as tests write them down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from envoy.config.core.v3.base_pb2 import HeaderValue, HeaderValueOption
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingResponse as Reply

INNER: Final = MappingProxyType(
    {
        ":method": "POST",
        ":scheme": "https",
        ":authority": "shop.example.com",
        ":path": "/inner",
        "x-link-opened": "1",
    }
)


def mutation(fields: Iterable[tuple[str, str]], remove: Iterable[str] = ()) -> Any:
    """Header changes as the project makes them: the second value of a name joins the first."""
    options, seen = [], set()
    for name, value in fields:
        option = HeaderValueOption(header=HeaderValue(key=name, raw_value=value.encode()))
        option.append.value = name in seen
        seen.add(name)
        options.append(option)
    return ext_proc.HeaderMutation(set_headers=options, remove_headers=remove)


def passing(phase: str, part: Any = None) -> list[Reply]:
    """What changes nothing. `part`: the response body that was sent, where the phase is that."""
    if phase == "response_body":
        return [piece(part.body, end=part.end_of_stream)]
    if phase == "request_body":
        return [Reply(request_body=ext_proc.BodyResponse())]
    if phase.endswith("trailers"):
        return [Reply(**{phase: ext_proc.TrailersResponse()})]
    return [Reply(**{phase: ext_proc.HeadersResponse()})]


def opened(
    body: bytes = b"",
    fields: Mapping[str, str] = MappingProxyType({}),
    remove: Iterable[str] = ("content-type",),
) -> Reply:
    """The reply to the request's body that puts an inner request in its place. `fields` replace its own."""
    common = _opened({"content-length": str(len(body)), **fields}, remove)
    common.body_mutation.body = body
    return Reply(request_body=ext_proc.BodyResponse(response=common))


def opened_stream(
    fields: Mapping[str, str] = MappingProxyType({}), remove: Iterable[str] = ("content-type",)
) -> Reply:
    """The same in FULL_DUPLEX_STREAMED, where it is the reply to the request's headers."""
    return Reply(request_headers=ext_proc.HeadersResponse(response=_opened(fields, remove)))


def _opened(fields: Mapping[str, str], remove: Iterable[str]) -> Any:
    line = {**INNER, **fields}
    change = mutation(((name, value) for name, value in line.items() if value), remove)
    return ext_proc.CommonResponse(header_mutation=change, clear_route_cache=True)


def changed(phase: str, change: Any) -> Reply:
    """The reply to headers or trailers that makes a `mutation`."""
    if phase.endswith("trailers"):
        return Reply(**{phase: ext_proc.TrailersResponse(header_mutation=change)})
    return Reply(
        **{phase: ext_proc.HeadersResponse(response=ext_proc.CommonResponse(header_mutation=change))}
    )


def piece(data: bytes, *, end: bool, phase: str = "response_body", **metadata: str) -> Reply:
    """A body reply in FULL_DUPLEX_STREAMED, with metadata of the link."""
    streamed = ext_proc.StreamedBodyResponse(body=data, end_of_stream=end)
    common = ext_proc.CommonResponse(body_mutation=ext_proc.BodyMutation(streamed_response=streamed))
    return _noting(Reply(**{phase: ext_proc.BodyResponse(response=common)}), metadata)


def immediate(status: int, body: bytes = b"", **metadata: str) -> Reply:
    """The reply that ends the exchange, with metadata of the link."""
    reply = Reply(immediate_response=ext_proc.ImmediateResponse(body=body))
    reply.immediate_response.status.code = status
    return _noting(reply, metadata)


def _noting(reply: Reply, metadata: dict[str, str]) -> Reply:
    if metadata:
        reply.dynamic_metadata.update({"extproc.link": metadata})
    return reply
