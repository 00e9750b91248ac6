"""What pydantic found wrong, as an operator would say it."""

from __future__ import annotations

import difflib
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from extproc.config.document import Document
from extproc.config.fields import Loc, ProblemsError
from extproc.config.settings import Settings

_EXPECTED: Final = {
    "string_type": "text",
    "path_type": "a path",
    "int_type": "a whole number",
    "int_parsing_size": "a smaller number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_BOUNDS: Final = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def phrases(entry: ErrorDetails, document: Document) -> list[tuple[Loc, str]]:
    """One of pydantic's errors as places and sentences: what was expected there, and what stood there."""
    loc = tuple(part for part in entry["loc"] if part != "[key]")
    cause = entry.get("ctx", {}).get("error")
    if isinstance(cause, ProblemsError):
        return [((*loc, *below), text) for below, text in cause.found]
    if entry["type"] == "too_short":
        return [(loc, "expected at least one entry")]
    if entry["type"] == "missing":
        return [(loc, f"missing{_example(loc)}")]
    expected = f"expected {_expected(entry)}" if cause is None else str(cause)
    place = document.places.get(loc)
    stood = f'"{loc[-1]}"' if entry["loc"][-1] == "[key]" else "that" if place is None else place.shown
    return [(loc, f"{expected}, not {stood}")]


def _expected(entry: ErrorDetails) -> str:
    context = entry.get("ctx", {})
    if entry["type"] == "literal_error":
        return str(context["expected"]).replace("'", "")
    if entry["type"] in _BOUNDS:
        name, words = _BOUNDS[entry["type"]]
        return f"{words} {context[name]}"
    return _EXPECTED.get(entry["type"], "another kind of value")


def _example(loc: Loc) -> str:
    model = _model_at(loc[:-1])
    described = None if model is None else model.model_fields[str(loc[-1])].description
    return "" if described is None else f"; expected {described}"


def suggestion(loc: Loc) -> str | None:
    """The known key that an unknown one was probably meant for."""
    model = _model_at(loc[:-1])
    names = [] if model is None else [name for name, info in model.model_fields.items() if not info.exclude]
    return next(iter(difflib.get_close_matches(str(loc[-1]), names, n=1, cutoff=0.7)), None)


def _model_at(loc: Loc) -> type[BaseModel] | None:
    """The model that describes the mapping at `loc`."""
    kind: Any = Settings
    for part in loc:
        kind = _inside(kind, part)
    kind = _plain(kind)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _inside(kind: Any, part: str | int) -> Any:
    kind = _plain(kind)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        info: FieldInfo | None = kind.model_fields.get(str(part))
        return None if info is None else info.annotation
    return (get_args(kind) or (None,))[-1 if get_origin(kind) is dict else 0]


def _plain(kind: Any) -> Any:
    """`kind` without Annotated and `| None`."""
    while hasattr(kind, "__metadata__") or get_origin(kind) in {Union, UnionType}:
        kind = get_args(kind)[0]
    return kind
