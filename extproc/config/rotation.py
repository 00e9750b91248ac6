"""How a key directory changes: pure, a Directory in and a Directory out. Times in Unix seconds.

    init      new keys
    rotate    new keys in front, from a minute ahead on; those before them stay valid for an overlap
    retire    a key's time is up now
    renew     nothing but a fresh life, and what gateway.yaml says today

Each of them makes a directory that lives for `LIFE`, under the next serial. X-Wing stands before X25519, and
within a KEM the newest key first. A key stays listed until its file has gone: a key on disk that no directory
lists would open without end.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.link.directory import Directory, DirectoryKey
from extproc.link.keys import PublicKey
from extproc.link.suites import Kem

DAY: Final = 86_400
LIFE: Final = 7 * DAY  # of a directory: its expiry is the revocation of what it lists
EXPIRES_SOON: Final = 2 * DAY  # what is left of a life when it is time to say so
GRACE: Final = DAY  # a key opens for so long after its not_after
KEY_LIFE: Final = 90 * DAY
LEAD: Final = 60  # between a rotation and its keys' not_before: by then every worker holds them
OVERLAP: Final = LIFE  # by then no client holds a directory without the new key


@dataclass(frozen=True, slots=True)
class Terms:
    """What gateway.yaml contributes to a directory."""

    links: tuple[str, ...]
    path: str
    stream_path: str
    max_request_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        link = settings.link
        return cls(link.origins, link.path, link.stream_path, link.max_request)

    @classmethod
    def in_directory(cls, directory: Directory) -> Self:
        return cls(directory.links, directory.path, directory.stream_path, directory.max_request_bytes)


def first(keys: Sequence[PublicKey], terms: Terms, now: float) -> Directory:
    """The first directory. Its serial is the time, so that one made anew is above what clients have seen."""
    return _issued(int(now), _fresh(keys, math.ceil(now)), terms, now)


def rotated(
    current: Directory,
    keys: Sequence[PublicKey],
    terms: Terms,
    now: float,
    *,
    overlap: int = OVERLAP,
    lead: int = LEAD,
) -> Directory:
    """New keys in front, to be used in `lead` seconds; the others go on for `overlap` more at most."""
    begin = math.ceil(now) + lead
    others = (_until(entry, begin + overlap) for entry in current.keys)
    return _issued(current.serial + 1, [*_fresh(keys, begin), *others], terms, now)


def retired(current: Directory, key_id: bytes, terms: Terms, now: float) -> Directory:
    """The key is to be used no more. UserError when that would leave clients without any."""
    entries = [_until(entry, int(now)) if entry.key.key_id == key_id else entry for entry in current.keys]
    if not any(entry.not_before <= math.ceil(now) < entry.not_after for entry in entries):
        raise UserError(
            "that would leave clients no key to use; make a new one first (extproc keys rotate), "
            "and wait until its time begins (extproc keys list)"
        )
    return _issued(current.serial + 1, entries, terms, now)


def renewed(current: Directory, terms: Terms, now: float) -> Directory:
    """The same keys, for another `LIFE`."""
    return _issued(current.serial + 1, current.keys, terms, now)


def pruned(directory: Directory, held: Collection[bytes], now: float) -> Directory:
    """Without the keys that open nothing any more and are not `held`, by their ids, on disk."""
    kept = (entry for entry in directory.keys if entry.key.key_id in held or not is_over(entry, now))
    return dataclasses.replace(directory, keys=tuple(kept))


def next_of(directory: Directory) -> Directory:
    """The same directory under the next serial."""
    return dataclasses.replace(directory, serial=directory.serial + 1)


def dated(directory: Directory, now: float) -> Directory:
    """The same directory with its `LIFE` counted from now: what signing it on another machine does."""
    return dataclasses.replace(directory, issued_at=int(now), expires_at=int(now) + LIFE)


def is_over(entry: DirectoryKey, now: float) -> bool:
    """Whether nothing opens with this key any more, so that its file can go."""
    return entry.not_after + GRACE <= now


def created_at(entry: DirectoryKey, directory: Directory) -> int:
    """A time before which nothing can have been sealed to a key of `directory`.

    The first keys begin when they are made. Later ones may be as much older as `LEAD`, and a client whose
    clock is fast uses them at once; those before them stay listed for `GRACE`, and so are first for a day.
    """
    first = min(other.not_before for other in directory.keys)
    return entry.not_before if entry.not_before == first else entry.not_before - LEAD


def _fresh(keys: Iterable[PublicKey], begin: int) -> list[DirectoryKey]:
    """`begin` is rounded up, or a replay store created just before would seem to be younger."""
    return [DirectoryKey(key, not_before=begin, not_after=begin + KEY_LIFE) for key in keys]


def _until(entry: DirectoryKey, not_after: int) -> DirectoryKey:
    return dataclasses.replace(entry, not_after=min(entry.not_after, not_after))


def _issued(serial: int, entries: Iterable[DirectoryKey], terms: Terms, now: float) -> Directory:
    return Directory(
        serial=serial,
        issued_at=int(now),
        expires_at=int(now) + LIFE,
        keys=tuple(sorted(entries, key=lambda entry: entry.key.kem is not Kem.XWING)),
        path=terms.path,
        stream_path=terms.stream_path,
        max_request_bytes=terms.max_request_bytes,
        links=terms.links,
    )
