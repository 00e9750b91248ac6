"""What `extproc fetch` says on standard error: both layers with -v, and notes."""

from __future__ import annotations

import sys

import httpx

from extproc.client.wiretap import Wiretap


class Layers(Wiretap):
    """Shows the outer layer as it passes; the heads at once, lengths when they are known."""

    def __init__(self, below: httpx.BaseTransport) -> None:
        super().__init__(below, sent=_show_sent, uploaded=_show_uploaded, received=_show_received)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        _show("outer<", _status(response), response.headers)
        return response


def show_request(request: httpx.Request) -> None:
    """The inner one, but for its body."""
    _show("inner>", _line(request), request.headers)


def show_response(response: httpx.Response) -> None:
    """As `show_request`."""
    _show("inner<", _status(response), response.headers)


def show_trailers(response: httpx.Response) -> None:
    """Of a response that has been read."""
    note(*_fields("inner<", response.extensions["trailers"]))


def note(*lines: str) -> None:
    """Lines on standard error."""
    for line in lines:
        print(line, file=sys.stderr)


def _show_sent(request: httpx.Request) -> None:
    _show("outer>", _line(request), request.headers)


def _show_uploaded(_request: httpx.Request, length: int) -> None:
    note(f"outer> ({length} bytes)")


def _show_received(_response: httpx.Response, length: int) -> None:
    note(f"outer< ({length} bytes)")


def _line(request: httpx.Request) -> str:
    return f"{request.method} {request.url}"


def _status(response: httpx.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}"


def _show(mark: str, line: str, headers: httpx.Headers) -> None:
    note(f"{mark} {line}", *_fields(mark, headers))


def _fields(mark: str, headers: httpx.Headers) -> list[str]:
    return [f"{mark} {name}: {value}" for name, value in headers.multi_items()]
