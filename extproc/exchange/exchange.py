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


class Exchange:
    """One HTTP exchange through the link."""

    def __init__(self, gateway: Gateway, random: Random, has_room: Callable[[], bool]) -> None:
        self._context = Context(gateway, random, has_room)
        self._request = RequestHalf(self._context)
        self._response = ResponseHalf(self._context)
        self._is_answered = False

    def receive(self, event: Event, now_ms: int) -> list[Action]:
        """The actions that an event leads to; `now_ms`: Unix time. Raises ProtocolError."""
        if self._is_answered:
            return []  # Envoy sent it before it read the answer
        if type(event) not in _OF_RESPONSE:
            actions = self._request.receive(event, now_ms)
            self._is_answered = self._request.state is RequestState.ANSWERED
            return actions
        if type(event) is ResponseHeaders:
            self._request.receive(event, now_ms)
        actions = self._response.receive(event, now_ms)
        self._is_answered = self._response.state is ResponseState.ANSWERED
        return actions

    @property
    def request_id(self) -> str | None:
        """What Envoy calls the outer request."""
        return self._context.outer.text("x-request-id")

    def is_open(self) -> bool:
        """Whether an answer is owed. Until it is given an OK end would have Envoy go on unprocessed."""
        return self._request.state is not RequestState.START and not self._is_answered

    def is_stream(self) -> bool:
        """Whether it is open, and one of its halves is streamed."""
        return self._context.is_streamed and self.is_open()
