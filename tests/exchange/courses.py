"""What may come in the course of an exchange: mostly what Envoy and clients send, at times what they don't.

Most courses go well for a while, so that the far states are reached.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import strategies as st

from extproc.exchange.events import (
    Event,
    ReplayChecked,
    RequestBody,
    RequestHeaders,
    RequestTrailers,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
)
from extproc.link.envelope import ResponseOpener
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
from extproc.message import Headers
from tests.exchange.link import (
    PEER,
    Client,
    inner,
    outer,
    posted,
    response,
    sealed_headers,
    sized,
    stream_headers,
)

SECRET = b"what only the client may read"
ENVELOPES = {
    name: Client().seal(request)
    for name, request in {
        "good": posted(body=b"order"),
        "patient": posted(accept_stream=False),  # its answer is collected
        "stale": inner(sent_at_ms=1),
        "smuggled": inner(path="//evil", headers=[pb.Header(name="host", value=b"x")]),
    }.items()
}
GOOD, PATIENT, STALE, SMUGGLED = (body for body, _ in ENVELOPES.values())
OPENERS = dict(ENVELOPES.values())


@dataclass(frozen=True)
class Sealed:
    """A streamed request as its client has sealed it."""

    plaintext: bytes
    head: bytes = field(repr=False)
    segments: bytes = field(repr=False)  # those after the head
    opener: ResponseOpener = field(repr=False)
    keeps_length: bool = True  # its content-length, if it has one

    @property
    def body(self) -> bytes:
        return self.head + self.segments


@dataclass(frozen=True)
class Course:
    """Events, and the streamed request that they are meant to be."""

    sealed: Sealed
    is_intact: bool
    events: list[Event]


envelopes = st.sampled_from([GOOD, GOOD, PATIENT, STALE, SMUGGLED, GOOD[:-1], b"", b"\xff" * 99])
trailers = st.sampled_from([Headers(), Headers([("x-secret", SECRET)])])
door = st.sampled_from(
    [
        sealed_headers(),
        stream_headers(),
        sealed_headers(origin="null"),
        outer("OPTIONS"),
        outer("GET", "/_link/keys"),
        outer("GET", "/elsewhere"),
    ]
)
lengths = st.sampled_from([[], [("content-length", b"9")], [("content-length", b"4000")]])
types = st.sampled_from([[], [("content-type", b"text/event-stream")]])
response_heads: st.SearchStrategy[ResponseHeaders] = st.builds(
    lambda status, length, kind, alone: response(
        status, ("x-secret", SECRET), *length, *kind, end_of_stream=alone
    ),
    st.sampled_from([200, 204, 413, 503]),
    lengths,
    types,
    st.sampled_from([False, False, True]),
)
response_bodies = st.builds(ResponseBody, st.sampled_from([b"", SECRET, SECRET * 200]), st.booleans())
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(RequestHeaders, door, st.just(PEER), st.booleans()),
    st.builds(RequestBody, envelopes, st.booleans()),
    st.builds(RequestTrailers, trailers),
    st.builds(ReplayChecked, st.sampled_from(Verdict)),
    response_heads,
    response_bodies,
    st.builds(ResponseTrailers, trailers),
)
strange = st.lists(events, max_size=10)

verdicts = st.sampled_from([*[Verdict.FRESH] * 8, Verdict.SEEN, Verdict.UNAVAILABLE])
rooms = st.sampled_from([*[True] * 5, False])
usual: st.SearchStrategy[list[Event]] = st.tuples(
    st.just(RequestHeaders(sealed_headers(), PEER, end_of_stream=False)),
    st.builds(RequestBody, envelopes, st.just(True)),
    st.builds(ReplayChecked, verdicts),
).map(list)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """The upstream's answer, up to where it may break off."""
    head = draw(response_heads)
    if head.end_of_stream:
        return [head]
    bodies = draw(st.lists(st.sampled_from([b"", SECRET, SECRET * 200]), max_size=4))
    course: list[Event] = [head, *(ResponseBody(body, end_of_stream=False) for body in bodies)]
    ending = draw(st.sampled_from(["body", "trailers", "none"]))
    if ending == "body":
        course.append(ResponseBody(b"", end_of_stream=True))
    elif ending == "trailers":
        course.append(ResponseTrailers(draw(trailers)))
    return course


whole_courses = st.one_of(
    strange, st.builds(lambda begin, end: begin + end, usual, st.one_of(answers(), strange))
)


@st.composite
def sealed_streams(draw: st.DrawFn) -> Sealed:
    pieces = draw(st.lists(st.binary(max_size=40), max_size=4))
    plaintext = b"".join(pieces)
    missing = draw(st.sampled_from([None, None, 0, 0, 0, 1, -1]))
    request = posted() if missing is None else sized(max(0, len(plaintext) + missing))
    head, writer, opener = Client().stream(request)
    last = pieces.pop() if draw(st.booleans()) and pieces else b""
    segments = b"".join([*map(writer.write, pieces), writer.finish(last)])
    return Sealed(plaintext, head, segments, opener, not missing or len(plaintext) + missing < 0)


@st.composite
def damaged(draw: st.DrawFn, sealed: Sealed) -> bytes:
    """What may become of a sealed stream on its way."""
    body, beyond = sealed.body, len(sealed.body) - 1
    where = draw(st.one_of(st.integers(0, beyond), st.integers(len(sealed.head), beyond)))
    flipped = body[:where] + bytes([body[where] ^ 1]) + body[where + 1 :]
    dropped = body[:where] + body[where + 1 :]
    return draw(st.sampled_from([body[:where], flipped, dropped, body + b"\x00", body + sealed.segments]))


@st.composite
def uploads(draw: st.DrawFn, sealed: Sealed, body: bytes) -> list[Event]:
    """The events of a streamed request, split anywhere; its end comes with a body, or with trailers."""
    anywhere = st.one_of(st.integers(0, len(body)), st.just(min(len(sealed.head), len(body))))
    cuts = [0, *sorted(draw(st.lists(anywhere, max_size=6))), len(body)]
    ending = draw(st.sampled_from(["body", "body", "empty body", "trailers", "none"]))
    course: list[Event] = [RequestHeaders(stream_headers(), PEER, end_of_stream=False)]
    course += [RequestBody(body[start:end], end_of_stream=False) for start, end in pairwise(cuts)]
    if ending == "body":
        course[-1] = RequestBody(body[cuts[-2] :], end_of_stream=True)
    elif ending == "empty body":
        course.append(RequestBody(b"", end_of_stream=True))
    elif ending == "trailers":
        course.append(RequestTrailers(draw(trailers)))
    return course


@st.composite
def intact_uploads(draw: st.DrawFn) -> Course:
    """A streamed request and nothing else."""
    sealed = draw(sealed_streams())
    return Course(sealed, True, draw(uploads(sealed, sealed.body)))


@st.composite
def streamed_courses(draw: st.DrawFn) -> Course:
    """A streamed request, an answer that may come at any time, and at times an event of no sense."""
    sealed = draw(sealed_streams())
    is_intact = draw(st.sampled_from([True, True, False]))
    request = draw(uploads(sealed, sealed.body if is_intact else draw(damaged(sealed))))
    answer = draw(answers()) if draw(st.integers(0, 3)) else []
    before = draw(st.one_of(st.just(len(request)), st.integers(1, len(request))))
    course, request = request[:before], request[before:]
    while request or answer:
        course.append((request if not answer or (request and draw(st.booleans())) else answer).pop(0))
    if draw(st.integers(0, 9)) == 9:
        course.insert(draw(st.integers(0, len(course))), draw(events))
    return Course(sealed, is_intact, course)
