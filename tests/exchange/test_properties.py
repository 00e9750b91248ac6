"""Whatever Envoy and the client send, in whatever order.

Invariants: an exchange gives one answer at most, whole or streamed, and asks for nothing after it; nothing is
forwarded that did not open or was not FRESH, and no end of what did not end well; the plaintext of an answer
is never outside the seal; only ProtocolError is raised, and while an answer is owed the exchange says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from extproc.exchange.actions import (
    Action,
    Answer,
    CheckReplay,
    DropResponseTrailers,
    Forward,
    ForwardBody,
    Log,
    Reset,
    Respond,
    RespondBody,
)
from extproc.exchange.events import (
    Event,
    ReplayChecked,
    RequestBody,
    ResponseBody,
    ResponseHeaders,
    ResponseTrailers,
)
from extproc.exchange.exchange import Exchange
from extproc.exchange.machine import ProtocolError
from extproc.link.envelope import MEDIA_STREAM, MEDIA_WHOLE, ResponseOpener
from extproc.link.replay import Verdict
from extproc.message import Headers
from tests.exchange.courses import (
    GOOD,
    OPENERS,
    PATIENT,
    SECRET,
    Course,
    intact_uploads,
    rooms,
    streamed_courses,
    verdicts,
    whole_courses,
)
from tests.exchange.link import NOW_MS, exchange


@dataclass
class Run:
    """What an exchange did with a course of events, up to the first that had no place."""

    exchange: Exchange
    opener: ResponseOpener | None
    given: list[Event] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)

    def feed(self, course: list[Event], verdict: Verdict | None = None) -> None:
        """`verdict`: what the store says, as soon as it is asked; None: `course` says it."""
        for event in course:
            try:
                done = self.exchange.receive(event, NOW_MS)
                if verdict is not None and any(isinstance(action, CheckReplay) for action in done):
                    done += self.exchange.receive(ReplayChecked(verdict), NOW_MS)
            except ProtocolError:
                return
            if done or self.exchange.is_open:  # else it came after the answer
                self.given.append(event)
            self.actions += [action for action in done if not isinstance(action, Log)]

    @property
    def has_ended(self) -> bool:
        return any(map(ends, self.actions))

    @property
    def forwarded(self) -> bytes:
        """What the upstream has got of a streamed request."""
        return b"".join(action.data for action in self.actions if isinstance(action, ForwardBody))

    @property
    def has_forwarded_all(self) -> bool:
        """Whether the upstream has seen the end of a streamed request."""
        return any(isinstance(action, ForwardBody) and action.end_of_stream for action in self.actions)

    @property
    def head(self) -> Headers:
        """The outer headers of the answer."""
        answers = [action.response for action in self.actions if isinstance(action, Answer | Respond)]
        return answers[0].headers if answers else Headers()

    @property
    def answer_body(self) -> bytes:
        """The outer body of the answer, as far as it has left."""
        heads = [action.response.body for action in self.actions if isinstance(action, Answer | Respond)]
        return b"".join(
            [*heads, *(action.data for action in self.actions if isinstance(action, RespondBody))]
        )


def ends(action: Action) -> bool:
    """Whether an exchange is over when this has been done."""
    match action:
        case Respond(alone=alone):
            return alone
        case RespondBody(end_of_stream=end):
            return end
    return isinstance(action, Answer | DropResponseTrailers | Reset)


def whole(course: list[Event], room: bool) -> Run:
    body = next((event.data for event in course if isinstance(event, RequestBody)), b"")
    run = Run(exchange(room=room), OPENERS.get(bytes(body)))
    run.feed(course)
    return run


def streamed(course: Course, verdict: Verdict, room: bool) -> Run:
    run = Run(exchange(room=room), course.sealed.opener)
    run.feed(course.events, verdict)
    return run


def runs_with(room: st.SearchStrategy[bool]) -> st.SearchStrategy[Run]:
    return st.one_of(
        st.builds(whole, whole_courses, room), st.builds(streamed, streamed_courses(), verdicts, room)
    )


runs = runs_with(rooms)


@given(runs)
def test_one_answer_and_nothing_after_it(run: Run) -> None:
    assert [action for action in run.actions if ends(action)] == run.actions[-1:] * run.has_ended
    assert sum(isinstance(action, Answer | Respond) for action in run.actions) <= 1
    assert run.exchange.is_open is (bool(run.given) and not run.has_ended)
    assert run.exchange.is_open or not run.exchange.is_stream


@given(runs)
def test_a_body_follows_its_head(run: Run) -> None:
    """Or Envoy ends the exchange; and it takes no body of an answer before it has sent some."""
    heads = {ForwardBody: Forward, RespondBody: Respond, Reset: Respond}
    for number, action in enumerate(run.actions):
        if head := heads.get(type(action)):
            assert any(isinstance(before, head) for before in run.actions[:number])
    if any(isinstance(action, RespondBody) for action in run.actions):
        assert any(isinstance(event, ResponseBody) for event in run.given)


@given(st.builds(whole, whole_courses, rooms))
def test_nothing_is_forwarded_that_did_not_open_fresh(run: Run) -> None:
    for before, action in pairwise(run.actions):
        if isinstance(action, Forward):
            came = [event.data for event in run.given if isinstance(event, RequestBody)]
            assert came[0] in {GOOD, PATIENT}
            assert ReplayChecked(Verdict.FRESH) in run.given
            assert isinstance(before, CheckReplay)
            assert action.request.headers.get("x-link-opened") == b"1"


@given(streamed_courses(), verdicts, rooms)
def test_what_is_forwarded_is_what_was_sealed(course: Course, verdict: Verdict, room: bool) -> None:
    run = streamed(course, verdict, room)
    assert course.sealed.plaintext.startswith(run.forwarded)
    assert (verdict is Verdict.FRESH and room) or not any(isinstance(done, Forward) for done in run.actions)
    if run.has_forwarded_all:
        assert course.is_intact
        assert course.sealed.keeps_length
        assert run.forwarded == course.sealed.plaintext


@given(intact_uploads())
def test_what_is_intact_is_forwarded_wherever_it_is_split(course: Course) -> None:
    run = streamed(course, Verdict.FRESH, room=True)
    last = course.events[-1]
    ended_well = isinstance(last, RequestBody) and last.end_of_stream and course.sealed.keeps_length
    assert run.has_forwarded_all is ended_well
    if course.sealed.keeps_length:
        # Without its end the last byte waits, if the upstream has been told how many there are.
        assert run.forwarded in {course.sealed.plaintext, course.sealed.plaintext[:-1]}
        assert run.forwarded == course.sealed.plaintext or not ended_well


@given(runs)
def test_the_client_reads_what_the_upstream_sent(run: Run) -> None:
    sent = b"".join(event.data for event in run.given if isinstance(event, ResponseBody))
    media_type = run.head.get("content-type")
    if media_type == MEDIA_STREAM.encode():
        assert run.opener is not None
        assert run.opener is not OPENERS[PATIENT]
        assert run.exchange.is_stream or run.has_ended
        reader = run.opener.stream()
        read = b"".join(chunk.data for chunk in reader.receive(run.answer_body))
        assert sent.startswith(read)
        assert reader.is_complete is (run.has_ended and not isinstance(run.actions[-1], Reset))
        assert read == sent or run.has_ended
    elif media_type == MEDIA_WHOLE.encode():
        assert run.opener is not None
        answer = run.opener.open(run.answer_body)
        assert answer.fault or sent.startswith(answer.body)


@given(runs_with(st.just(False)))
def test_without_room_nothing_is_a_stream(run: Run) -> None:
    assert not run.exchange.is_stream
    assert run.head.get("content-type") != MEDIA_STREAM.encode()
    assert not any(isinstance(action, Forward) and action.streamed for action in run.actions)


@given(runs)
def test_nothing_of_the_answer_is_outside_the_seal(run: Run) -> None:
    assert SECRET not in run.answer_body
    for action in run.actions:
        if isinstance(action, Answer | Respond):
            assert not any(SECRET in value for _, value in action.response.headers)
            assert "x-secret" not in action.response.headers
        if isinstance(action, Reset):
            assert SECRET.decode() not in action.reason
        if isinstance(action, Respond):
            came = next(event for event in run.given if isinstance(event, ResponseHeaders))
            assert action.before == came.headers
        if isinstance(action, DropResponseTrailers):
            trailers = run.given[-1]
            assert isinstance(trailers, ResponseTrailers)
            assert action.trailers == trailers.trailers
