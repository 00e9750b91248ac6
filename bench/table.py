"""Rows for the eye, each as soon as it is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bench.scale import Row

_NAME_WIDTH: Final = 30  # of the longest name
_LEAST_WIDTH: Final = 9


def lines(row: Row, above: Row | None) -> Iterator[str]:
    """The row, below a heading of its own when it has other figures than the one `above` it."""
    if above is None or above.keys() != row.keys():
        yield from () if above is None else ("",)
        yield _line({name: name for name in row})
    yield _line(row)


def _line(cells: Row) -> str:
    name, *figures = ((field, _text(value)) for field, value in cells.items())
    columns = (text.rjust(max(len(field), _LEAST_WIDTH)) for field, text in figures)
    return "  ".join([name[1].ljust(_NAME_WIDTH), *columns])


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.10g}"
