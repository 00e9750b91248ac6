"""Replay stores: exchange ids remembered for `KEEP_MS` (docs/protocol.md, section 8).

Both fail closed: a store that is full or broken answers UNAVAILABLE, and never forgets a live id to make
room. An id that has outlived its time is forgotten a little later, a few at each check, so that no check
pays for a crowd; until then it is still SEEN, which harms nobody: no request that old is fresh.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import lmdb
import structlog

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.link.replay import KEEP_MS, ReplayStore, Verdict
from extproc.server.state import private_folder

_PURGED_PER_CHECK: Final = 8  # above 1, so that the store shrinks faster than it grows
_BYTES_PER_ID: Final = 256  # both trees, half-full pages, and the pages that the next transaction needs
_MINIMUM_MAP: Final = 2**20
_LOCK_BYTES: Final = 2**14  # LMDB needs half of it, and makes use of the rest
_META_BYTES: Final = 2 * mmap.PAGESIZE  # what LMDB writes into a new file
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_CREATED_AT: Final = b"created_at_ms"
_U64: Final = struct.Struct(">Q")


def open_store(settings: Settings, now_ms: int) -> ReplayStore:
    """The store that `link.replay` names; an LMDB store is made, empty, when there is none. UserError."""
    capacity = settings.link.replay_capacity
    if settings.link.replay == "memory":
        return MemoryStore(capacity, now_ms)
    state_dir = private_folder(settings.path(settings.state_dir))
    return LmdbStore(state_dir / "replay", capacity, now_ms)


class MemoryStore:
    """The store of a single worker: at most `capacity` ids, forgotten when the process ends."""

    def __init__(self, capacity: int, now_ms: int) -> None:
        self.created_at_ms = now_ms
        self._capacity = capacity
        self._ids: set[bytes] = set()
        self._by_expiry: list[tuple[int, bytes]] = []

    def check(self, exchange_id: bytes, now_ms: int) -> Verdict:
        """See `ReplayStore.check`."""
        self._purge(now_ms)
        if exchange_id in self._ids:
            return Verdict.SEEN
        if len(self._ids) >= self._capacity:
            return Verdict.UNAVAILABLE
        self._ids.add(exchange_id)
        heapq.heappush(self._by_expiry, (now_ms + KEEP_MS, exchange_id))
        return Verdict.FRESH

    def can_tell(self, now_ms: int) -> bool:
        """See `ReplayStore.can_tell`."""
        self._purge(now_ms)
        return len(self._ids) < self._capacity

    def _purge(self, now_ms: int) -> None:
        for _ in range(_PURGED_PER_CHECK):
            if not self._by_expiry or self._by_expiry[0][0] > now_ms:
                return
            self._ids.remove(heapq.heappop(self._by_expiry)[1])


class LmdbStore:
    """The store of all workers of a machine: at most `capacity` ids in an LMDB file in `folder`.

    Nothing is synced, for speed: a killed process loses nothing, but a machine that goes down may lose the
    last writes, or their order. So the file is of one boot of the machine, by its name: after the next
    boot it is not even opened, and the store begins empty and says so by `created_at_ms`.
    """

    def __init__(self, folder: Path, capacity: int, now_ms: int, boot_id: str | None = None) -> None:
        self._capacity = capacity
        self._next_purge_ms = 0  # no id is to be forgotten before: other workers add none that is
        self._log = structlog.get_logger("extproc.replay")
        try:
            file = private_folder(folder) / f"{boot_id or _read_boot_id()}.mdb"
            with _alone(folder):
                _remove_other_boots(file)
                self._env = _open_environment(file, capacity)
            self._file, self._inode = file, file.stat().st_ino
            self._open_tables(now_ms)
        except lmdb.Error as error:
            raise UserError(f"{folder}: the replay store can't be opened: {error}") from None
        except OSError as error:
            raise UserError(f"{folder}: the replay store can't be opened: {error.strerror}") from None

    def _open_tables(self, now_ms: int) -> None:
        """In one transaction, so that processes that open at once agree on `created_at_ms`."""
        with self._env.begin(write=True) as txn:
            meta = self._env.open_db(b"meta", txn)
            self._ids = self._env.open_db(b"ids", txn)
            self._by_expiry = self._env.open_db(b"by_expiry", txn)
            txn.put(_CREATED_AT, _U64.pack(now_ms), overwrite=False, db=meta)
            (self.created_at_ms,) = _U64.unpack(txn.get(_CREATED_AT, b"", db=meta))

    def check(self, exchange_id: bytes, now_ms: int) -> Verdict:
        """See `ReplayStore.check`. One write transaction, which also keeps the other workers out."""
        if not self._is_in_place():  # another worker may have made a new one
            self._log.error("replay.error", reason=f"{self._file} was removed: restart all workers")
            return Verdict.UNAVAILABLE
        try:
            with self._env.begin(write=True) as txn:
                self._purge(txn, now_ms)
                return self._insert(txn, exchange_id, now_ms)
        except lmdb.Error as error:
            self._log.error("replay.error", reason=str(error))
            return Verdict.UNAVAILABLE

    def can_tell(self, now_ms: int) -> bool:
        """See `ReplayStore.can_tell`."""
        try:
            with self._env.begin(write=True) as txn:
                self._purge(txn, now_ms)
                entries: int = txn.stat(self._ids)["entries"]
        except lmdb.Error:
            return False
        return self._is_in_place() and entries < self._capacity

    def close(self) -> None:
        """Unmap the file; `check` must not be called again."""
        self._env.close()

    def _is_in_place(self) -> bool:
        try:
            return self._file.stat().st_ino == self._inode
        except OSError:
            return False

    def _insert(self, txn: lmdb.Transaction[bytes], exchange_id: bytes, now_ms: int) -> Verdict:
        if txn.stat(self._ids)["entries"] >= self._capacity:
            return Verdict.UNAVAILABLE if txn.get(exchange_id, db=self._ids) is None else Verdict.SEEN
        if not txn.put(exchange_id, b"", overwrite=False, db=self._ids):
            return Verdict.SEEN
        txn.put(_U64.pack(now_ms + KEEP_MS) + exchange_id, b"", db=self._by_expiry)
        return Verdict.FRESH

    def _purge(self, txn: lmdb.Transaction[bytes], now_ms: int) -> None:
        if now_ms < self._next_purge_ms:
            return
        with txn.cursor(self._by_expiry) as oldest:
            for _ in range(_PURGED_PER_CHECK):
                if not oldest.first():
                    self._next_purge_ms = now_ms + KEEP_MS
                    return
                (expires_at_ms,) = _U64.unpack_from(oldest.key())
                if expires_at_ms > now_ms:
                    self._next_purge_ms = expires_at_ms
                    return
                txn.delete(oldest.key()[_U64.size :], db=self._ids)
                oldest.delete()


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from opening a store in `folder` meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_environment(file: Path, capacity: int) -> lmdb.Environment:
    """Called by one process at a time. Raises OSError or lmdb.Error, on a full disk as well."""
    # LMDB writes its lock file through a map, where a block that is missing on a full disk is a SIGBUS.
    _reserve(file.with_name(f"{file.name}-lock"), _LOCK_BYTES)
    if file.exists() and file.stat().st_size < _META_BYTES:
        file.unlink()  # of an attempt that a full disk ended
    environment = _open_lmdb(file, capacity)
    try:
        _reserve(file, _MINIMUM_MAP)
    except OSError:
        environment.close()
        raise
    return environment


def _reserve(file: Path, length: int) -> None:
    """Have blocks for the first `length` bytes of `file`. Raises OSError when there is no room."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(descriptor).st_size < length:  # else they were reserved when it was made
            os.posix_fallocate(descriptor, 0, length)
    finally:
        os.close(descriptor)


def _open_lmdb(file: Path, capacity: int) -> lmdb.Environment:
    # No writemap: the data goes by pwrite, for which a full disk is an error.
    # `check` never opens a read transaction, so a killed worker leaves no reader that pins old pages.
    return lmdb.open(
        str(file),
        map_size=_MINIMUM_MAP + capacity * _BYTES_PER_ID,
        subdir=False,
        mode=0o600,
        sync=False,
        metasync=False,
        max_dbs=3,
    )


def _read_boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def _remove_other_boots(file: Path) -> None:
    for other in file.parent.glob("*.mdb*"):
        if not other.name.startswith(file.name):
            other.unlink(missing_ok=True)
