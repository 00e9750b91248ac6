"""docs/operations.md. Invariant: its commands print what it shows, run in its order in an empty folder; its
tables have every field, event and counter that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx

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
