"""The state folder: sockets, the replay store, and the lock that keeps a second instance out."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from extproc.errors import UserError

_LOCK_FILE: Final = "lock"


def private_folder(path: Path) -> Path:
    """`path`, as a folder that only this user may enter (mode 0700); made when it is missing.

    UserError when it can't be made, or lets others in.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    if mode & 0o077:
        raise UserError(f"{path}: mode {mode:04o} lets others in; expected 0700 (chmod 700 {path})")
    return path


@contextmanager
def exclusive(state_dir: Path) -> Iterator[None]:
    """Hold the lock of `state_dir`. UserError while another process holds it.

    The kernel lets go of it when the process ends, however it ends.
    """
    lock = private_folder(state_dir) / _LOCK_FILE
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(f"{lock}: {error.strerror}") from None
    try:
        _take(descriptor, state_dir)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, state_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        raise UserError(
            f"{state_dir}: another extproc runs here (process {holder or 'unknown'}); "
            "stop it, or give this one a state_dir of its own"
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        raise UserError(f"{state_dir}: {error.strerror}") from None
