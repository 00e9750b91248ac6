"""Finding, starting, draining and stopping an Envoy.

Invariant: an Envoy either serves or is gone with one sentence that says why, and what it serves it finishes.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import httpx
import pytest

from extproc.bootstrap.build import bootstrap, to_yaml
from extproc.bootstrap.complaints import complaint, rejection
from extproc.bootstrap.find import envoy_version, find_envoy, version_problem
from extproc.bootstrap.run import Envoy
from extproc.errors import UserError
from tests.bootstrap.running import gateway, settings


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_envoy_that_was_asked_for_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, other = script(tmp_path / "named", "true"), script(tmp_path / "envoy", "true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_envoy().name == "envoy"
    assert find_envoy() != other  # the wheel's, before $PATH
    monkeypatch.setenv("EXTPROC_ENVOY", str(other))
    assert find_envoy() == other
    assert find_envoy(named) == named


def test_an_envoy_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^--envoy: expected the path of an Envoy binary, not .*nothing$"):
        find_envoy(tmp_path / "nothing")
    monkeypatch.setenv("EXTPROC_ENVOY", str(tmp_path))
    with pytest.raises(UserError, match=r"^\$EXTPROC_ENVOY: expected"):
        find_envoy()


def test_no_envoy_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match=r"^no Envoy: .*pip install 'extproc\[envoy\]'"):
        find_envoy()


def test_versions(tmp_path: Path) -> None:
    assert envoy_version(find_envoy()) == "1.40.0"
    with pytest.raises(UserError, match="does not run as an Envoy"):
        envoy_version(script(tmp_path / "no-envoy", "echo hello"))
    with pytest.raises(UserError, match="does not run as an Envoy"):
        envoy_version(script(tmp_path / "fails", "exit 3"))
    assert version_problem("1.40.0") is None
    assert version_problem("1.41.0-dev") is None
    assert version_problem("2.0.0") is None
    assert "1.39.9 is too old: expected 1.40.0 or later" in (version_problem("1.39.9") or "")


async def test_two_run_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    async with gateway(tmp_path, toy=False) as one, gateway(tmp_path / "other", toy=False) as other:
        assert one.envoy.address != other.envoy.address
        assert one.envoy.admin.address != other.envoy.admin.address
        assert (await other.ask("open.example.com", "/")).status_code == 200


async def test_the_admin_page_is_on_loopback(tmp_path: Path) -> None:
    async with gateway(tmp_path, toy=False) as running:
        assert running.envoy.admin.address[0] == "127.0.0.1"
        assert await running.envoy.admin.is_ready()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (("upstream_shop", "upstream_chop"), "unknown cluster"),
        (("stat_prefix: ingress", "stat_prefixes: ingress"), "no such field: 'stat_prefixes'"),
        (("function envoy_on_request", "function"), "script load error"),
    ],
)
async def test_one_that_does_not_start_says_why(tmp_path: Path, broken: tuple[str, str], says: str) -> None:
    text = to_yaml(bootstrap(settings(tmp_path))).replace(*broken, 1)
    assert says in (rejection(find_envoy(), text, tmp_path) or "")
    log: list[str] = []
    envoy = Envoy(find_envoy(), on_log=log.append)
    with pytest.raises(UserError, match=r"^Envoy does not start: ") as error:
        await envoy.start(text, tmp_path)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert await envoy.wait() != 0
    assert log


async def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own = settings(tmp_path, listen="127.0.0.1:{1}".format(*taken.getsockname()))
        with pytest.raises(UserError, match=r"cannot bind '127\.0\.0\.1:\d+': Address already in use$"):
            await Envoy(find_envoy(), on_log=lambda _line: None).start(to_yaml(bootstrap(own)), tmp_path)


async def test_a_program_that_can_not_be_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: No such file or directory$"):
        await Envoy(tmp_path / "nothing").start("", tmp_path)


async def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    envoy = Envoy(script(tmp_path / "slow", "exec sleep 60"))
    starting = asyncio.create_task(envoy.start("", tmp_path))
    await asyncio.sleep(0.1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await envoy.wait() == -signal.SIGTERM


async def test_one_that_will_not_stop_is_made_to(tmp_path: Path) -> None:
    envoy = Envoy(script(tmp_path / "deaf", "trap '' TERM; echo deaf >&2; while :; do sleep 0.05; done"))
    starting = asyncio.create_task(envoy.start("", tmp_path))
    await asyncio.sleep(0.2)
    await envoy.stop(within_s=0.1)
    with pytest.raises(UserError, match="Envoy does not start: deaf"):
        await starting
    assert await envoy.wait() == -signal.SIGKILL


async def test_a_log_is_read_to_its_end(tmp_path: Path) -> None:
    """Long lines and a reader of ours that has gone: an Envoy must not stand still for either."""

    def gone(_line: str) -> None:
        raise BrokenPipeError

    noise = "head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo the end >&2; exit 1"
    with pytest.raises(UserError, match=r"^Envoy does not start: the end$"):
        await Envoy(script(tmp_path / "noisy", noise), on_log=gone).start("", tmp_path)


async def test_a_drain_lets_an_open_request_end(tmp_path: Path) -> None:
    async with gateway(tmp_path, toy=False) as running:
        slow = asyncio.create_task(running.ask("open.example.com", "/sleep?s=0.5"))
        await asyncio.sleep(0.2)
        await running.envoy.drain(5)
        assert slow.done()
        answer = await slow
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        await running.envoy.stop()
        with pytest.raises(httpx.ConnectError):
            await running.ask("open.example.com", "/")
        assert await running.envoy.wait() == 0


async def test_a_drain_ends_when_its_time_is_up_or_nobody_is_there(tmp_path: Path) -> None:
    async with gateway(tmp_path, toy=False) as running:
        slow = asyncio.create_task(running.ask("open.example.com", "/sleep?s=30"))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            await running.envoy.drain(0.2)
        await running.envoy.stop()
        await running.envoy.drain(5)
        with pytest.raises(httpx.HTTPError):
            await slow


def test_complaints() -> None:
    lines = [
        "[2026-01-01 00:00:00.000][1][warning][main] [source/a.cc:1] a warning",
        "[2026-01-01 00:00:00.000][1][error][main] [source/a.cc:1] an error",
        "[2026-01-01 00:00:00.000][1][info][main] [source/a.cc:1] exiting",
    ]
    assert complaint(lines) == "an error"
    assert complaint(lines[:1]) == "a warning"
    assert complaint(["something else"]) == "something else"
    assert complaint([]) == "it says nothing"
