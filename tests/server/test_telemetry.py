"""Logs. Invariant: no line has a secret, a body, a cookie or a query, however it came to be logged."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
import structlog

from extproc.config.settings import Log
from extproc.server import telemetry

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_level_time_and_context() -> None:
    stream = io.StringIO()
    telemetry.configure(Log(), stream, worker=3).info("worker.ready", address="unix:x")
    (line,) = lines(stream)
    written = datetime.fromisoformat(line.pop("timestamp"))
    assert written.tzinfo == UTC
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert line == {"event": "worker.ready", "level": "info", "worker": 3, "address": "unix:x"}


def test_levels_below_are_not_written() -> None:
    stream = io.StringIO()
    log = telemetry.configure(Log(level="warning"), stream)
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_could_be_secret_is_not_written(form: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    log = telemetry.configure(Log(format=form), stream)
    log.info("x", body=SECRET, cookie=SECRET, authorization=SECRET, query=SECRET, token=SECRET)
    log.info("x", Set_Cookie=SECRET, COOKIE=SECRET, headers={"any": SECRET}, trailers=[SECRET])
    log.info("x", data=SECRET.encode(), view=memoryview(SECRET.encode()))
    log.info("x", request={"cookie": SECRET, "url": f"https://a/b?{SECRET}", "deep": {"body": SECRET}})
    log.info("x", path=f"/orders?token={SECRET}")
    assert SECRET not in stream.getvalue()
    assert "/orders" in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("logger", ["ours", "the standard library's"])
def test_a_traceback_says_where_and_not_what(form: Literal["json", "console"], logger: str) -> None:
    """The text of an exception may quote the peer's message, and so may a local variable."""
    stream = io.StringIO()
    log = telemetry.configure(Log(format=form), stream)
    plaintext = SECRET
    try:
        try:
            int(plaintext)
        except ValueError as error:
            raise RuntimeError(plaintext) from error
    except RuntimeError:
        if logger == "ours":
            log.exception("stream.bug")
        else:
            logging.getLogger("grpc").exception("stream.bug")
    written = stream.getvalue()
    assert SECRET not in written
    assert written.index("builtins.ValueError") < written.index("builtins.RuntimeError")
    assert "test_a_traceback_says_where_and_not_what" in written


def test_other_libraries_and_warnings_come_through_from_warning_on() -> None:
    stream = io.StringIO()
    telemetry.configure(Log(level="debug"), stream)
    logging.getLogger("grpc._cython.cygrpc").info("chatter")
    logging.getLogger("grpc._cython.cygrpc").error("trouble %d", 7)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    trouble, warning = lines(stream)
    assert (trouble["event"], trouble["level"]) == ("trouble 7", "error")
    assert "DeprecationWarning: old" in warning["event"]
