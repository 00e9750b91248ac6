"""`extproc doctor`: what is wrong with a gateway, and how to mend it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from extproc.config.diagnosis import Finding

    Checked = tuple[str, list[Finding]]


def doctor(
    config: Annotated[
        Path, typer.Option("--config", "-c", metavar="FILE", help="The gateway's settings.")
    ] = Path("gateway.yaml"),
    envoy: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The Envoy to check, if not the one that `up` would run."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, for programs.")] = False,
) -> None:
    """Look for what is wrong with a gateway, and say how to mend it.

    Checks the settings, keys and their dates, certificates, the state folder, sockets and ports, Envoy and
    its configuration, and the upstreams, and changes nothing. Exit code 0 when all is well, 1 with the list.

    \b
    Example:
      extproc doctor -c gateway.yaml
    """
    from extproc.cli import doctor_output as output

    checked = _check(config, envoy)
    findings = output.show_json(checked) if json else output.show(config, checked)
    if findings:
        raise typer.Exit(1)


def _check(config: Path, envoy: Path | None) -> Iterator[Checked]:
    """The checks one by one. Settings that can't be read as such are the only finding then."""
    from extproc.cli.doctor_checks import CHECKS, Case
    from extproc.config.diagnosis import Finding
    from extproc.config.load import SettingsError, load

    try:
        case = Case(load(config), envoy, time.time())
    except SettingsError as error:
        yield "settings", [Finding("settings", "error", line, f"edit {config}") for line in error.lines]
        return
    yield "settings", []
    for name, check in CHECKS:
        yield name, [_for_this(finding, config) for finding in check(case)]


def _for_this(finding: Finding, config: Path) -> Finding:
    """With commands that can be run as they are printed."""
    remedy = finding.remedy.replace("-c gateway.yaml", f"-c {config}")
    return dataclasses.replace(finding, remedy=remedy)
