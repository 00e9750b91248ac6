"""What `extproc fetch` does with its options: one exchange, or several where the upstream redirects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import typer

from extproc.cli.fetch_layers import Layers, note, show_request, show_response, show_trailers
from extproc.cli.fetch_meter import Meter
from extproc.cli.fetch_options import Asked, Shown, Via
from extproc.cli.fetch_output import Output
from extproc.cli.fetch_request import request_of
from extproc.client import LinkError, LinkTransport
from extproc.client.errors import may_have_run
from extproc.errors import UserError
from extproc.message import content_length


def run(via: Via, asked: Asked, shown: Shown) -> None:
    """Raises typer.Exit when the link fails, or the upstream, and UserError for what the caller can mend."""
    output = Output(shown.output, include=shown.include, live=shown.live)
    meter = Meter(is_shown=sys.stderr.isatty() and not shown.silent)
    with (
        request_of(asked, meter.counter) as request,
        _told(output),
        closing(meter),
        closing(_client(via, verbose=shown.verbose)) as client,
    ):
        hops = _exchange(client, request, follow=asked.follow)
        with closing(hops[-1]) as response:
            if output.is_terminal:
                meter.close()  # and no bar runs into the body
            if shown.fail and response.is_error:
                note(f"extproc: the upstream said {response.status_code} {response.reason_phrase}")
                raise typer.Exit(1)
            output.write(hops, meter.counter("Down", _length(response)))
            if shown.verbose:
                show_trailers(response)


def _client(via: Via, *, verbose: bool) -> httpx.Client:
    if not via.link or not via.roots:
        raise UserError("expected --link and --root, or $EXTPROC_LINK and $EXTPROC_ROOT")
    wire: httpx.BaseTransport = httpx.HTTPTransport()
    try:
        transport = LinkTransport(
            via.link,
            transport=Layers(wire) if verbose else wire,
            roots=via.roots,
            cache=via.cache,
            require_pq=via.require_pq,
            insecure_http=via.insecure_http,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    client = httpx.Client(transport=transport, timeout=via.timeout)
    if verbose:
        client.event_hooks = {"request": [show_request], "response": [show_response]}
    return client


def _exchange(client: httpx.Client, request: httpx.Request, *, follow: bool) -> list[httpx.Response]:
    """Each response on the way, the last one unread; the bodies of the others don't matter."""
    hops = [client.send(request, stream=True)]
    while follow and (following := hops[-1].next_request) is not None:
        hops[-1].close()
        if len(hops) > client.max_redirects:
            raise httpx.TooManyRedirects("Exceeded maximum allowed redirects.", request=following)
        hops.append(client.send(following, stream=True))
    return hops


def _length(response: httpx.Response) -> int | None:
    """Of the body, if it is told."""
    return content_length(response.headers.get("content-length", "").encode())


@contextmanager
def _told(output: Output) -> Iterator[None]:
    """What goes wrong is told on standard error, and what has become of the body."""
    try:
        yield
    except httpx.RequestError as error:
        note(f"extproc: {_explained(error)}")
        output.note_incomplete()
        raise typer.Exit(1) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # httpx reads `location` whether it follows or not
        note(f"extproc: the upstream redirects to what is no URL: {error}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        note("extproc: interrupted (outcome unknown)")
        output.note_incomplete()
        raise


def _explained(error: httpx.RequestError) -> str:
    said = str(error) if isinstance(error, LinkError) else f"{type(error).__name__}: {error}"
    if not isinstance(error, httpx.TransportError):
        return said
    return f"{said} ({'outcome unknown' if may_have_run(error) else 'the request was not carried out'})"
