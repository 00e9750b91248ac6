"""`extproc fetch`: curl through the link."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from extproc import __version__
from extproc.errors import UserError

if TYPE_CHECKING:
    import httpx

    from extproc.client.options import Options

    Hop = tuple[httpx.Response, bytes]

_FORM: Final = "application/x-www-form-urlencoded"

Url = Annotated[str, typer.Argument(metavar="URL", help="What to fetch: the upstream's URL.")]
Link = Annotated[str, typer.Option(envvar="EXTPROC_LINK", metavar="ORIGIN", help="The gateway's origin.")]
Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root", envvar="EXTPROC_ROOT", metavar="ed25519:...", help="A root key to trust. Repeatable."
    ),
]
Method = Annotated[
    str, typer.Option("-X", "--request", metavar="METHOD", help="GET, or POST with -d, if not given.")
]
HeaderLines = Annotated[
    list[str] | None,
    typer.Option(
        "-H", "--header", metavar="LINE", help="'Name: value', or 'Name:' to leave it out. Repeatable."
    ),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        "-d", "--data", metavar="DATA", help="The body, byte by byte; @FILE or @- reads it. Repeatable."
    ),
]
Output = Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Where the body goes.")]
Include = Annotated[bool, typer.Option("-i", "--include", help="Print the inner response's headers as well.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show both layers on standard error.")]
Fail = Annotated[bool, typer.Option("-f", "--fail", help="No output and exit code 1 from status 400 on.")]
Follow = Annotated[bool, typer.Option("-L", "--location", help="Follow redirects, inside the link.")]
Cache = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Remember the directory, and refuse older ones.")
]
RequirePq = Annotated[bool, typer.Option("--require-pq", help="Post-quantum gateway keys only.")]
InsecureHttp = Annotated[bool, typer.Option("--insecure-http", help="Allow an http link off loopback.")]
Timeout = Annotated[
    float, typer.Option(min=0.001, max=86_400, metavar="SECONDS", help="The longest silence.")
]


def fetch(
    url: Url,
    *,
    link: Link = "",
    root: Roots = None,
    request: Method = "",
    header: HeaderLines = None,
    data: Data = None,
    output: Output = "-",
    include: Include = False,
    verbose: Verbose = False,
    fail: Fail = False,
    location: Follow = False,
    cache: Cache = None,
    require_pq: RequirePq = False,
    insecure_http: InsecureHttp = False,
    timeout: Timeout = 30,
) -> None:
    """Fetch a URL through a link. Exit code 0 whatever the upstream says, 1 when the link fails.

    \b
    Examples:
      extproc fetch https://shop.example.com/ --link https://gw.example.com --root ed25519:...
      extproc fetch -v -d '{"item": "tea"}' -H 'content-type: application/json' https://shop.example.com/orders
    """
    options: Options = {"roots": root or [], "cache": cache}
    options |= {"require_pq": require_pq, "insecure_http": insecure_http}
    wanted = _request(request, url, header or [], data)
    with closing(_client(link, options, verbose=verbose, timeout=timeout)) as client:
        hops = _exchange(client, wanted, follow=location)
    _write(hops, output, include=include, fail=fail)


def _client(link: str, options: Options, *, verbose: bool, timeout: float) -> httpx.Client:
    import httpx

    from extproc.client import LinkTransport

    if not link or not options["roots"]:
        raise UserError("expected --link and --root, or $EXTPROC_LINK and $EXTPROC_ROOT")
    wire: httpx.BaseTransport = httpx.HTTPTransport()
    try:
        transport = LinkTransport(link, transport=_tapped(wire) if verbose else wire, **options)
    except ValueError as error:
        raise UserError(str(error)) from error
    client = httpx.Client(transport=transport, timeout=timeout)
    if verbose:
        client.event_hooks = {"request": [_show_request], "response": [_show_response]}
    return client


def _request(method: str, url: str, lines: list[str], data: list[str] | None) -> httpx.Request:
    import httpx

    body = None if data is None else b"&".join(_read(part) for part in data)
    defaults = [("user-agent", f"extproc/{__version__}"), ("accept", "*/*")]
    if body is not None:
        defaults.append(("content-type", _FORM))
    given = [_field(line) for line in lines]
    fields = [pair for pair in defaults if pair[0] not in {name.lower() for name, _ in given}]
    fields += [(name, value) for name, value in given if value is not None]
    raw = [(_bytes(name), _bytes(value)) for name, value in fields]
    if not method.isascii():
        raise UserError(f"expected a method such as GET, not {method!r}")
    return httpx.Request(method or ("GET" if body is None else "POST"), _url(url), headers=raw, content=body)


def _url(text: str) -> httpx.URL:
    import httpx

    try:
        url = httpx.URL(text)
        is_whole = url.scheme in {"http", "https"} and url.host  # which is decoded as it is read
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UserError(f"{text!r} is no URL: {error}") from error
    if not is_whole:
        raise UserError(f'expected a URL such as "https://shop.example.com/", not {text!r}')
    return url


def _bytes(argument: str) -> bytes:
    """An argument as it was typed, in whatever encoding."""
    return argument.encode("utf-8", "surrogateescape")


def _read(part: str) -> bytes:
    if part == "@-":
        return sys.stdin.buffer.read()
    return Path(part[1:]).read_bytes() if part.startswith("@") else _bytes(part)


def _field(line: str) -> tuple[str, str | None]:
    """Curl's notation: `Name: value`, `Name:` for leaving it out, `Name;` for an empty one."""
    name, colon, value = line.partition(":")
    if colon and name.strip():
        return name.strip(), value.strip() or None
    if line.endswith(";") and len(line) > 1:
        return line[:-1], ""
    raise UserError(f"expected a header such as 'Name: value', not {line!r}")


def _exchange(client: httpx.Client, request: httpx.Request, *, follow: bool) -> list[Hop]:
    """Each response on the way with its body as it came, still in its content coding."""
    import httpx

    try:
        response = client.send(request, stream=True, follow_redirects=follow)
        body = b"".join(response.iter_raw())
    except httpx.RequestError as error:
        _note(f"extproc: {_explained(error)}")
        raise typer.Exit(1) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # httpx reads `location` whether it follows or not
        _note(f"extproc: the upstream redirects to what is no URL: {error}")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        _note("extproc: interrupted (outcome unknown)")
        raise
    return [*((hop, b"") for hop in response.history), (response, body)]


def _explained(error: httpx.RequestError) -> str:
    import httpx

    from extproc.client.errors import LinkError, may_have_run

    said = str(error) if isinstance(error, LinkError) else f"{type(error).__name__}: {error}"
    if not isinstance(error, httpx.TransportError):
        return said
    return f"{said} ({'outcome unknown' if may_have_run(error) else 'the request was not carried out'})"


def _write(hops: list[Hop], output: str, *, include: bool, fail: bool) -> None:
    response, body = hops[-1]
    if fail and response.is_error:
        _note(f"extproc: the upstream said {response.status_code} {response.reason_phrase}")
        raise typer.Exit(1)
    head = b"".join(_head(hop) for hop, _ in hops) if include else b""
    try:
        _put(head + body, output)
    except BrokenPipeError:  # a reader that leaves is no error
        raise
    except OSError as error:
        name = "standard output" if output == "-" else output
        raise UserError(f"{name}: {error.strerror} (the request was carried out)") from error


def _put(data: bytes, output: str) -> None:
    if output == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        Path(output).write_bytes(data)


def _head(response: httpx.Response) -> bytes:
    line = f"{response.http_version} {response.status_code} {response.reason_phrase}".encode("ascii")
    return b"\r\n".join([line, *(name + b": " + value for name, value in response.headers.raw), b"", b""])


def _tapped(wire: httpx.BaseTransport) -> httpx.BaseTransport:
    from extproc.client.wiretap import Wiretap

    def sent(request: httpx.Request) -> None:
        _show("outer>", f"{request.method} {request.url}", request.headers)
        _note(f"outer> ({len(request.read())} bytes)")

    def received(response: httpx.Response, length: int) -> None:
        _show("outer<", f"{response.status_code} {response.reason_phrase}", response.headers)
        _note(f"outer< ({length} bytes)")

    return Wiretap(wire, sent=sent, received=received)


def _show_request(request: httpx.Request) -> None:
    _show("inner>", f"{request.method} {request.url}", request.headers)


def _show_response(response: httpx.Response) -> None:
    _show("inner<", f"{response.status_code} {response.reason_phrase}", response.headers)


def _show(mark: str, line: str, headers: httpx.Headers) -> None:
    fields = (f"{name}: {value}" for name, value in headers.multi_items())
    _note(*(f"{mark} {text}" for text in (line, *fields)))


def _note(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr)
