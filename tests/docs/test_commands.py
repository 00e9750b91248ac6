"""docs/commands.md. Invariant: it has every command, option and default, and no other; its JSON is what the
commands print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from extproc.cli.commands import app
from tests.docs.pages import Block, blocks, code, page, rows, section

PAGE = page("commands.md")
GATEWAY = """
listen: 127.0.0.1:0
admin: 127.0.0.1:0
link: { origins: ["https://gw.example.com"] }
upstreams: { shop: { endpoints: ["127.0.0.1:1"] } }
routes: [{ host: shop.example.com, upstream: shop }]
"""


def commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if command.params:
        yield name, command
    for below, sub in getattr(command, "commands", {}).items():
        yield from commands(sub, f"{name} {below}")


COMMANDS = dict(commands(typer.main.get_command(app), "extproc"))


def written(parameter: Any) -> str:
    """A parameter as the page writes it: `-c`, `--config FILE`."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    names = sorted(parameter.opts, key=len)
    if parameter.metavar:
        names[-1] += f" {parameter.metavar}"
    return ", ".join(f"`{name}`" for name in names)


def default(parameter: Any) -> str | None:
    """The default that the page has to have in code marks; None where it is up to the page's words."""
    if parameter.envvar:
        return f"${parameter.envvar}"
    if parameter.default in {None, "", False}:
        return None
    return str(parameter.default.value if isinstance(parameter.default, Enum) else parameter.default)


def test_every_command_is_there_in_a_section_of_its_own() -> None:
    headings = {line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## extproc")}
    assert headings == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_its_options_are_there_and_no_other(name: str) -> None:
    table = {row[0]: row for row in rows(section(PAGE, name))}
    parameters = {written(parameter): parameter for parameter in COMMANDS[name].params}
    assert set(table) == set(parameters)
    for key, parameter in parameters.items():
        if (expected := default(parameter)) is not None:
            assert code(table[key][1]) == expected, key


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "extproc"])
def test_it_has_an_example_that_parses(name: str) -> None:
    examples = [line.strip() for line in section(PAGE, name).splitlines() if line.startswith(f"    {name}")]
    assert examples
    for example in examples:
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert {word for word in example.split() if word.startswith("-")} <= known


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a gateway has just been given its keys."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    return tmp_path


@pytest.mark.parametrize("block", blocks(PAGE, "json"), ids=lambda block: block.mark)
def test_the_json_has_the_shape_that_is_printed(block: Block, folder: Path) -> None:
    init = CliRunner().invoke(app, ["keys", "init", "--root", "root.pem", "--json"])
    arguments = [*block.mark.split()[1:], "--json"]
    run = init if arguments[1] == "init" else CliRunner().invoke(app, arguments)
    assert shape(json.loads(block.text)) == shape(json.loads(run.stdout))


def shape(value: Any) -> Any:
    """Names and kinds of values, of a list those of its first entry."""
    if isinstance(value, dict):
        return {name: shape(content) for name, content in value.items()}
    if isinstance(value, list):
        return [shape(entry) for entry in value[:1]]
    return type(value)
