"""What is transferred: bytes that both ends know, and that no layer on the way can make smaller."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from typing import Final

PIECE: Final = 2**16  # bytes: as httpx reads a file that it uploads
_PERIOD: Final = 16 * PIECE
_BLOCK: Final = hashlib.shake_256(b"extproc bench").digest(_PERIOD)
_PIECES: Final = [_BLOCK[start : start + PIECE] for start in range(0, _PERIOD, PIECE)]


def pieces(size: int) -> Iterator[bytes]:
    """The first `size` bytes of the content, in pieces that have been cut before."""
    left = size
    for piece in cycle(_PIECES):
        if left <= PIECE:
            yield piece[:left]
            return
        yield piece
        left -= PIECE


@cache
def digest(size: int) -> str:
    """SHA-256 of the first `size` bytes, in hexadecimal."""
    total = hashlib.sha256()
    for piece in pieces(size):
        total.update(piece)
    return total.hexdigest()
