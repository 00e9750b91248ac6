"""The `extproc` command as a whole.

Invariant: what an operator can mend is one sentence and exit code 2; help is short, and has an example.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from extproc import __version__, cli
from extproc.cli import commands
from extproc.errors import UserError

ROOT = Path(__file__).parents[2]
COMMANDS = ("demo", "up", "serve", "envoy", "keys", "fetch", "doctor")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "extproc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            UserError("keys/: expected mode 0700, not 0755"),
            2,
            "extproc: keys/: expected mode 0700, not 0755\n",
        ),
        (UserError("a.yaml:1: one\na.yaml:2: two"), 2, "extproc: a.yaml:1: one\nextproc: a.yaml:2: two\n"),
        (PermissionError(13, "Permission denied", "state"), 2, "extproc: state: Permission denied\n"),
        (OSError("no such thing"), 2, "extproc: no such thing\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_ends_a_command_is_said_once(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(commands, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code, capsys.readouterr().err) == (code, said)


def test_a_bug_is_no_operators_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> NoReturn:
        raise LookupError

    monkeypatch.setattr(commands, "app", fail)
    with pytest.raises(LookupError):
        cli.main()


def test_version() -> None:
    shown = run("--version")
    assert (shown.returncode, shown.stdout) == (0, f"extproc {__version__}\n")


def test_help_is_one_screen_with_examples() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) <= 30
    assert "Examples:" in shown.stdout
    assert all(f"\n  {command} " in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(command: str) -> None:
    shown = run(command, "--help")
    assert shown.returncode == 0
    assert "Example" in shown.stdout
    assert f"extproc {command}" in shown.stdout.partition("Example")[2]


def test_an_unknown_command_is_a_usage_error() -> None:
    shown = run("dmeo")
    assert shown.returncode == 2
    assert "demo" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "extproc", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize("arguments", [("--version",), ("envoy", "-c", "envoy/gateway.yaml")])
def test_output_that_can_not_be_written_is_named(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "extproc", *arguments]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert (run.returncode, run.stderr) == (2, "extproc: standard output: No space left on device\n")
