"""Standard output that is named when it can't be written, as when the disk behind it is full."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Any, Final, TextIO

NAME: Final = "standard output"


class _Named(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, NAME) from None


@contextlib.contextmanager
def named() -> Iterator[None]:
    """While the block runs, and when all is written at its end, an OSError has NAME for its file.

    An error that ends the block is told and not one in the writing of what was shown before it.
    """
    with contextlib.redirect_stdout(_own()):
        try:
            yield
        except SystemExit:  # the end of a command, good or bad
            _flush()
            raise
        except BaseException:
            with contextlib.suppress(OSError):
                _flush()
            raise
        _flush()


def _flush() -> None:
    if sys.stdout is not None:  # as it is in a process that was started without one
        sys.stdout.flush()


def _own() -> TextIO:
    """The process's; what somebody has put in its place stays."""
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper) or out is not sys.__stdout__:
        return out
    return io.TextIOWrapper(
        io.BufferedWriter(_Named(out.fileno(), "w", closefd=False)),
        encoding=out.encoding,
        errors="replace",  # a terminal that has no "…" is no reason to end
        line_buffering=out.line_buffering,
        write_through=out.write_through,
    )
