"""`extproc demo`, with a real Envoy.

Invariant: it exits with 0 only when every step held, runs beside another one, and leaves nothing behind,
however it ends.
"""

from __future__ import annotations

import io
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from extproc.cli.demo_panels import show_scene, show_steps
from extproc.demo.scene import Step
from tests.cli.processes import processes
from tests.demo.test_scene import SCENE

DEMO = [sys.executable, "-m", "extproc", "demo"]


def env(temporary: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary), "COLUMNS": "80"}


def start(temporary: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*DEMO, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env(temporary) | environment,
    )


def test_two_demos_hold_side_by_side(tmp_path: Path) -> None:
    running = [start(tmp_path, "--check") for _ in range(2)]
    for demo in running:
        shown, complaints = demo.communicate(timeout=60)
        assert (demo.returncode, complaints) == (0, "")
        assert shown.count("✓") == 9
        assert "✗" not in shown
        assert "\x1b" not in shown
        assert max(map(len, shown.splitlines())) <= 80
    assert not list(tmp_path.iterdir())


def test_a_terminal_without_the_characters_is_served(tmp_path: Path) -> None:
    demo = start(tmp_path, "--check", PYTHONIOENCODING="ascii")
    shown, complaints = demo.communicate(timeout=60)
    assert (demo.returncode, complaints) == (0, "")
    assert shown.count("\nok ") == 9


def test_it_stays_up_until_it_is_told_to_go(tmp_path: Path) -> None:
    with start(tmp_path) as demo:
        assert demo.stdout is not None
        page = next(line for line in demo.stdout if "in a browser" in line).split()[-1]
        assert "One shop, two layers" in httpx.get(page).text
        assert httpx.get(f"{page}settings.json").json()["shop"] == "https://shop.example.com"
        indented = (shlex.split(line) for line in demo.stdout if line.startswith("  "))
        fetch, watch, curl = next(indented), next(indented), next(indented)
        assert (curl[0], curl[3:]) == ("curl", ["-H", "host: shop.example.com"])
        assert httpx.get(curl[2], headers={"host": "shop.example.com"}).status_code == 403
        fetched = subprocess.run(fetch, capture_output=True, text=True, timeout=30, check=False)
        assert '"cocoa": 410' in fetched.stdout
        with subprocess.Popen(watch, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdout is not None
            assert watching.stdout.readline() == "event: price\n"
            watching.send_signal(signal.SIGINT)
            assert watching.wait(timeout=10) == 130
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [[], ["--check"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("last", [b"Starting Envoy", b"What the app saw"])
def test_a_signal_ends_it_at_once(
    tmp_path: Path, arguments: list[str], number: signal.Signals, last: bytes
) -> None:
    """While it starts, and in the middle of its order, which goes no further while nobody reads it."""
    with subprocess.Popen(
        [*DEMO, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pipesize=4096,
        env=env(tmp_path),
    ) as demo:
        assert demo.stdout is not None
        next(line for line in iter(demo.stdout.readline, b"") if last in line)
        assert processes(tmp_path)
        demo.send_signal(number)
        shown, complaints = demo.communicate(timeout=20)
    assert (demo.returncode, complaints) == (130, b"")
    assert "✗" not in shown.decode()
    assert not list(tmp_path.iterdir())
    assert not processes(tmp_path)


def test_an_envoy_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    demo = start(tmp_path, "--check", "--envoy", str(tmp_path / "nowhere"))
    _, complaint = demo.communicate(timeout=30)
    assert demo.returncode == 2
    assert re.fullmatch(r"extproc: .*nowhere.*\n", complaint)


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", "✓✗"), ("ascii", "okNO")])
def test_a_step_that_does_not_hold_is_crossed(encoding: str, marks: str) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    steps = [Step("One", True, "seen"), Step("Two", False, "not seen")]
    assert not show_steps(Console(file=out, width=80), steps)
    out.seek(0)
    half = len(marks) // 2
    assert out.read() == f"{marks[:half]} One (seen)\n{marks[half:]} Two (not seen)\n"


@pytest.mark.parametrize("width", [60, 80, 120, 160, 200])
def test_panels_fit_their_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, record=True)
    show_scene(console, SCENE)
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert sum("What the" in line for line in lines) == (1 if width >= 120 else 3)
