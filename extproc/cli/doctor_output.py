"""What `extproc doctor` prints."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from extproc.config.diagnosis import Finding

Checked = tuple[str, list[Finding]]
_STYLES = {"error": "bold red", "warning": "yellow"}


def show(config: Path, checked: Iterable[Checked]) -> list[Finding]:
    """A line for each check as it is done, its findings below it, and a verdict. Gives all findings."""
    console = Console(highlight=False)
    tick, cross = ("✓", "✗") if console.encoding.startswith("utf") else ("ok", "NO")
    found: list[Finding] = []
    for name, findings in checked:
        mark = Text(cross, style="bold red") if findings else Text(tick, style="green")
        console.print(mark, Text(name))
        for remedy, group in itertools.groupby(findings, key=lambda finding: finding.remedy):
            _show_findings(console, group, remedy)
        found += findings
    count = len(found)
    verdict = "All is well." if not found else f"{count} finding{'s' if count > 1 else ''} in {config}."
    console.print(Text(f"\n{verdict}"), soft_wrap=True)
    return found


def _show_findings(console: Console, findings: Iterable[Finding], remedy: str) -> None:
    """In lines that are never cut, so that a command can be copied."""
    for finding in findings:
        severity = (finding.severity, _STYLES[finding.severity])
        console.print(Text.assemble("    ", severity, ": ", finding.problem), soft_wrap=True)
    console.print(Text(f"      {remedy}", style="dim"), soft_wrap=True)


def show_json(checked: Iterable[Checked]) -> list[Finding]:
    """A list of findings, empty when all is well. Gives them."""
    found = [finding for _, findings in checked for finding in findings]
    print(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    return found
