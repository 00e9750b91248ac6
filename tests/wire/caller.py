"""A gRPC client in transcripts: its requests go into a Session with the real service behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import hpack
import structlog
from envoy.service.ext_proc.v3 import external_processor_pb2 as ext_proc
from grpc_health.v1 import health_pb2
from structlog.testing import LogCapture

from extproc.exchange.gateway import Gateway
from extproc.message import Headers
from extproc.server.service import Service
from extproc.server.serving import Tally
from extproc.server.stores import MemoryStore
from extproc.server.wire.calls import Calls
from extproc.server.wire.connection import Limits
from extproc.server.wire.health import SERVING, Health
from extproc.server.wire.session import Session
from tests.exchange import link
from tests.server import envoys
from tests.wire import peer
from tests.wire.peer import PREFACE, REQUEST, data, headers, settings

CHECK: Final = "/grpc.health.v1.Health/Check"
WATCH: Final = "/grpc.health.v1.Health/Watch"
PROCESS: Final = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
LARGEST: Final = 16 * 2**20


def prefixed(message: bytes, *, compressed: int = 0) -> bytes:
    """Length-Prefixed-Message."""
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


def asked(service: str = "") -> bytes:
    return prefixed(health_pb2.HealthCheckRequest(service=service).SerializeToString())


def keys_request(padding: int = 0) -> bytes:
    """One that is answered at once, by the directory; with an attribute of `padding` octets."""
    message = envoys.request_headers(link.outer("GET", "/_link/keys"), end_of_stream=True)
    message.attributes["padding"].update({"": "x" * padding})
    return prefixed(message.SerializeToString())


def forwarded() -> bytes:
    """The headers of one that the upstream is to get: an exchange is open from here on."""
    message = envoys.request_headers(Headers(link.sealed_headers()))
    return prefixed(message.SerializeToString())


@dataclass
class Response:
    """What has come on a stream. `fields`: of all its sections, the later ones winning."""

    fields: dict[str, str] = field(default_factory=dict)
    sections: int = 0
    data: bytes = b""
    is_ended: bool = False
    reset: str | None = None

    @property
    def status(self) -> int:
        return int(self.fields["grpc-status"])

    @property
    def messages(self) -> list[bytes]:
        found, rest = [], self.data
        while rest:
            end = 5 + int.from_bytes(rest[1:5], "big")
            found.append(rest[5:end])
            rest = rest[end:]
        return found

    def processed(self) -> list[Any]:
        return [ext_proc.ProcessingResponse.FromString(each) for each in self.messages]

    def health(self) -> list[int]:
        return [health_pb2.HealthCheckResponse.FromString(each).status for each in self.messages]


@dataclass
class Timer:
    seconds: float
    fire: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Caller:
    """`open`, `send` and `finish` requests; `responses` by stream."""

    def __init__(self, gateway: Gateway | None = None, limits: Limits | None = None) -> None:
        self.captured = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.captured]).bind()
        store = MemoryStore(100, link.NOW_MS - 60_000)
        self.service = Service(gateway or link.gateway(), store, now_ns=link.now_ns, log=log)
        self.health, tally = Health(), Tally(log)
        self.health.set("", SERVING)
        self.counts = tally.counts
        calls = Calls(self.service, self.health, tally, LARGEST)
        self.timers: list[Timer] = []
        self.responses: dict[int, Response] = {}
        self.sent: list[str] = []  # what came back, as lines
        self._decoder = hpack.Decoder()
        self.session = Session(calls, limits or Limits(), self._call_later, self._take)
        self.deliver(PREFACE, settings())

    @property
    def events(self) -> list[str]:
        """What was logged."""
        return [entry["event"] for entry in self.captured.entries]

    def deliver(self, *frames: bytes) -> None:
        """In one read."""
        self.session.receive(b"".join(frames), 0.0)
        self._take()

    def call(self, path: str, body: bytes, stream_id: int = 1, **fields: str) -> Response:
        """A whole request in one read, and what came back."""
        self.deliver(*request(path, body, stream_id, **fields))
        return self.responses[stream_id]

    def open(self, path: str, stream_id: int = 1, **fields: str) -> None:
        self.deliver(headers(stream_id, _block(path, fields)))

    def _call_later(self, seconds: float, fire: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, fire))
        return self.timers[-1]

    def _take(self) -> None:
        sent = self.session.take()
        self.sent += peer.shown(sent)
        for each in peer.cut(sent):
            self._read(peer.KINDS[each[3]], each[4], int.from_bytes(each[5:9], "big"), each[9:])

    def _read(self, kind: str, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id or kind == "WINDOW_UPDATE":
            return
        response = self.responses.setdefault(stream_id, Response())
        match kind:
            case "HEADERS":
                response.fields |= {str(name): str(value) for name, value in self._decoder.decode(payload)}
                response.sections += 1
            case "DATA":
                response.data += payload
            case "RST_STREAM":
                response.reset = peer.CODES[int.from_bytes(payload, "big")]
        response.is_ended = response.is_ended or bool(kind != "RST_STREAM" and flags & 1)


def request(path: str, body: bytes, stream_id: int = 1, **fields: str) -> tuple[bytes, bytes]:
    """A whole request, in two frames."""
    return headers(stream_id, _block(path, fields)), data(stream_id, body, "END_STREAM")


def _block(path: str, fields: dict[str, str]) -> bytes:
    """`_` in a field's name stands for `-`, and `__` before it for `:`. An empty value: no such field."""
    named = {name.replace("__", ":").replace("_", "-"): value for name, value in fields.items()}
    line = dict(REQUEST) | {":path": path} | named
    return peer.block(*((name, value) for name, value in line.items() if value))
