"""The body of a streamed request on its way to the upstream: opened, and counted."""

from __future__ import annotations

from typing import Final

from extproc.errors import Code, LinkError
from extproc.link.envelope import OpenedRequest, RequestReader
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.validation import validate_trailers
from extproc.message import Buffer

_LONGEST_SEGMENT_MS: Final = 120_000  # or whoever lets bytes trickle could hold a request back for days


class Upload:
    """`receive` what comes, `take` what may go on. Both raise LinkError, and then nothing more may."""

    def __init__(self, reader: RequestReader) -> None:
        self.has_ended = False  # well: the outer body, and the message in it
        self._reader = reader
        self._open: list[Buffer] = []
        self._trailers: tuple[pb.Header, ...] = ()
        self._length: int | None = None
        self._taken = 0
        self._began_ms: int | None = None  # what is unfinished of a segment, at the latest

    @property
    def opened(self) -> OpenedRequest | None:
        """The request, once segment 0 has opened."""
        return self._reader.opened

    def receive(self, data: Buffer, now_ms: int, *, end_of_stream: bool) -> None:
        """Some of the outer body."""
        before = len(self._open)
        for chunk in self._reader.receive(data):
            self._open.append(chunk.data)
            self._trailers = chunk.trailers
        if self._began_ms is None or len(self._open) > before:
            self._began_ms = now_ms
        if now_ms - self._began_ms > _LONGEST_SEGMENT_MS:
            raise LinkError(Code.BAD_ENVELOPE, "a segment that takes longer than two minutes")
        if end_of_stream:
            self._reader.end()
            self.has_ended = True

    def hold_to(self, inner: pb.InnerRequest) -> None:
        """Hold the body to the `content-length` of a request that is valid, if it has one."""
        lengths = (int(header.value) for header in inner.headers if header.name == "content-length")
        self._length = next(lengths, None)

    def take(self) -> bytes:
        """What has opened since. Nothing beyond the declared length is given out, and no end short of it.

        The last of that length waits for the end, or an upstream that counts took the request for complete.
        The trailers are checked, and go no further: Envoy has no place for them (RFC 9110, 6.5.1 lets them be
        dropped).
        """
        data = b"".join(self._open)
        self._open = []
        taken = self._taken + len(data)
        if self._length is not None:
            self._check_length(taken, self._length)
            if taken == self._length and not self.has_ended:
                data, self._open = data[:-1], [data[-1:]]
        self._taken += len(data)
        validate_trailers(self._trailers)
        return data

    def _check_length(self, taken: int, length: int) -> None:
        if taken > length or (self.has_ended and taken < length):
            raise LinkError(Code.BAD_REQUEST, f"{taken} bytes, and a content-length of {length}")
