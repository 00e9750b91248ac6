"""`extproc envoy`: the Envoy bootstrap of a gateway.yaml, whole or in parts, and what Envoy says of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from extproc.config.settings import Settings


def envoy(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The gateway's settings.")
    ] = Path("gateway.yaml"),
    snippet: Annotated[
        bool, typer.Option("--snippet", help="Only the parts for an Envoy of your own.")
    ] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Have Envoy check it, and print its verdict instead.")
    ] = False,
    envoy: Annotated[
        Path | None,
        typer.Option("--envoy", metavar="FILE", help="The Envoy to ask. [default: the one that is found]"),
    ] = None,
) -> None:
    """Print the Envoy bootstrap for a gateway.yaml.

    Envoy must run in that file's folder, since relative paths stay as they are. With --validate, the exit
    code is 1 when Envoy would not take it.

    \b
    Examples:
      extproc envoy -c gateway.yaml > envoy.yaml
      extproc envoy -c gateway.yaml --validate
      extproc envoy -c gateway.yaml --snippet
    """
    from extproc.bootstrap import build
    from extproc.config.load import load

    if validate and snippet:
        raise typer.BadParameter("not with --snippet, which is no whole bootstrap", param_hint="--validate")
    settings = load(config)
    if validate:
        raise typer.Exit(_validate(config, settings, envoy))
    typer.echo(build.snippet(settings) if snippet else build.to_yaml(build.bootstrap(settings)), nl=False)


def _validate(config: Path, settings: Settings, binary: Path | None) -> int:
    from extproc.bootstrap.build import bootstrap, to_yaml
    from extproc.bootstrap.complaints import rejection
    from extproc.bootstrap.find import envoy_version, find_envoy

    found = find_envoy(binary)
    version = envoy_version(found)
    rejected = rejection(found, to_yaml(bootstrap(settings)), settings.folder)
    if rejected is None:
        typer.echo(f"Envoy {version} accepts the bootstrap of {config}")
        return 0
    typer.echo(f"Envoy {version} rejects the bootstrap of {config}: {rejected}", err=True)
    return 1
