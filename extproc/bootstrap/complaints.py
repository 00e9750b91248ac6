"""What Envoy says on standard error, cut down to the sentence that helps."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from extproc.config.keyfiles import plain_errors

_LINE: Final = re.compile(r"\[[^]]*\]\[\d+\]\[(?P<level>\w+)\]\[\w+\] (?:\[[^]]*\] )?(?P<text>.*)")
_AROUND: Final = re.compile(
    r"^error initializing (configuration|config) '[^']*':? *|^error `|` initializing config .*$"
)
_WORST: Final = ("critical", "error")
_TIMEOUT_S: Final = 60.0


def complaint(lines: Iterable[str]) -> str:
    """The last critical line of a log, else the last error, else its last line; without time and place."""
    last = "it says nothing"
    by_level: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line)
        last = match["text"] if match else line
        if match:
            by_level[match["level"]] = last
    found = next((by_level[level] for level in _WORST if level in by_level), last)
    return " ".join(_AROUND.sub("", found).split())


def rejection(binary: Path, bootstrap_yaml: str, folder: Path) -> str | None:
    """Why the Envoy at `binary`, run in `folder`, would not take that bootstrap; None when it would."""
    with tempfile.TemporaryDirectory(prefix="extproc-") as scratch:
        config = Path(scratch) / "envoy.yaml"
        with plain_errors(config):
            config.write_text(bootstrap_yaml, encoding="utf-8")
        command = [str(binary), "--mode", "validate", "--config-path", str(config), "--log-level", "error"]
        run = subprocess.run(  # noqa: S603 - the operator's own choice of program
            command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    return None if run.returncode == 0 else complaint(run.stderr.splitlines())
