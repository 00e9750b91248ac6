"""An exchange: its two halves and the context that they share."""

from __future__ import annotations

from extproc.exchange.actions import Action
from extproc.exchange.context import Context, Random
from extproc.exchange.events import Event, ResponseBody, ResponseHeaders, ResponseTrailers
from extproc.exchange.gateway import Gateway
from extproc.exchange.machine import ProtocolError
from extproc.exchange.request import RequestHalf, RequestState
from extproc.exchange.response import ResponseHalf


class Exchange:
    """One HTTP exchange through the link."""

    def __init__(self, gateway: Gateway, random: Random) -> None:
        self._context = Context(gateway, random)
        self._request = RequestHalf(self._context)
        self._response = ResponseHalf(self._context)

    def receive(self, event: Event, now_ms: int) -> list[Action]:
        """The actions that an event leads to; `now_ms`: Unix time. Raises ProtocolError."""
        if isinstance(event, ResponseHeaders | ResponseBody | ResponseTrailers):
            if self._request.state is RequestState.START:
                raise ProtocolError(f"{type(event).__name__} before the request")
            return self._response.receive(event, now_ms)
        return self._request.receive(event, now_ms)

    def is_open(self) -> bool:
        """Whether an answer is owed. Until it is given an OK end would have Envoy go on unprocessed."""
        return self._request.state is not RequestState.START and not self._context.answered
