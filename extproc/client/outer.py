"""The outer exchange (docs/protocol.md, section 10): what goes over the wire, and what comes back.

Whatever stands outside the seal is hearsay: it can end an exchange, and never says what became of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import httpx

from extproc import __version__, errors
from extproc.client.errors import BAD_RESPONSE, DIRECTORY, GATEWAY, LinkError
from extproc.client.outflow import Outflow
from extproc.client.steps import Answer
from extproc.link.envelope import MEDIA_KEYS, MEDIA_STREAM, MEDIA_WHOLE, ResponseOpener, media_form
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form

MAX_RESPONSE: Final = 64 * 2**20
MAX_DIRECTORY: Final = 256 * 2**10
_MAX_PROBLEM: Final = 4096
_PROBLEM_PREFIX: Final = "urn:privatelink:problem:"
_SDK: Final = {
    "accept": "*/*",
    "accept-encoding": "identity",  # nothing outside the seal is unpacked: it may be a bomb
    "user-agent": f"extproc-python/{__version__}",
}


def sealed_request(url: str, body: bytes, timeout: Mapping[str, Any] | None) -> httpx.Request:
    """The POST of an envelope. Nothing of the inner request is in it, but the caller's timeouts."""
    headers = {**_SDK, "content-type": MEDIA_WHOLE}
    return httpx.Request("POST", url, headers=headers, content=body, extensions=_timeout(timeout))


def streamed_request(url: str, body: Outflow, timeout: Mapping[str, Any] | None) -> httpx.Request:
    """The POST of a stream; httpx adds no headers to one."""
    host = {"host": httpx.URL(url).netloc.decode("ascii")}
    headers = {**host, **_SDK, "content-type": MEDIA_STREAM, "transfer-encoding": "chunked"}
    return httpx.Request("POST", url, headers=headers, stream=body, extensions=_timeout(timeout))


def directory_request(url: str, timeout: Mapping[str, Any] | None, *, past_caches: bool) -> httpx.Request:
    headers = {**_SDK, **({"cache-control": "no-cache"} if past_caches else {})}
    return httpx.Request("GET", url, headers=headers, extensions=_timeout(timeout))


def open_answer(answer: Answer, opener: ResponseOpener) -> pb.InnerResponse:
    """What was sealed; of a stream, its head. Raises LinkError, outcome unknown."""
    if answer.inflow is not None:
        return answer.inflow.head
    if answer.status != 200 or media_form(answer.headers.get("content-type")) is not Form.WHOLE:
        raise _unsealed(answer)
    if len(answer.body) > MAX_RESPONSE:
        raise LinkError(BAD_RESPONSE, f"an answer over {MAX_RESPONSE} bytes", outcome_unknown=True)
    try:
        return opener.open(answer.body)
    except errors.LinkError as error:
        raise LinkError(BAD_RESPONSE, error.reason, outcome_unknown=True) from error


def signed_directory(answer: Answer) -> bytes:
    """A SignedKeyDirectory, not verified. Raises LinkError("directory")."""
    media_type = _media_type(answer)
    if answer.status != 200 or media_type != MEDIA_KEYS:
        raise LinkError(DIRECTORY, f"expected 200 {MEDIA_KEYS}, not {answer.status} {media_type}")
    if len(answer.body) > MAX_DIRECTORY:
        raise LinkError(DIRECTORY, f"a directory over {MAX_DIRECTORY} bytes")
    return answer.body


def _unsealed(answer: Answer) -> LinkError:
    problem = _problem(answer)
    if problem is not None:
        return LinkError(problem, "refused outside the seal", outcome_unknown=True)
    media_type = _media_type(answer) or "no content type"
    reason = f"answered {answer.status}, with {media_type}, outside the seal"
    return LinkError(GATEWAY, reason, outcome_unknown=True)


def _problem(answer: Answer) -> errors.Code | None:
    """The problem that the answer claims (section 9)."""
    if _media_type(answer) != errors.PROBLEM_MEDIA_TYPE or len(answer.body) > _MAX_PROBLEM:
        return None
    try:
        claimed = json.loads(answer.body)["type"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return next((code for code in errors.PROBLEMS if _PROBLEM_PREFIX + code == claimed), None)


def _media_type(answer: Answer) -> str:
    content_type: str = answer.headers.get("content-type", "")
    return content_type.partition(";")[0].strip(" \t")


def _timeout(timeout: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if timeout is None else {"timeout": dict(timeout)}
