"""Runs the console blocks of a page, one after the other, in one shell.

`$ ` begins a command and `> ` goes on with it; the lines below are what it prints. `…` stands for anything,
and on a line of its own for any number of lines.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Block

_MARK = "----- command"


@dataclass(frozen=True)
class Command:
    text: str
    expected: str


def commands(block: Block) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        first, *rest = part.splitlines()
        more = [line[2:] for line in rest if line.startswith("> ")]
        yield Command("\n".join([first, *more]), "\n".join(rest[len(more) :]))


def to_run(blocks: Iterable[Block]) -> list[Command]:
    """The commands of blocks marked `run`; a block that names a tool is left out where that is missing."""
    marked = ((block, block.mark.split()) for block in blocks if block.kind == "console")
    return [
        command
        for block, (mark, *tools) in ((block, words) for block, words in marked if words)
        if mark == "run" and all(map(shutil.which, tools))
        for command in commands(block)
    ]


def outputs(script: list[Command], folder: Path, timeout_s: float) -> list[str]:
    """What each of the commands printed. Whatever is left running is ended."""
    lines = [f"echo '{_MARK}'\n{command.text}" for command in script]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
    }
    shell = subprocess.Popen(
        ["bash", "-c", "\n".join(lines)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        printed, _ = shell.communicate(timeout=timeout_s)
    finally:
        _end(shell.pid)
    return [part.strip("\n") for part in printed.split(f"{_MARK}\n")[1:]]


def _end(session: int) -> None:
    """The first signal lets a gateway take its workers and its Envoy along."""
    try:
        os.killpg(session, signal.SIGTERM)
    except ProcessLookupError:
        return


def matches(expected: str, printed: str) -> bool:
    """Whether the output is what the page shows."""
    lines = (re.escape(line).replace("…", "[^\n]*") for line in expected.splitlines())
    pattern = "\n".join("(?s:.*)" if line == "[^\n]*" else line for line in lines)
    return re.fullmatch(pattern, printed) is not None
