"""Secrets on disk: written whole or not at all, never over another, and read only when nobody else can.

Folders have mode 0700 and files 0600; what is wider is refused, and narrower is fine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from extproc.errors import UserError

_FOLDER_MODE: Final = 0o700
_FILE_MODE: Final = 0o600


class KeysError(UserError):
    """What is wrong with the keys on disk, and how to mend it."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


def make_folder(path: Path) -> None:
    """Make `path` with mode 0700, unless it is there."""
    with plain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=_FOLDER_MODE)
            path.chmod(_FOLDER_MODE)  # whatever the umask took


def check_private(paths: Iterable[Path]) -> None:
    """Raise KeysError if anybody but the owner can reach one of `paths`, naming every such path."""
    with contextlib.ExitStack() as stack:
        wide: dict[Path, tuple[int, int]] = {}
        for path in paths:
            stack.enter_context(plain_errors(path))
            allowed = _FOLDER_MODE if path.is_dir() else _FILE_MODE
            mode = path.stat().st_mode & 0o7777
            if mode & ~allowed:
                wide[path] = (mode, allowed)
    if wide:
        found = ", ".join(f"{path} (mode {mode:04o})" for path, (mode, _) in wide.items())
        mend = " && ".join(
            f"chmod {wanted:o} "
            + " ".join(str(path) for path, (_, allowed) in wide.items() if allowed == wanted)
            for wanted in sorted({allowed for _, allowed in wide.values()}, reverse=True)
        )
        raise KeysError(f"others can reach {found}", f"shut them out: {mend}")


def read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner can read. Raises UserError."""
    check_private([path])
    with plain_errors(path):
        return path.read_bytes()


def write_new(path: Path, data: bytes) -> None:
    """Write `data` to `path`, where nothing may be yet. UserError: something is."""
    with plain_errors(path), _written(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError as error:
            raise UserError(f"{path}: is there already, and a key is never overwritten") from error


def overwrite(path: Path, data: bytes) -> None:
    """Write `data` to `path`: a reader finds what was there before, or all of it."""
    with plain_errors(path), _written(path, data) as temporary:
        temporary.replace(path)


def delete(path: Path) -> None:
    with plain_errors(path):
        path.unlink(missing_ok=True)
        _sync(path.parent)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other `extproc keys` command out of `folder`. UserError: one is at work there."""
    with plain_errors(folder):
        descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    try:
        os.fchmod(descriptor, _FILE_MODE)
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(f"{folder}: another `extproc keys` command is at work here; try again") from error


@contextlib.contextmanager
def plain_errors(path: Path) -> Iterator[None]:
    """The system's errors in one sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror}") from error


@contextlib.contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """`data` in a temporary file beside `path`, on the disk already; gone afterwards."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _FILE_MODE)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        yield temporary
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """A rename is on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
