"""The request that `extproc fetch` is asked for. A body is in hand, or a file that is read as it is sent."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final, final
from urllib.parse import quote

import httpx

from extproc import __version__
from extproc.cli.fetch_meter import Count
from extproc.cli.fetch_options import Asked
from extproc.errors import UserError

STDIN: Final = "-"
_FORM: Final = "application/x-www-form-urlencoded"
_PIECE: Final = 2**16
_IN_HAND: Final = 2**20  # so that it can be sealed once more, if the clock is wrong

Counter = Callable[[str, int | None], Count]


@final
class Upload:
    """A file, for httpx to iterate over: up to its length, or, if that is None, for as long as something
    comes, and then only once."""

    def __init__(self, file: FileIO, length: int | None, sent: Count) -> None:
        self._file, self._length, self._sent = file, length, sent
        self._is_spent = False

    def __iter__(self) -> Iterator[bytes]:
        if self._length is not None:
            self._file.seek(0)
        elif self._is_spent:
            raise UserError("what came by a pipe can't be sent again to where the upstream redirects")
        self._is_spent = True
        left = sys.maxsize if self._length is None else self._length
        while piece := self._file.read(min(_PIECE, left)):
            yield piece
            left -= len(piece)
            self._sent(len(piece))


@contextmanager
def request_of(asked: Asked, counter: Counter) -> Iterator[httpx.Request]:
    """The request. The file to be uploaded is open for as long as the block runs; what of it has been sent
    is counted."""
    if asked.data is not None and asked.upload:
        raise UserError("expected -d or -T, not both")
    if not asked.upload:
        body = None if asked.data is None else b"&".join(_read(part) for part in asked.data)
        method, form = ("GET", []) if body is None else ("POST", [("content-type", _FORM)])
        yield _request(asked, method, _url(asked.url), form, body)
        return
    url = _named(_url(asked.url), asked.upload)
    with _opened(asked.upload) as file:
        length = None if asked.upload == STDIN else _length(file)
        told = [] if length is None else [("content-length", str(length))]
        upload = Upload(file, length, counter("Up", length))
        is_short = length is not None and length <= _IN_HAND
        yield _request(asked, "PUT", url, told, b"".join(upload) if is_short else upload)


def _request(
    asked: Asked, method: str, url: httpx.URL, fields: list[tuple[str, str]], body: bytes | Upload | None
) -> httpx.Request:
    """`method` and `fields` are what the caller may put others in the place of."""
    if not asked.method.isascii():
        raise UserError(f"expected a method such as GET, not {asked.method!r}")
    defaults = [("user-agent", f"extproc/{__version__}"), ("accept", "*/*"), *fields]
    given = [_field(line) for line in asked.lines]
    names = {name.lower() for name, _ in given}
    own = [pair for pair in defaults if pair[0] not in names]
    own += [(name, value) for name, value in given if value is not None]
    headers = [(_bytes(name), _bytes(value)) for name, value in own]
    return httpx.Request(asked.method or method, url, headers=headers, content=body)


def _url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
        is_whole = url.scheme in {"http", "https"} and url.host  # which is decoded as it is read
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UserError(f"{text!r} is no URL: {error}") from error
    if not is_whole:
        raise UserError(f'expected a URL such as "https://shop.example.com/", not {text!r}')
    return url


def _named(url: httpx.URL, upload: str) -> httpx.URL:
    """Curl's rule: where the URL ends with a slash, the file keeps its name."""
    path, mark, query = url.raw_path.partition(b"?")
    if upload == STDIN or not path.endswith(b"/"):
        return url
    name = quote(os.fsencode(Path(upload).name), safe="").encode("ascii")
    return url.copy_with(raw_path=path + name + mark + query)


def _opened(name: str) -> FileIO:
    return FileIO(sys.stdin.fileno(), closefd=False) if name == STDIN else FileIO(name)


def _length(file: FileIO) -> int | None:
    """None for a pipe, and for what is a file by name only, as in /proc, whose length is 0."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_size else None


def _bytes(argument: str) -> bytes:
    """An argument as it was typed, in whatever encoding."""
    return argument.encode("utf-8", "surrogateescape")


def _read(part: str) -> bytes:
    if part == "@-":
        return sys.stdin.buffer.read()
    return Path(part[1:]).read_bytes() if part.startswith("@") else _bytes(part)


def _field(line: str) -> tuple[str, str | None]:
    """Curl's notation: `Name: value`, `Name:` for leaving it out, `Name;` for an empty one."""
    name, colon, value = line.partition(":")
    if colon and name.strip():
        return name.strip(), value.strip() or None
    if line.endswith(";") and len(line) > 1:
        return line[:-1], ""
    raise UserError(f"expected a header such as 'Name: value', not {line!r}")
