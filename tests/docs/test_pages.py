"""All pages. Invariant: what they point at is there: pages, headings, files, tests."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, links, page, pages, rows, section
from tests.test_house import ROOMS

TEST = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")
SOURCE = re.compile(r"`((?:extproc|tools|envoy|protos|tests)/[\w./-]*)`")
# Of somebody's machine or workplace, or promises that nobody can hold.
FOREIGN = re.compile(r"(?<!\w)/(?:work|home|root|tmp)/|\bTODO\b|blazing|seamless|world-class|military", re.I)
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def named_in(path: str) -> frozenset[str]:
    """The tests in a file, those in classes by their own name."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in found if node.name.startswith("test_"))


@pytest.mark.parametrize("path", pages(), ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in links(path.read_text(encoding="utf-8")):
        if link.startswith(("https://", "http://")):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), link
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("path", pages(), ids=name)
def test_tests_and_files_that_it_names_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for file, test in TEST.findall(text):
        assert (ROOT / file).is_file(), file
        assert not test or test in named_in(file), f"{file}::{test}"
    for file in SOURCE.findall(text):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("path", pages(), ids=name)
def test_it_begins_with_its_title_and_stays_with_its_subject(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.match(r"# \S", text)
    assert not FOREIGN.search(text)
    assert text.endswith("\n")


def test_the_index_has_every_page() -> None:
    listed = {(DOCS / link).resolve() for link in links(page("README.md"))}
    assert set(DOCS.rglob("*.md")) - {DOCS / "README.md"} <= listed
    assert len(page("README.md").splitlines()) <= 50


@pytest.mark.parametrize("path", DECISIONS, ids=name)
def test_a_decision_is_one_page_of_three_parts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 30
    number, title = path.stem.split("-", 1)
    assert title
    first = text.splitlines()[0]
    assert first.startswith(f"# {number}: ")
    assert first.removeprefix(f"# {number}: ") in page("README.md")
    assert re.findall(r"^## (.*)$", text, re.M) == ["Context", "Decision", "Consequence"]


def test_decisions_are_numbered_one_by_one() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize(
    ("file", "heading"),
    [("security.md", "Attacks"), *(("envoy.md", part) for part in ("The filter", "Streams", "Around it"))],
)
def test_every_row_names_the_test_that_shows_it(file: str, heading: str) -> None:
    table = list(rows(section(page(file), heading)))
    assert table
    for row in table:
        assert TEST.search(row[-1]), row[0]


def test_the_floors_are_those_of_the_house() -> None:
    floors = {row[1]: row[0] for row in rows(section(page("architecture.md"), "Floors"))}
    written = {
        room.strip("`/").removesuffix(".py"): int(n)
        for rooms, n in floors.items()
        for room in rooms.split(", ")
    }
    assert written == {room: entry.floor for room, entry in ROOMS.items() if not room.startswith("__")}
