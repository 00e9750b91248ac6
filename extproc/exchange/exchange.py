"""An exchange: its two halves and the context that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from extproc.errors import LinkError
from extproc.exchange.actions import Action
from extproc.exchange.context import Context, Random
from extproc.exchange.events import Event, ResponseBody, ResponseHeaders, ResponseTrailers
from extproc.exchange.gateway import Gateway
from extproc.exchange.machine import Half, ProtocolError, States
from extproc.exchange.request import RequestHalf
from extproc.exchange.response import ResponseHalf

# Places in Exchange._halves. The head of a response may overtake the request: both hear of it.
_REQUEST: Final = (0,)
_HEARD_BY: Final[Mapping[type[Event], tuple[int, ...]]] = {
    ResponseHeaders: (0, 1),
    ResponseBody: (1,),
    ResponseTrailers: (1,),
}


class Load(NamedTuple):
    """What one exchange adds to those that are open, and to those that are streamed."""

    exchanges: int
    streams: int


NOTHING: Final = Load(0, 0)
_WHOLE: Final = Load(1, 0)
_STREAMED: Final = Load(1, 1)


class Exchange:
    """One HTTP exchange through the link.

    `is_open`: an answer is owed; until it is given an OK end would have Envoy go on unprocessed. `is_stream`:
    it is open, and one of its halves is streamed. `load` says both, and is the same object while it stays so.
    """

    def __init__(self, gateway: Gateway, random: Random, has_room: Callable[[], bool]) -> None:
        self._context = context = Context(gateway, random, has_room)
        self._halves: tuple[Half, ...] = RequestHalf(context), ResponseHalf(context)
        self._is_answered = False
        self.load = NOTHING

    def receive(self, event: Event, now_ms: int) -> list[Action]:
        """The actions that an event leads to; `now_ms`: Unix time. Raises ProtocolError.

        A LinkError on the way becomes the answer, and ends the half.
        """
        actions: list[Action] = []
        if self._is_answered:
            return actions  # Envoy sent it before it read the answer
        kind = type(event)
        for place in _HEARD_BY.get(kind, _REQUEST):
            half = self._halves[place]
            transition = half.table.get((half.state, kind))
            if transition is None:
                raise ProtocolError(f"{kind.__name__} while {half.state.name}")
            try:
                state, actions = transition.handle(half, event, now_ms)
            except LinkError as error:
                state, actions = half.refuse(error, now_ms)
            if state not in transition.leads_to:
                raise AssertionError(f"{half.state.name} must not lead to {state.name}")
            half.state = state
        self.load = _STREAMED if self._context.is_streamed else _WHOLE
        if state is States.ANSWERED:
            self._is_answered, self.load = True, NOTHING
        return actions

    @property
    def is_open(self) -> bool:
        return self.load.exchanges > 0

    @property
    def is_stream(self) -> bool:
        return self.load.streams > 0

    @property
    def request_id(self) -> str | None:
        """What Envoy calls the outer request."""
        return self._context.outer.text("x-request-id")
