"""HTTP/1.1 messages as Envoy writes them, read at no more cost than they need. Bytes in, events out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_END_OF_LINE: Final = b"\r\n"


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and the fields below it, as they came: nothing is read but what somebody asks for."""

    raw: bytes = b""  # without the empty line at its end

    @property
    def line(self) -> str:
        return self.raw.partition(_END_OF_LINE)[0].decode("latin-1")

    def get(self, name: bytes) -> bytes | None:
        """The value of the first field of that name, which is in lower case; None: there is none."""
        before, found, _ = self.raw.lower().partition(b"\r\n%b:" % name)
        if not found:
            return None
        return self.raw[len(before) + len(found) :].partition(_END_OF_LINE)[0].strip()


@dataclass(frozen=True, slots=True)
class End:
    """The message is whole."""


Event = Head | bytes | End
_END: Final = End()


class MessageReader:
    """Reads the messages of one connection, one after the other: a Head, bytes of the body, an End.

    Each body has a length or is chunked: there are no answers without a body, and none up to the close.
    """

    def __init__(self) -> None:
        self._held = b""
        self._at = 0
        self._left = 0  # of a body or chunk
        self._step = self._head

    def receive(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes. ValueError for what is no HTTP."""
        self._held = self._held[self._at :] + data
        self._at = 0
        while (event := self._step()) is not None:
            yield event

    def _head(self) -> Event | None:
        end = self._held.find(_END_OF_HEAD, self._at)
        if end < 0:
            return None
        head = Head(self._held[self._at : end])
        self._at = end + len(_END_OF_HEAD)
        length = head.get(b"content-length")
        self._left = int(length or 0)
        is_chunked = length is None and head.get(b"transfer-encoding") == b"chunked"
        self._step = self._chunk_size if is_chunked else self._body
        return head

    def _body(self) -> Event | None:
        return self._take() if self._left else self._end()

    def _chunk_size(self) -> Event | None:
        line = self._line()
        if line is None:
            return None
        self._left = int(line.partition(b";")[0], 16)
        self._step = self._chunk if self._left else self._trailers
        return self._step()

    def _chunk(self) -> Event | None:
        if self._left:
            return self._take()
        if self._line() is None:
            return None
        self._step = self._chunk_size
        return self._step()

    def _trailers(self) -> Event | None:
        while line := self._line():
            pass
        return None if line is None else self._end()

    def _end(self) -> End:
        self._step = self._head
        return _END

    def _take(self) -> bytes | None:
        piece = self._held[self._at : self._at + self._left]
        self._at += len(piece)
        self._left -= len(piece)
        return piece or None

    def _line(self) -> bytes | None:
        end = self._held.find(_END_OF_LINE, self._at)
        if end < 0:
            return None
        line = self._held[self._at : end]
        self._at = end + len(_END_OF_LINE)
        return line
