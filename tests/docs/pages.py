"""The pages of docs/ as data: tables, fenced blocks, links, headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"(?:<!-- (?P<mark>[^>]*) -->\n)?```(?P<kind>[a-z]*)\n(?P<text>.*?)^```$", re.M | re.S)
_HEADING = re.compile(r"^#+ +(.*)$", re.M)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CELLS = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block, what kind it says it is, and the comment right above it."""

    kind: str
    text: str
    mark: str


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def pages() -> list[Path]:
    """Every page, README.md of the repository among them."""
    return [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]


def blocks(text: str, kind: str | None = None) -> list[Block]:
    found = (Block(match["kind"], match["text"], match["mark"] or "") for match in _FENCE.finditer(text))
    return [block for block in found if kind in {None, block.kind}]


def prose(text: str) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text)


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table, but for headings."""
    for table in re.findall(r"(?:^\|.*\n)+", prose(text), re.M):
        for line in table.splitlines()[2:]:
            yield [cell.strip().replace("\\|", "|") for cell in _CELLS.split(line)[1:-1]]


def section(text: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = next(line for line in text.splitlines() if line.lstrip("# ") == heading and line[0] == "#")
    depth = len(level) - len(level.lstrip("#"))
    _, _, rest = text.partition(f"{level}\n")
    return re.split(rf"^#{{1,{depth}}} ", rest, maxsplit=1, flags=re.M)[0]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    plain = (re.sub(r"[`*]", "", heading).lower() for heading in _HEADING.findall(prose(text)))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def links(text: str) -> list[str]:
    return _LINK.findall(prose(text))


def code(cell: str) -> str:
    """What stands in a cell in code marks, without them."""
    return cell.removeprefix("`").removesuffix("`")
