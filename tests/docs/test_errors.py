"""docs/errors.md. Invariant: every code is there, with its own status; every sentence is one that is said."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from extproc.client import errors as client
from extproc.errors import FAULTS, PROBLEMS, STATUS, Code
from tests.docs.pages import ROOT, code, page, rows, section

PAGE = page("errors.md")


def table(heading: str) -> dict[str, list[str]]:
    return {code(row[0]): row[1:] for row in rows(section(PAGE, heading))}


@pytest.mark.parametrize(("heading", "codes"), [("Outer problems", PROBLEMS), ("Sealed faults", FAULTS)])
def test_every_code_is_there_with_its_status(heading: str, codes: frozenset[Code]) -> None:
    found = table(heading)
    assert set(found) == set(codes)
    for name, (status, means, remedy) in found.items():
        assert int(status) == STATUS[Code(name)]
        assert means
        assert remedy


def test_every_code_of_the_client_is_there() -> None:
    own = {value for name, value in vars(client).items() if name.isupper() and isinstance(value, str)}
    found = table("What the SDK raises")
    assert set(found) == own
    assert {name: row[0] for name, row in found.items()} == {
        client.DIRECTORY: "`False`",
        client.BAD_RESPONSE: "`True`",
        client.TRUNCATED: "`True`",
        client.GATEWAY: "`True`",
    }


def sentences() -> Iterator[str]:
    """Every text in the code, with … where a value goes."""
    for path in sorted((ROOT / "extproc").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_sentence_is_one_that_is_said() -> None:
    said = list(sentences())
    for sentence in table("Settings"):
        pieces = [piece.strip(" ,:") for piece in sentence.split("…")]
        assert any(all(piece in text for piece in pieces) for text in said), sentence
