"""A lock between processes, and between threads."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

PATIENCE_S: Final = 5.0  # a holder needs milliseconds; one that is stopped must not stop everyone
_POLL_S: Final = 0.01


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the file at `path`, made if missing and never removed: a new one would be a new lock.

    Raises OSError, TimeoutError after PATIENCE_S. The lock goes with its process, however that ends.
    """
    import fcntl  # noqa: PLC0415 - where there is none (Windows), only what needs a lock does not work

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _wait(partial(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), path)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing would not do: a child that was forked has it open
        os.close(descriptor)


def _wait(take: Callable[[], None], path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return take()
        except BlockingIOError:
            if time.monotonic() >= deadline:
                said = f"locked by another process for {PATIENCE_S:g} s"
                raise TimeoutError(errno.ETIMEDOUT, said, str(path)) from None
        time.sleep(_POLL_S)
