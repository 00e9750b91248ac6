"""Where `extproc fetch` writes what comes, as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Final, final

import httpx

from extproc.cli import stdout
from extproc.cli.fetch_layers import note
from extproc.cli.fetch_meter import Count
from extproc.errors import UserError

STDOUT: Final = "-"


@final
class Output:
    """A file by its name, or standard output; of which no more is in memory than a piece.

    `include`: heads and trailers, too. `live`: each piece is there before the next is awaited.
    """

    def __init__(self, name: str, *, include: bool, live: bool) -> None:
        self.is_terminal = name == STDOUT and sys.stdout.isatty()
        self._name = name
        self._include = include
        self._live = live or self.is_terminal
        self._length = 0
        self._has_begun = False

    def write(self, hops: Sequence[httpx.Response], written: Count) -> None:
        """The last of the responses, which is unread. Raises UserError for what can't be written, and what
        httpx raises while it reads."""
        response = hops[-1]
        with self._opened() as file:
            if self._include:
                file.write(b"".join(map(_head, hops)))
            for piece in response.iter_raw():
                file.write(piece)
                if self._live:
                    file.flush()
                self._length += len(piece)
                written(len(piece))
            if self._include:
                file.write(_trailers(response))
            file.flush()

    def note_incomplete(self) -> None:
        """Say what has become of the body, of which not all has come."""
        if self._has_begun:
            note(f"extproc: {self._shown} is incomplete: {self._length} bytes of the body")

    @property
    def _shown(self) -> str:
        return stdout.NAME if self._name == STDOUT else self._name

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        is_stdout = self._name == STDOUT
        try:
            with nullcontext(sys.stdout.buffer) if is_stdout else Path(self._name).open("wb") as file:
                self._has_begun = True
                yield file
        except BrokenPipeError:  # a reader that leaves is no error
            raise
        except OSError as error:
            raise UserError(f"{self._shown}: {error.strerror} (the request was carried out)") from error


def _head(response: httpx.Response) -> bytes:
    line = f"{response.http_version} {response.status_code} {response.reason_phrase}".encode("ascii")
    return _lines([line, *_fields(response.headers), b""])


def _trailers(response: httpx.Response) -> bytes:
    """On lines of their own, below whatever the body ends with."""
    trailers = response.extensions["trailers"]
    return _lines([b"", *_fields(trailers)]) if trailers else b""


def _fields(headers: httpx.Headers) -> Iterator[bytes]:
    return (name + b": " + value for name, value in headers.raw)


def _lines(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)
