"""Replay stores: exchange ids remembered for `KEEP_MS` (docs/protocol.md, section 8).

Both fail closed: a store that is full or broken answers UNAVAILABLE, and never forgets a live id to make
room. An id that has outlived its time is forgotten a little later, a few at each check, so that no check
pays for a crowd; until then it is still SEEN, which harms nobody: no request that old is fresh.
"""

from __future__ import annotations

import heapq
import struct
from pathlib import Path
from typing import Final

import lmdb
import structlog

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.link.replay import KEEP_MS, ReplayStore, Verdict
from extproc.server.lmdbfile import LmdbFile
from extproc.server.state import private_folder

_PURGED_PER_CHECK: Final = 8  # above 1, so that the store shrinks faster than it grows
_BYTES_PER_ID: Final = 256  # both trees, half-full pages, and the pages that the next transaction needs
_SPARE_BYTES: Final = 2**20  # of the map
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TABLES: Final = (b"meta", b"ids", b"by_expiry")
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
        self._full_at = 0  # the first transaction that can find it full: each adds one id at most
        self._log = structlog.get_logger("extproc.replay")
        try:
            path = private_folder(folder) / f"{boot_id or _read_boot_id()}.mdb"
            self._file = LmdbFile(path, _SPARE_BYTES + capacity * _BYTES_PER_ID)
            self.created_at_ms = self._file.transact(self._open_tables, now_ms)
        except lmdb.Error as error:
            raise UserError(f"{folder}: the replay store can't be opened: {error}") from None
        except OSError as error:
            raise UserError(f"{folder}: the replay store can't be opened: {error.strerror}") from None

    def _open_tables(self, txn: lmdb.Transaction[bytes], now_ms: int) -> int:
        """When the store was created: in one transaction, so that processes that open at once agree."""
        open_table = self._file.environment.open_db
        meta, self._ids, self._by_expiry = (open_table(name, txn) for name in _TABLES)
        txn.put(_CREATED_AT, _U64.pack(now_ms), overwrite=False, db=meta)
        (created_at_ms,) = _U64.unpack(txn.get(_CREATED_AT, b"", db=meta))
        return int(created_at_ms)

    def check(self, exchange_id: bytes, now_ms: int) -> Verdict:
        """See `ReplayStore.check`."""
        if not self._file.is_in_place():  # another worker may have made a new one, and judge by that
            self._log.error("replay.error", reason=f"{self._file.path} was removed: restart all workers")
            return Verdict.UNAVAILABLE
        try:
            return self._file.transact(self._insert, exchange_id, now_ms)
        except (lmdb.Error, OSError) as error:
            self._full_at = 0  # what it has counted may have been undone
            self._log.error("replay.error", reason=str(error))
            return Verdict.UNAVAILABLE

    def can_tell(self, now_ms: int) -> bool:
        """See `ReplayStore.can_tell`."""
        try:
            return self._file.is_in_place() and self._file.transact(self._has_room, now_ms)
        except (lmdb.Error, OSError):
            self._full_at = 0
            return False

    def close(self) -> None:
        """Unmap the file; `check` must not be called again."""
        self._file.close()

    def _insert(self, txn: lmdb.Transaction[bytes], exchange_id: bytes, now_ms: int) -> Verdict:
        self._purge(txn, now_ms)
        if txn.id() >= self._full_at and self._is_full(txn):
            return Verdict.UNAVAILABLE if txn.get(exchange_id, db=self._ids) is None else Verdict.SEEN
        if not txn.put(exchange_id, b"", overwrite=False, db=self._ids):
            return Verdict.SEEN
        txn.put(_U64.pack(now_ms + KEEP_MS) + exchange_id, b"", db=self._by_expiry)
        return Verdict.FRESH

    def _has_room(self, txn: lmdb.Transaction[bytes], now_ms: int) -> bool:
        self._purge(txn, now_ms)
        return not self._is_full(txn)

    def _is_full(self, txn: lmdb.Transaction[bytes]) -> bool:
        """Counted, and then not before as many transactions, of whichever worker, could have filled it."""
        room: int = self._capacity - txn.stat(self._ids)["entries"]
        self._full_at = txn.id() + room
        return room <= 0

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


def _read_boot_id() -> str:
    return _BOOT_ID.read_text().strip()
