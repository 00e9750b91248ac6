"""A YAML file as plain values that remember where they stood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from extproc.config.fields import Loc

_MERGE: Final = "tag:yaml.org,2002:merge"
_KINDS: Final[dict[type[Node], str]] = {MappingNode: "a mapping", SequenceNode: "a list"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence, the line it is about and the dotted key, as far as they are known.

    `hides`: the value at `loc` was not read, so that whatever else is wrong with it only follows from this.
    """

    text: str
    line: int | None = None
    loc: Loc = ()
    hides: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stood, and how it was written there."""

    line: int
    shown: str


@dataclass(slots=True)
class Document:
    value: object = None
    places: dict[Loc, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, loc: Loc) -> Place | None:
        """Where `loc` stood, or the closest value around it that is there."""
        return next(
            (self.places[loc[:end]] for end in range(len(loc), -1, -1) if loc[:end] in self.places), None
        )

    def rename(self, old: Loc, new: Loc) -> None:
        """Let what stood at `old` be found at `new` as well."""
        moved = {loc: place for loc, place in self.places.items() if loc[: len(old)] == old}
        self.places |= {new + loc[len(old) :]: place for loc, place in moved.items()}


def read(text: str) -> Document:
    """The one document in `text`. What is wrong with it as YAML is among its problems."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return _Reader(loader).read(node) if node is not None else Document()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return Document(problems=[Problem(f"a control character ({error.character:#04x})", line)])
    except yaml.MarkedYAMLError as error:
        return Document(problems=[_syntax(error)])
    finally:
        if loader is not None:
            loader.dispose()


def _syntax(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    text = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(f"not YAML: {text}", None if mark is None else mark.line + 1)


class _Reader:
    """Turns composed nodes into values, noting places and problems on the way."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._open: list[Node] = []  # the nodes around the one being read: an alias may lead back to one
        self._document = Document()

    def read(self, root: Node) -> Document:
        self._document.value = self._value(root, (), _line(root))
        return self._document

    def _value(self, node: Node, loc: Loc, line: int) -> object:
        if any(node is around for around in self._open):
            self._problem(node, loc, "an alias that contains itself")
            return None
        self._open.append(node)
        value = self._construct(node, loc)
        self._open.pop()
        self._document.places[loc] = Place(line, _shown(node, value))
        return value

    def _construct(self, node: Node, loc: Loc) -> object:
        match node:
            case MappingNode():
                return {
                    key: self._value(value, (*loc, key), line)
                    for key, line, value in self._entries(node, loc)
                }
            case SequenceNode():
                return [
                    self._value(item, (*loc, place), _line(item)) for place, item in enumerate(node.value)
                ]
        return self._scalar(node, loc)

    def _entries(self, mapping: MappingNode, loc: Loc) -> Iterator[tuple[str, int, Node]]:
        seen: dict[str, int] = {}
        for key, value in mapping.value:
            if not isinstance(key, ScalarNode):
                self._problem(key, loc, f"expected a name as the key, not {_KINDS.get(type(key))}")
            elif key.tag == _MERGE:
                self._problem(key, loc, "merge keys (<<) are not supported; write the entries out")
            elif key.value in seen:
                self._problem(
                    key, (*loc, key.value), f"given twice, first in line {seen[key.value]}", hides=False
                )
            else:
                seen[key.value] = _line(key)
                yield key.value, _line(key), value

    def _scalar(self, node: Node, loc: Loc) -> object:
        try:
            value: object = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):  # ValueError: a date such as 2026-13-01
            value = b""
        if isinstance(value, bytes):
            self._problem(node, loc, f"expected a plain value, not {node.tag} {node.value}")
            return None
        return value

    def _problem(self, node: Node, loc: Loc, text: str, *, hides: bool = True) -> None:
        self._document.problems.append(Problem(text, _line(node), loc, hides))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(node: Node, value: object) -> str:
    if not isinstance(node, ScalarNode):
        return _KINDS.get(type(node), "that")
    if value is None:
        return "nothing"
    text = node.value if len(node.value) <= 60 else node.value[:57] + "..."
    return f'"{text}"' if isinstance(value, str) else text
