"""What the two halves of an exchange share, and the sealing of its answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from extproc.errors import PROBLEMS, STATUS, Code, LinkError
from extproc.exchange import answers
from extproc.exchange.actions import Action, Answer, Log, Metadata, Reset
from extproc.exchange.gateway import Gateway
from extproc.link.envelope import NONCE_LENGTH, OpenedRequest, ResponseSealer
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import StreamWriter
from extproc.message import NO_FIELDS, Request, Response

_MAX_CLIENT_TEXT: Final = 64
_CLAIMS: Final = ("key_id", "sdk", "platform", "app")

Random = Callable[[int], bytes]


class Context:
    """One exchange: what came from outside, what opened, and where it went."""

    outer = NO_FIELDS
    peer = ""
    opened: OpenedRequest | None = None
    forwarded: Request | None = None  # the inner request, as it was sealed: it is valid, and crosses
    is_streamed = False  # one of its halves is
    is_responding = False  # the outer response has begun: its status is out
    claims: tuple[str, ...] = ()  # by the client, on the key and itself: by _CLAIMS

    def __init__(self, gateway: Gateway, random: Random, has_room: Callable[[], bool]) -> None:
        self.gateway = gateway
        self.random = random
        self.has_room = has_room  # for one more streamed exchange

    def open(self, opened: OpenedRequest) -> None:
        """A request has opened, with what its client says of itself."""
        self.opened = opened
        client, most = opened.inner.client, _MAX_CLIENT_TEXT
        self.claims = opened.key_id.hex(), client.sdk[:most], client.platform[:most], client.app[:most]

    def take_room(self) -> bool:
        """Count this exchange as a streamed one, if there is room for it."""
        self.is_streamed = self.is_streamed or self.has_room()
        return self.is_streamed

    def seal(self, inner: pb.InnerResponse, now_ms: int, set_cookie: tuple[bytes, ...] = ()) -> Response:
        """The outer response that carries `inner`."""
        sealer, nonce = self._stamp(inner, now_ms), self.random(NONCE_LENGTH)
        body = sealer.seal(inner, nonce=nonce, padding=self.gateway.padding)
        return answers.sealed(self.gateway, self.outer, body, set_cookie)

    def stream(self, inner: pb.InnerResponse, now_ms: int) -> tuple[bytes, StreamWriter]:
        """The start of the outer body that carries `inner`, and the writer of its rest.

        Raises LinkError(RESPONSE_TOO_LARGE) for headers that don't fit into a segment.
        """
        sealer, nonce = self._stamp(inner, now_ms), self.random(NONCE_LENGTH)
        try:
            return sealer.stream(inner, nonce=nonce, padding=self.gateway.padding)
        except ValueError as error:
            raise LinkError(Code.RESPONSE_TOO_LARGE, f"headers for a stream: {error}") from error

    def _stamp(self, inner: pb.InnerResponse, now_ms: int) -> ResponseSealer:
        if self.opened is None:
            raise AssertionError("nothing has opened")
        inner.gateway_time_ms = now_ms
        inner.directory_serial = self.gateway.directory_serial
        return self.opened.sealer

    def refuse(self, error: LinkError, now_ms: int) -> list[Action]:
        """The answer to what the client got wrong: a plain problem, or a sealed fault once it has opened.

        There is no place for it once the answer has begun.
        """
        log = Log("refused", str(error))
        if self.is_responding:
            return [log, Reset(str(error))]
        if self.opened is None or error.code in PROBLEMS:
            response = answers.problem(self.gateway, self.outer, error.code)
            return [log, Answer(response, self.metadata("problem", response.status, error.code))]
        status = STATUS[error.code]
        response = self.seal(pb.InnerResponse(status=status, fault=error.code), now_ms)
        return [log, Answer(response, self.metadata("fault", status, error.code))]

    def metadata(self, outcome: str, status: int = 0, fault: Code | None = None) -> Metadata:
        """What Envoy's logs and later filters learn of the exchange, in the namespace `extproc.link`."""
        return _metadata(outcome, status, fault, self.claims)


@lru_cache(maxsize=256)
def _metadata(outcome: str, status: int, fault: Code | None, claims: tuple[str, ...]) -> Metadata:
    """It is the same for all exchanges of a kind."""
    told = {"outcome": outcome}
    if status:
        told["status"] = str(status)
    if fault is not None:
        told["fault"] = fault
    return told | {name: _printable(claim) for name, claim in zip(_CLAIMS, claims, strict=False) if claim}


def _printable(claim: str) -> str:
    """What a client says of itself, fit for a log line."""
    return "".join(char if char.isprintable() else "?" for char in claim)
