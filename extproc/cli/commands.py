"""The subcommands under one roof. What is heavy, they import when they run: `--help` loads none of it."""

from __future__ import annotations

from typing import Annotated

import typer

from extproc import __version__
from extproc.cli.demo import demo
from extproc.cli.doctor import doctor
from extproc.cli.envoy import envoy
from extproc.cli.fetch import fetch
from extproc.cli.keys import app as keys
from extproc.cli.serve import serve
from extproc.cli.up import up

_EXAMPLES = """\b
Examples:
  extproc demo                                    see one sealed order, on loopback
  extproc keys init -c gateway.yaml --root gateway.root.pem
  extproc doctor -c gateway.yaml                  what is missing, and how to mend it
  extproc up -c gateway.yaml                      Envoy and its workers
  extproc fetch https://shop.example.com/ --link https://gw.example.com --root ed25519:...
"""

app = typer.Typer(
    name="extproc",
    epilog=_EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they can show local variables
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"extproc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """A private link for HTTP services: sealed requests, opened at the edge by Envoy and this processor."""


app.command()(demo)
app.command()(up)
app.command()(serve)
app.command()(envoy)
app.add_typer(keys, name="keys", short_help="Make, list, rotate and retire keys; sign their directory.")
app.command()(fetch)
app.command()(doctor)
