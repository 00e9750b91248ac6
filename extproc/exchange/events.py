"""What can happen to an exchange. Header events carry the pseudo-headers too, as Envoy names them."""

from __future__ import annotations

from dataclasses import field

from extproc.link.replay import Verdict
from extproc.message import Buffer, Headers, value


@value
class RequestHeaders:
    headers: Headers
    peer: str  # the client's IP address as Envoy decided it, without port
    end_of_stream: bool


@value
class RequestBody:
    """A body that Envoy has buffered whole, or, of a stream, some of it. At its end either `end_of_stream`
    is set, or trailers follow."""

    data: Buffer = field(repr=False)
    end_of_stream: bool


@value
class RequestTrailers:
    trailers: Headers


@value
class ReplayChecked:
    """The answer to CheckReplay."""

    verdict: Verdict


@value
class StoreChecked:
    """The answer to CheckStore: whether the replay store would judge a request of now."""

    can_tell: bool


@value
class ResponseHeaders:
    headers: Headers
    end_of_stream: bool


@value
class ResponseBody:
    """Some of the body, as it came."""

    data: Buffer = field(repr=False)
    end_of_stream: bool


@value
class ResponseTrailers:
    trailers: Headers


RequestEvent = RequestHeaders | RequestBody | RequestTrailers | ReplayChecked | StoreChecked
ResponseEvent = ResponseHeaders | ResponseBody | ResponseTrailers
Event = RequestEvent | ResponseEvent
