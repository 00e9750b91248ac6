"""Logs: structlog, one line an event on standard error, JSON or console; and never a secret.

A field that could hold one is replaced before it is rendered, and a traceback shows where but not what: the
text of an exception may quote the message that caused it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from extproc.config.settings import Log

REDACTED: Final = "[redacted]"
_SECRET_FIELDS: Final = frozenset(
    {"authorization", "body", "ciphertext", "cookie", "cookies", "headers", "key", "password", "plaintext"}
    | {"proxy-authorization", "query", "secret", "set-cookie", "token", "trailers"}
)
_PATH_FIELDS: Final = frozenset({"path", "target", "uri", "url", "referer", "location"})
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure(log: Log, stream: TextIO | None = None, **context: object) -> FilteringBoundLogger:
    """Set up structlog and the standard library's logging, grpc's with it, and return a logger.

    `context` is bound to the logger. `stream` is standard error unless given.
    """
    stream = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[log.level.upper()]
    structlog.configure(
        processors=[*_common(), _renderer(log)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,  # or a logger of a module would keep to the first set-up
    )
    _route_standard_logging(log, max(level, logging.WARNING), stream)
    bound: FilteringBoundLogger = structlog.get_logger().bind(**context)
    return bound


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that takes secrets out: fields by their name, all bytes, and what follows a `?`."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: object) -> object:
    if name.lower().replace("_", "-") in _SECRET_FIELDS or isinstance(value, bytes | bytearray | memoryview):
        return REDACTED
    if isinstance(value, Mapping):
        return {str(inner): _redacted(str(inner), content) for inner, content in value.items()}
    if name.lower() in _PATH_FIELDS:
        return str(value).partition("?")[0]
    return value


def _common() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
        structlog.processors.ExceptionRenderer(_render_traceback),
    ]


def _renderer(log: Log) -> Processor:
    if log.format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=False)


def _render_traceback(exc_info: _ExcInfo) -> str:
    """Frames and types of an exception and of what it came from, oldest first; no text, no variables."""
    parts: list[str] = []
    error: BaseException | None = exc_info[1]
    while error is not None:
        frames = "".join(traceback.format_tb(error.__traceback__))
        parts.append(f"{frames}{type(error).__module__}.{type(error).__qualname__}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(reversed(parts))


def _route_standard_logging(log: Log, level: int, stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_common(),
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
