"""The file under a replay store. Invariant: it only grows, since others have all of it mapped."""

from __future__ import annotations

from pathlib import Path

import lmdb
import pytest

from extproc.server.lmdbfile import LmdbFile


def put(txn: lmdb.Transaction[bytes], size: int) -> bool:
    return txn.put(b"tea", bytes(size))


def test_it_grows_once_for_what_does_not_fit(tmp_path: Path) -> None:
    file = LmdbFile(tmp_path / "a.mdb", 2**22)
    assert file.path.stat().st_size == 2**20
    assert file.transact(put, 3 * 2**19)
    assert file.path.stat().st_size == 2**21
    with pytest.raises(lmdb.MapFullError):
        file.transact(put, 2**22)
    assert file.path.stat().st_size == 2**22
    file.close()


def test_who_may_have_less_cuts_nothing_off(tmp_path: Path) -> None:
    """What another worker then wrote beyond the end would be a SIGBUS of its."""
    file = LmdbFile(tmp_path / "a.mdb", 2**22)
    assert file.transact(put, 3 * 2**19)
    file.close()
    smaller = LmdbFile(tmp_path / "a.mdb", 2**20)
    with pytest.raises(lmdb.MapFullError):
        smaller.transact(put, 2**22)
    assert smaller.path.stat().st_size == 2**21
    smaller.close()
