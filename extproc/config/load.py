"""Reads `gateway.yaml`, and says of every mistake in it the line, the key, and what was expected there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from extproc.config.document import Document, Problem, read
from extproc.config.fields import Loc
from extproc.config.phrases import phrases, suggestion
from extproc.config.settings import Settings
from extproc.errors import UserError

_OWN = "folder"  # ours to fill in, no key of the file


class SettingsError(UserError):
    """Everything that is wrong with a settings file, one line each."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        problems = sorted(problems, key=lambda problem: problem.line or 0)
        self.lines = tuple(dict.fromkeys(_line(path, problem) for problem in problems))
        super().__init__("\n".join(self.lines))


def load(path: Path) -> Settings:
    """The settings in the file at `path`. Raises UserError: SettingsError for what is wrong inside it."""
    document = read(_text(path))
    if not isinstance(document.value, dict):
        raise SettingsError(path, document.problems or [_no_mapping(document)])
    problems = [*document.problems, *_unknown_keys(document, document.value)]
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        problems += _wrong_values(document, error)
    if problems:
        raise SettingsError(path, problems)
    return settings.model_copy(update={_OWN: path.parent})


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"{path}: expected the gateway's settings, but there is no such file") from error
    except OSError as error:
        raise UserError(f"{path}: can not be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(path, [Problem("expected UTF-8 text", line)]) from error


def _no_mapping(document: Document) -> Problem:
    place = document.place(())
    stood = "an empty file" if place is None or document.value is None else place.shown
    return Problem(f"expected the keys listen, link, upstreams and routes, not {stood}", 1)


def _unknown_keys(document: Document, value: dict[str, object]) -> list[Problem]:
    """Take the unknown keys out of `value`; where one was meant for another, read it as that one.

    So a misspelled key is one mistake, not also a missing one, and what stands below it is checked as well.
    """
    problems: list[Problem] = []
    while unknown := _unknown(value):
        for loc in unknown:
            mapping = _mapping_at(value, loc[:-1])
            name, meant = str(loc[-1]), suggestion(loc)
            hint = "" if meant is None else f'; did you mean "{meant}"?'
            problems.append(_problem(document, loc, f"unknown key{hint}"))
            content = mapping.pop(name)
            if meant is not None and meant not in mapping:
                mapping[meant] = content
                document.rename(loc, (*loc[:-1], meant))
    return problems


def _unknown(value: dict[str, object]) -> list[Loc]:
    own: list[Loc] = [(_OWN,)] if _OWN in value else []
    try:
        Settings.model_validate(value)
    except ValidationError as error:
        own += [details["loc"] for details in error.errors() if details["type"] == "extra_forbidden"]
    return own


def _mapping_at(value: Any, loc: Loc) -> dict[str, object]:
    for part in loc:
        value = value[part]
    mapping: dict[str, object] = value
    return mapping


def _wrong_values(document: Document, error: ValidationError) -> list[Problem]:
    """What pydantic found, but for what follows from another mistake at the same place or below it."""
    unread = [problem.loc for problem in document.problems if problem.hides]
    details = error.errors()
    return [
        _problem(document, loc, text)
        for entry in details
        if not _follows(entry, [other["loc"] for other in details])
        for loc, text in phrases(entry, document)
        if not any(loc[: len(around)] == around for around in unread)
    ]


def _follows(entry: ErrorDetails, others: list[Loc]) -> bool:
    """A list counts as too short for the items that were wrong."""
    own = entry["loc"]
    return entry["type"] == "too_short" and any(
        len(other) > len(own) and other[: len(own)] == own for other in others
    )


def _problem(document: Document, loc: Loc, text: str) -> Problem:
    place = document.place(loc)
    return Problem(text, None if place is None else place.line, loc)


def _line(path: Path, problem: Problem) -> str:
    where = str(path) if problem.line is None else f"{path}:{problem.line}"
    key = "".join(f"{part}." for part in problem.loc)[:-1]
    line = f"{where}: {key}: {problem.text}" if key else f"{where}: {problem.text}"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
