"""One ext_proc stream: Envoy's messages in, replies out. Transports carry them and decide nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import structlog
from structlog.typing import FilteringBoundLogger

from extproc import envoy_api
from extproc.envoy_api import ProcessingRequest, ProcessingResponse
from extproc.errors import ExtprocError
from extproc.exchange.actions import Action, CheckReplay, CheckStore, Log
from extproc.exchange.events import Event, ReplayChecked, RequestHeaders, StoreChecked
from extproc.exchange.exchange import Exchange
from extproc.exchange.gateway import Gateway
from extproc.exchange.machine import ProtocolError
from extproc.link.replay import ReplayStore, ask, is_settled


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class StreamError(ExtprocError):
    """Ends the stream with an error status, never with OK: after an OK Envoy goes on unprocessed."""


class Service:
    """What all streams of a worker share."""

    def __init__(
        self,
        gateway: Gateway,
        store: ReplayStore,
        now_ms: Callable[[], int] = _now_ms,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        self.gateway = gateway
        self.store = store
        self.now_ms = now_ms
        self.log: FilteringBoundLogger = log or structlog.get_logger()
        self.open_exchanges = 0

    def stream(self) -> Stream:
        """A new stream, for one exchange."""
        return Stream(self)


class Stream:
    """Carries one exchange. `receive` for each message, then `close`, once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._exchange = Exchange(service.gateway, os.urandom)
        self._request_id: str | None = None
        self._counted = False

    def receive(self, message: ProcessingRequest) -> list[ProcessingResponse]:
        """The replies to one message. Raises StreamError when Envoy breaks the protocol."""
        try:
            actions = self._actions(envoy_api.event(message))
        except ProtocolError as error:
            raise StreamError(str(error)) from error
        finally:
            self._count(self._exchange.is_open())
        return [reply for action in actions for reply in envoy_api.replies(action)]

    def close(self) -> None:
        """Envoy has sent all that it will. Raises StreamError when it is still owed an answer."""
        self._count(False)
        if self._exchange.is_open():
            raise StreamError("the stream ended before the exchange did")

    def abandon(self) -> None:
        """The stream was cancelled: nobody waits for an answer."""
        self._count(False)

    def _actions(self, event: Event) -> list[Action]:
        service, actions = self._service, []
        if isinstance(event, RequestHeaders):
            self._request_id = event.headers.text("x-request-id")
        for action in self._exchange.receive(event, service.now_ms()):
            match action:
                case CheckReplay(exchange_id, sent_at_ms, key_created_at):
                    now_ms = service.now_ms()
                    verdict = ask(service.store, exchange_id, sent_at_ms, key_created_at, now_ms)
                    actions += self._actions(ReplayChecked(verdict))
                case CheckStore():
                    actions += self._actions(StoreChecked(self._can_tell(service.now_ms())))
                case Log(name, detail):
                    service.log.info(name, detail=detail, request_id=self._request_id)
                case _:
                    actions.append(action)
        return actions

    def _can_tell(self, now_ms: int) -> bool:
        """Whether the store would judge a request that is sealed now, to whichever key."""
        store, keyring = self._service.store, self._service.gateway.keyring
        settled = is_settled(now_ms, store.created_at_ms, keyring.newest_created_at())
        return settled and store.can_tell(now_ms)

    def _count(self, is_open: bool) -> None:
        self._service.open_exchanges += is_open - self._counted
        self._counted = is_open
