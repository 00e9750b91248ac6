"""An exchange: its two halves and the context that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from extproc.exchange.actions import Action
from extproc.exchange.context import Context, Random
from extproc.exchange.events import Event, ResponseBody, ResponseHeaders, ResponseTrailers
from extproc.exchange.gateway import Gateway
from extproc.exchange.request import RequestHalf, RequestState
from extproc.exchange.response import ResponseHalf, ResponseState

_OF_RESPONSE: Final = frozenset({ResponseHeaders, ResponseBody, ResponseTrailers})
_ANSWERED: Final = frozenset({RequestState.ANSWERED, ResponseState.ANSWERED})


class Exchange:
    """One HTTP exchange through the link.

    `is_open`: an answer is owed; until it is given an OK end would have Envoy go on unprocessed. `is_stream`:
    it is open, and one of its halves is streamed.
    """

    def __init__(self, gateway: Gateway, random: Random, has_room: Callable[[], bool]) -> None:
        self._context = Context(gateway, random, has_room)
        self._request = RequestHalf(self._context)
        self._response = ResponseHalf(self._context)
        self._is_answered = False
        self.is_open = False
        self.is_stream = False

    def receive(self, event: Event, now_ms: int) -> list[Action]:
        """The actions that an event leads to; `now_ms`: Unix time. Raises ProtocolError."""
        if self._is_answered:
            return []  # Envoy sent it before it read the answer
        half: RequestHalf | ResponseHalf = self._request
        if type(event) in _OF_RESPONSE:
            if type(event) is ResponseHeaders:
                half.receive(event, now_ms)
            half = self._response
        actions = half.receive(event, now_ms)
        self._is_answered = half.state in _ANSWERED
        self.is_open = not self._is_answered
        self.is_stream = self.is_open and self._context.is_streamed
        return actions

    @property
    def request_id(self) -> str | None:
        """What Envoy calls the outer request."""
        return self._context.outer.text("x-request-id")
