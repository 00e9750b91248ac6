"""One LMDB file of several processes, written through its map, every block of it reserved.

Writing through the map saves a system call for each page, but a block that is missing on a full disk would be
a SIGBUS there. So the file is as long as its map, has all of its blocks, and grows only when they are had.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple

import lmdb

_LEAST: Final = 2**20
_LOCK_BYTES: Final = 2**14  # LMDB needs half of it, and makes use of the rest
_META_BYTES: Final = 2 * mmap.PAGESIZE  # what LMDB writes into a new file
_BLOCK: Final = 512  # of st_blocks

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class LmdbFile:
    """A file that grows from 1 MiB to `most` bytes. Others in its folder are of no more use, and removed.

    Raises OSError or lmdb.Error, on a full disk as well.
    """

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self._most = most
        with self._alone():
            _remove_others(path)
            self.environment = _open(path, most)
            status = path.stat()
        self._inode, self._size = status.st_ino, status.st_size

    def transact(self, step: Callable[[lmdb.Transaction[bytes], *Ts], T], *arguments: *Ts) -> T:
        """What `step` gives, in one write transaction, which also keeps other processes out.

        It is done again in a file that has grown, by this process or another. Raises lmdb.Error or OSError.
        """
        try:
            with self.environment.begin(write=True) as txn:
                return step(txn, *arguments)
        except (lmdb.MapFullError, lmdb.MapResizedError):
            self._grow()
        with self.environment.begin(write=True) as txn:
            return step(txn, *arguments)

    def is_in_place(self) -> bool:
        """Whether the file is still that of its name."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def close(self) -> None:
        """Unmap it; nothing else must be called again."""
        self.environment.close()

    def _grow(self) -> None:
        with self._alone():
            status = self.path.stat()
            if status.st_ino != self._inode:
                raise FileNotFoundError(f"{self.path} is another file")
            size = status.st_size
            if size == self._size:  # else another process was first
                size = max(size, min(2 * size, self._most))  # never shorter: others have all of it mapped
            _reserve(self.path, size)
            self.environment.set_mapsize(size)
            self._size = size

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from opening or growing it meanwhile."""
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _remove_others(file: Path) -> None:
    for other in file.parent.glob("*.mdb*"):
        if not other.name.startswith(file.name):
            other.unlink(missing_ok=True)


def _open(file: Path, most: int) -> lmdb.Environment:
    _reserve(file.with_name(f"{file.name}-lock"), _LOCK_BYTES)  # which is always written through a map
    if file.exists() and file.stat().st_size < _META_BYTES:
        file.unlink()  # of an attempt that a full disk ended
    # LMDB makes the file as long as the map: never shorter than others have it.
    size = max(file.stat().st_size if file.exists() else 0, min(_LEAST, most))
    # No read transaction is ever opened, so a killed process leaves no reader that pins old pages.
    environment = lmdb.open(
        str(file),
        map_size=size,
        subdir=False,
        mode=0o600,
        sync=False,
        metasync=False,
        writemap=True,
        max_dbs=3,
    )
    try:
        _reserve(file, size)
    except OSError:
        environment.close()
        raise
    return environment


def _reserve(file: Path, length: int) -> None:
    """Have blocks for the first `length` bytes of `file`. Raises OSError when there is no room."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_blocks * _BLOCK < length:
            os.posix_fallocate(descriptor, 0, length)
    finally:
        os.close(descriptor)
