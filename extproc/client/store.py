"""What a client remembers of a link across restarts, in a file.

The file holds, by link: the directory last accepted, the highest serial accepted of each root with its
digest (the floor below which a directory counts as rolled back), and the cookie binding. It is written
whole beside the old one and renamed over it, mode 0600, so that a crash leaves one or the other. Whoever
changes it holds the lock of `<name>.lock` from reading to writing, so that no process undoes another's work.

A file that can't be read as such is not trusted and not deleted: it is kept as `<name>.corrupt`, a warning
says that the floor is forgotten, and the directory is fetched afresh. Refusing to go on would leave every
install with a damaged disk without service, and whoever can write the file can delete it as well.
"""

from __future__ import annotations

import base64
import errno
import json
import logging
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from extproc.client.locking import locked
from extproc.link.cookies import BINDING_LENGTH
from extproc.link.directory import Accepted

_VERSION: Final = 1
_CORRUPT: Final = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
_log = logging.getLogger("extproc.client")


@dataclass(frozen=True, slots=True)
class Remembered:
    """Of one link."""

    signed: bytes = field(default=b"", repr=False)  # a SignedKeyDirectory; empty: none
    accepted: Mapping[bytes, Accepted] = field(default_factory=dict)  # by root id
    cookie_binding: bytes = field(default=b"", repr=False)


class FileStore:
    """One file, for any number of links. Processes may share it: none lowers another's floor."""

    def __init__(self, path: Path, link: str) -> None:
        self._path = path
        self._lock = path.with_name(path.name + ".lock")  # the file itself is replaced: no place for a lock
        self._link = link

    def load(self) -> Remembered:
        """What is remembered of the link; nothing when there is no file. Raises OSError."""
        try:
            links = self._read()
        except _CORRUPT:
            with locked(self._lock):
                links = self._read_or_set_aside()
        return links.get(self._link, Remembered())

    def save(self, remembered: Remembered) -> Remembered:
        """Add to what is remembered of the link: what it is now, with what others have added. OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._lock):
            links = self._read_or_set_aside()
            merged = _merge(links.get(self._link, Remembered()), remembered)
            self._write(_render({**links, self._link: merged}))
        return merged

    def _read(self) -> dict[str, Remembered]:
        """Nothing when there is no file. Raises OSError, and _CORRUPT."""
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):  # /dev/null is not to be read, or set aside
                raise OSError(errno.EINVAL, "expected a regular file", str(self._path))
            return _parse(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}

    def _read_or_set_aside(self) -> dict[str, Remembered]:
        """Under the lock, so that it is the damaged file that is moved, and not one that replaced it."""
        try:
            return self._read()
        except _CORRUPT as error:
            aside = self._path.with_name(self._path.name + ".corrupt")
            self._path.replace(aside)
            _log.warning(
                "%s is corrupt (%r): rollback floor forgotten, file kept as %s", self._path, error, aside
            )
            return {}

    def _write(self, text: str) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name + ".")  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _merge(old: Remembered, new: Remembered) -> Remembered:
    """Of each root the higher serial; of one serial with two contents the first, as `verify` has it."""
    stays = {
        root_id: known
        for root_id, known in old.accepted.items()
        if root_id not in new.accepted or _outranks(known, new.accepted[root_id])
    }
    is_overtaken = any(root_id in new.accepted for root_id in stays)
    return Remembered(
        signed=old.signed if is_overtaken or not new.signed else new.signed,
        accepted={**new.accepted, **stays},
        cookie_binding=old.cookie_binding or new.cookie_binding,
    )


def _outranks(known: Accepted, offered: Accepted) -> bool:
    return known != offered and known.serial >= offered.serial


def _parse(text: str) -> dict[str, Remembered]:
    document = json.loads(text)
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']!r}")
    return {link: _parse_link(entry) for link, entry in document["links"].items()}


def _parse_link(entry: Mapping[str, Any]) -> Remembered:
    binding = bytes.fromhex(entry["cookie_binding"])
    if len(binding) not in {0, BINDING_LENGTH}:
        raise ValueError(f"cookie binding of {len(binding)} bytes")
    return Remembered(
        signed=base64.b64decode(entry["directory"], validate=True),
        accepted={
            bytes.fromhex(root_id): Accepted(int(known["serial"]), bytes.fromhex(known["digest"]))
            for root_id, known in entry["accepted"].items()
        },
        cookie_binding=binding,
    )


def _render(links: Mapping[str, Remembered]) -> str:
    entries = {
        link: {
            "directory": base64.b64encode(remembered.signed).decode(),
            "accepted": {
                root_id.hex(): {"serial": known.serial, "digest": known.digest.hex()}
                for root_id, known in remembered.accepted.items()
            },
            "cookie_binding": remembered.cookie_binding.hex(),
        }
        for link, remembered in links.items()
    }
    return json.dumps({"version": _VERSION, "links": entries}, indent=1) + "\n"
