"""docs/operations.md. Invariant: its commands print what it shows, run in its order in an empty folder; its
tables have every field, event and counter that there is."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import pytest
import yaml

from extproc.bootstrap.access_log import FIELDS
from tests.docs.consoles import Command, matches, outputs, to_run
from tests.docs.pages import ROOT, blocks, code, page, rows, section
from tests.e2e.stack import Stack, free_port

PAGE = page("operations.md")
LEVELS = {"info": "info", "warning": "warning", "error": "error", "exception": "error", "Log": "info"}
EVENT = re.compile(r"[a-z]+([._][a-z]+)*")


def test_its_commands_print_what_it_shows(tmp_path: Path) -> None:
    script = to_run(blocks(elsewhere(PAGE)))
    printed = outputs(script, tmp_path, timeout_s=120)
    assert len(printed) == len(script), printed[-1]
    wrong = [
        f"$ {command.text}\n{said}\n(expected)\n{command.expected}"
        for command, said in zip(script, printed, strict=True)
        if not matches(command.expected, said)
    ]
    assert not wrong, "\n\n".join(wrong)


def elsewhere(text: str) -> str:
    """The page on free ports, so that it runs beside whatever runs here."""
    for port in ("8443", "9901", "8080"):
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free_port()}")
    return text


def renewal_with_compose() -> tuple[str, list[str]]:
    """The service in which the page's command runs, and what runs there."""
    (line,) = re.findall(r"^    docker compose run --rm (.*)$", PAGE, re.M)
    service, *command = shlex.split(line)
    return service, command


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_the_renewal_with_compose_reaches_what_it_needs() -> None:
    service, command = renewal_with_compose()
    shown = subprocess.run(
        ["docker-compose", "config"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    services = yaml.safe_load(shown)["services"]
    folder, mounts = PurePosixPath(services[service]["working_dir"]), mounted(services[service])
    keys = str(folder / "keys")
    assert str(folder / command[command.index("-c") + 1]) in mounts
    assert str(PurePosixPath(command[command.index("--root") + 1]).parent) in mounts
    volume, is_writable = mounts[keys]
    assert is_writable
    assert mounted(services["processor"])[keys][0] == volume
    assert not services[service].get("entrypoint")


def mounted(service: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """By the place in the container: what is mounted there, and whether it can be written to."""
    found = {}
    for mount in service["volumes"]:
        if isinstance(mount, str):  # by docker-compose 1; 2 has mappings
            source, target, mode = mount.split(":")
            found[target] = (source, mode == "rw")
        else:
            found[mount["target"]] = (mount["source"], not mount.get("read_only"))
    return found


def test_the_renewal_with_compose_renews(tmp_path: Path) -> None:
    """The two commands of that service, the first and the renewal, the root key in this folder."""
    _, renewal = renewal_with_compose()
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (tmp_path / "gateway.yaml").write_bytes((ROOT / "envoy/gateway.yaml").read_bytes())
    serials = []
    for command in (shlex.split(services["keys"]["command"]), renewal):
        program, *arguments = [word.replace("/var/lib/extproc-root", str(tmp_path)) for word in command]
        assert program == "extproc"
        run = [sys.executable, "-m", "extproc", *arguments, "--json"]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
        serials.append(json.loads(done.stdout)["serial"])
    assert serials[1] == serials[0] + 1


def test_what_the_shell_is_given() -> None:
    command = Command("echo a", "a…\n…\nz")
    assert matches(command.expected, "abc\nx\ny\nz")
    assert not matches(command.expected, "b\nz")


def first_column(heading: str, table: str) -> list[str]:
    """The names in the table whose first heading is `table`."""
    (found,) = re.findall(rf"^\| {table} \|.*\n(?:\|.*\n)+", section(PAGE, heading), re.M)
    return [code(row[0]) for row in rows(found)]


def test_every_field_of_the_access_log_is_there() -> None:
    assert set(first_column("Logs", "field")) == set(FIELDS)


def logged() -> set[tuple[str, str]]:
    """Every event in the code with its level: calls such as log.info("worker.ready"), and Log actions."""
    found = set()
    for room in ("server", "cli", "exchange"):
        for path in (ROOT / "extproc" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    name, event = getattr(node.func, "attr", getattr(node.func, "id", "")), node.args[0].value
                    if name in LEVELS and isinstance(event, str) and EVENT.fullmatch(event):
                        found.add((event, LEVELS[name]))
    return found


def test_every_event_of_the_log_is_there() -> None:
    (table,) = re.findall(r"^\| event \|.*\n(?:\|.*\n)+", section(PAGE, "Logs"), re.M)
    assert {(code(row[0]), row[1]) for row in rows(table)} == logged()


def test_every_counter_is_one_of_envoys(stack: Stack) -> None:
    stats = httpx.get(f"{stack.admin}/stats?format=json").json()["stats"]
    named = first_column("Health and numbers", "counter of Envoy's")
    assert {name.replace("<name>", "shop") for name in named} <= {stat.get("name") for stat in stats}
