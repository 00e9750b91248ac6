"""Whatever Envoy and the client send, in whatever order.

Invariants: an exchange gives one answer at most and asks for nothing after it; nothing is forwarded that did
not open or was not FRESH; the plaintext of an answer is never outside the seal; only ProtocolError is raised,
and while an answer is owed the exchange says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from extproc.exchange.actions import Action, Answer, CheckReplay, Forward, Log, Respond
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
from extproc.exchange.exchange import Exchange
from extproc.exchange.machine import ProtocolError
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict
from extproc.message import Headers
from tests.exchange.link import NOW_MS, PEER, Client, gateway, inner, outer, random, response, sealed_headers

SECRET = b"what only the client may read"
GOOD, _ = Client().seal(inner(method="POST", body=b"order"))
STALE, _ = Client().seal(inner(sent_at_ms=1))
SMUGGLED, _ = Client().seal(inner(path="//evil", headers=[pb.Header(name="host", value=b"x")]))

headers = st.sampled_from(
    [
        sealed_headers(),
        sealed_headers(origin="null"),
        outer("OPTIONS"),
        outer("GET", "/_link/keys"),
        outer("GET", "/elsewhere"),
    ]
)
bodies = st.sampled_from([GOOD, GOOD, STALE, SMUGGLED, GOOD[:-1], b"", b"\xff" * 99])
trailers = st.sampled_from([Headers(), Headers([("x-secret", SECRET)])])
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(RequestHeaders, headers, st.just(PEER), st.booleans()),
    st.builds(RequestBody, bodies, st.booleans()),
    st.builds(RequestTrailers, trailers),
    st.builds(ReplayChecked, st.sampled_from(Verdict)),
    st.sampled_from([200, 204, 413, 503]).flatmap(
        lambda status: st.builds(
            response, st.just(status), st.just(("x-secret", SECRET)), end_of_stream=st.booleans()
        )
    ),
    st.builds(ResponseBody, st.sampled_from([b"", SECRET, SECRET * 200]), st.booleans()),
    st.builds(ResponseTrailers, trailers),
)
# Mostly as Envoy sends them, so that the far states are reached.
usual: st.SearchStrategy[list[Event]] = st.tuples(
    st.just(RequestHeaders(sealed_headers(), PEER, end_of_stream=False)),
    st.builds(RequestBody, bodies, st.just(True)),
    st.builds(ReplayChecked, st.sampled_from(Verdict)),
    st.builds(response, st.just(200), st.just(("x-secret", SECRET)), end_of_stream=st.booleans()),
    st.builds(ResponseBody, st.just(SECRET), st.booleans()),
    st.builds(ResponseTrailers, trailers),
).map(list)
strange = st.lists(events, max_size=10)
courses = st.one_of(strange, usual, st.builds(lambda begin, end: begin[:3] + end, usual, strange))


@dataclass
class Run:
    """What an exchange did with a course of events, up to the first that had no place."""

    exchange: Exchange = field(default_factory=lambda: Exchange(gateway(), random))
    given: list[Event] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def feed(self, course: list[Event]) -> None:
        for event in course:
            try:
                done = self.exchange.receive(event, NOW_MS)
            except ProtocolError:
                return
            self.given.append(event)
            self.actions += [action for action in done if not isinstance(action, Log)]


@given(courses)
def test_one_answer_and_nothing_after_it(course: list[Event]) -> None:
    run = Run()
    run.feed(course)
    ends = [n for n, action in enumerate(run.actions) if isinstance(action, Answer | Respond)]
    assert ends in ([], [len(run.actions) - 1])
    began = bool(run.given)
    assert run.exchange.is_open() is (began and not ends)


@given(courses)
def test_nothing_is_forwarded_that_did_not_open_fresh(course: list[Event]) -> None:
    run = Run()
    run.feed(course)
    for number, action in enumerate(run.actions):
        if isinstance(action, Forward):
            assert RequestBody(GOOD, True) in run.given or RequestBody(GOOD, False) in run.given
            assert ReplayChecked(Verdict.FRESH) in run.given
            assert isinstance(run.actions[number - 1], CheckReplay)
            assert action.request.headers.get("x-link-opened") == b"1"


@given(courses)
def test_nothing_of_the_answer_is_outside_the_seal(course: list[Event]) -> None:
    run = Run()
    run.feed(course)
    for action in run.actions:
        if isinstance(action, Answer | Respond):
            outside = [action.response.body, *(value for _, value in action.response.headers)]
            assert not any(SECRET in value for value in outside)
            assert "x-secret" not in action.response.headers
        if isinstance(action, Respond):
            came = next(event for event in run.given if isinstance(event, ResponseHeaders))
            assert {name for name, _ in came.headers if not name.startswith(":")} <= set(action.remove)
