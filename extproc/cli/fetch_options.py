"""The argument and options of `extproc fetch`, and what belongs together of what they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[str, typer.Argument(metavar="URL", help="What to fetch: the upstream's URL.")]
Link = Annotated[str, typer.Option(envvar="EXTPROC_LINK", metavar="ORIGIN", help="The gateway's origin.")]
Roots = Annotated[
    list[str] | None,
    typer.Option(
        "--root", envvar="EXTPROC_ROOT", metavar="ed25519:...", help="A root key to trust. Repeatable."
    ),
]
Method = Annotated[
    str,
    typer.Option(
        "-X", "--request", metavar="METHOD", help="If not given: GET, or POST with -d, or PUT with -T."
    ),
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
Upload = Annotated[
    str,
    typer.Option(
        "-T", "--upload-file", metavar="FILE", help="The body, as it is read; -: standard input, as it comes."
    ),
]
Output = Annotated[
    str, typer.Option("-o", "--output", metavar="FILE", help="Where the body goes, as it comes.")
]
Include = Annotated[
    bool, typer.Option("-i", "--include", help="Print the inner response's headers and trailers as well.")
]
Live = Annotated[bool, typer.Option("-N", "--no-buffer", help="Write each piece of the body at once.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show both layers on standard error.")]
Silent = Annotated[bool, typer.Option("-s", "--silent", help="No progress bar.")]
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


@dataclass(frozen=True, slots=True)
class Via:
    """The link, and what is trusted of it."""

    link: str
    roots: list[str]
    cache: Path | None
    require_pq: bool
    insecure_http: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sent, and whether redirects are followed."""

    url: str
    method: str
    lines: list[str]
    data: list[str] | None
    upload: str  # a file, "-", or nothing
    follow: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What of it all is shown, and where."""

    output: str
    include: bool
    live: bool
    verbose: bool
    silent: bool
    fail: bool
