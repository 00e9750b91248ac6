"""One ext_proc stream: Envoy's messages in, replies out. Transports carry them and decide nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

import structlog
from structlog.typing import FilteringBoundLogger

from extproc import envoy_api
from extproc.envoy_api import Reply
from extproc.errors import ExtprocError
from extproc.exchange.actions import Action, CheckReplay, CheckStore, Log, Reset
from extproc.exchange.events import ReplayChecked, StoreChecked
from extproc.exchange.exchange import NOTHING, Exchange, Load
from extproc.exchange.gateway import Gateway
from extproc.exchange.machine import ProtocolError
from extproc.link.replay import ReplayStore, ask, is_settled


class StreamError(ExtprocError):
    """Ends the stream with an error status, never with OK: after an OK Envoy goes on unprocessed."""


class StreamResetError(StreamError):
    """Cuts an exchange off on purpose: what the client or the upstream sent can't be passed on whole."""


class Service:
    """What all streams of a worker share.

    `max_streams`: exchanges at once with a streamed half. `now_ns`: Unix time in nanoseconds.
    """

    def __init__(
        self,
        gateway: Gateway,
        store: ReplayStore,
        *,
        max_streams: int = sys.maxsize,
        now_ns: Callable[[], int] = time.time_ns,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        self.gateway = gateway
        self.store = store
        self.now_ns = now_ns
        self.log: FilteringBoundLogger = log or structlog.get_logger()
        self.open_exchanges = 0
        self.open_streams = 0
        self._max_streams = max_streams

    def has_room(self) -> bool:
        """For one more streamed exchange."""
        return self.open_streams < self._max_streams

    def stream(self) -> Stream:
        """A new stream, for one exchange."""
        return Stream(self)


class Stream:
    """Carries one exchange. `receive` for each message, then `close`, once."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._exchange = Exchange(service.gateway, os.urandom, service.has_room)
        self._counted = NOTHING

    def receive(self, message: bytes) -> list[Reply]:
        """The replies to one serialized ProcessingRequest.

        Raises StreamError when Envoy breaks the protocol, or a peer does and can't be told.
        """
        exchange, now_ms = self._exchange, self._service.now_ns() // 1_000_000
        replies: list[Reply] = []
        try:
            actions = exchange.receive(envoy_api.event(message), now_ms)
            for action in actions:
                carry_out = self._here.get(type(action))
                if carry_out is None:
                    replies.append(envoy_api.reply(action))
                else:  # whose answer leads to more
                    actions += carry_out(self, action, now_ms)
        except ProtocolError as error:
            raise StreamError(str(error)) from error
        finally:
            if exchange.load is not self._counted:
                self._count(exchange.load)
        return replies

    def close(self) -> None:
        """Envoy has sent all that it will. Raises StreamError when it is still owed an answer."""
        self.abandon()
        if self._exchange.is_open:
            raise StreamError("the stream ended before the exchange did")

    def abandon(self) -> None:
        """The stream was cancelled: nobody waits for an answer."""
        if self._counted is not NOTHING:
            self._count(NOTHING)

    def _check_replay(self, action: CheckReplay, now_ms: int) -> list[Action]:
        sent_at_ms, key_created_at = action.sent_at_ms, action.key_created_at
        verdict = ask(self._service.store, action.exchange_id, sent_at_ms, key_created_at, now_ms)
        return self._exchange.receive(ReplayChecked(verdict), now_ms)

    def _check_store(self, _action: CheckStore, now_ms: int) -> list[Action]:
        """Whether the store would judge a request that is sealed now, to whichever key."""
        store, keyring = self._service.store, self._service.gateway.keyring
        settled = is_settled(now_ms, store.created_at_ms, keyring.newest_created_at())
        return self._exchange.receive(StoreChecked(settled and store.can_tell(now_ms)), now_ms)

    def _log(self, action: Log, _now_ms: int) -> list[Action]:
        self._service.log.info(action.event, detail=action.detail, request_id=self._exchange.request_id)
        return []

    def _reset(self, action: Reset, _now_ms: int) -> NoReturn:
        raise StreamResetError(action.reason)

    def _count(self, load: Load) -> None:
        self._service.open_exchanges += load.exchanges - self._counted.exchanges
        self._service.open_streams += load.streams - self._counted.streams
        self._counted = load

    # What an exchange asks of the world, and Envoy does not hear of.
    _here: ClassVar[Mapping[type, Callable[[Any, Any, int], list[Action]]]] = {
        CheckReplay: _check_replay,
        CheckStore: _check_store,
        Log: _log,
        Reset: _reset,
    }
