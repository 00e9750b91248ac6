"""The keys that a gateway serves with, as they lie on disk. `keymaker.py` changes them.

    keys/gateway/<key id>.pem    private halves of gateway keys
    keys/cookie/<id>.key         cookie keys
    keys/directory.bin           the signed directory
    keys/directory.unsigned      a newer one, on its way to the machine with the root key
    keys/root.pub                the text of the roots that have signed here, to be pinned by clients

The root's private half is not among them, and nothing here reads it.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self, TypeVar

from extproc.config.keyfiles import KeysError, check_private, plain_errors, read_private
from extproc.config.rotation import GRACE, created_at
from extproc.errors import DirectoryError
from extproc.link.cookies import CookieKey
from extproc.link.directory import Directory, decode, is_signed_by, parse
from extproc.link.keyring import HeldKey
from extproc.link.keys import PrivateKey, RootPublicKey

SIGN: Final = "where the root key is: extproc keys sign directory.unsigned --root gateway.root.pem"
_NO_END: Final = 2**63 - 1
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are in a folder of keys."""

    folder: Path

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"

    @property
    def cookie(self) -> Path:
        return self.folder / "cookie"

    @property
    def signed(self) -> Path:
        return self.folder / "directory.bin"

    @property
    def unsigned(self) -> Path:
        return self.folder / "directory.unsigned"

    @property
    def roots(self) -> Path:
        return self.folder / "root.pub"

    def gateway_key(self, key_id: bytes) -> Path:
        return self.gateway / f"{key_id.hex()}.pem"

    def cookie_key(self, cookie_id: bytes) -> Path:
        return self.cookie / f"{cookie_id.hex()}.key"

    @property
    def has_directory(self) -> bool:
        """Whether keys were made here: the directory is the last thing that init writes."""
        return self.signed.exists() or self.unsigned.exists()

    def all(self) -> list[Path]:
        """Every folder and file that is there."""
        named = [self.folder, self.gateway, self.cookie, self.signed, self.unsigned, self.roots]
        there = [path for path in named if path.exists()]
        return [*there, *sorted(self.gateway.glob("*.pem")), *sorted(self.cookie.glob("*.key"))]


@dataclass(frozen=True, slots=True)
class StoredCookieKey:
    """A cookie key and when it was made, in Unix seconds: the newest one seals."""

    key: CookieKey
    created_at: int

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises ValueError."""
        fields = json.loads(data)
        if not isinstance(fields, dict) or not isinstance(fields.get("created_at"), int):
            raise ValueError("expected a cookie key")
        return cls(CookieKey(base64.b64decode(str(fields.get("key")), validate=True)), fields["created_at"])

    def write(self) -> bytes:
        encoded = base64.b64encode(self.key.raw).decode()
        return json.dumps({"created_at": self.created_at, "key": encoded}).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a folder of keys, complete or not."""

    gateway: Mapping[bytes, PrivateKey] = field(default_factory=dict)
    cookies: tuple[StoredCookieKey, ...] = ()  # the newest first
    signed: bytes | None = field(default=None, repr=False)
    directory: Directory | None = None  # the one in `signed`
    unsigned: Directory | None = None  # only if it is newer than `directory`
    roots: tuple[RootPublicKey, ...] = ()

    @property
    def latest(self) -> Directory | None:
        """The directory that the next one follows."""
        return self.unsigned or self.directory


@dataclass(frozen=True, slots=True)
class KeyStore:
    """Everything that a gateway serves with. `gateway` in the directory's order, cookies the newest first."""

    gateway: tuple[PrivateKey, ...]
    cookies: tuple[CookieKey, ...]
    directory: bytes = field(repr=False)
    decoded: Directory

    def held(self) -> tuple[HeldKey, ...]:
        """The keys with their dates. One that the directory does not list yet opens as well, without end."""
        dates = {entry.key.key_id: entry for entry in self.decoded.keys}
        held = []
        for key in self.gateway:
            entry = dates.get(key.key_id)
            if entry is None:
                held.append(HeldKey(key, created_at=0, open_until=_NO_END))
            else:
                begin = created_at(entry, self.decoded)
                held.append(HeldKey(key, created_at=begin, open_until=entry.not_after + GRACE))
        return tuple(held)


def load_keys(folder: Path, now: float | None = None) -> KeyStore:
    """The keys in `folder`, all that a gateway needs. Raises UserError: mostly KeysError.

    `now` in Unix seconds, if it is not the present: keys whose time is up need not be there any more.
    """
    contents = read_keys(folder)
    if contents.signed is None or contents.directory is None:
        raise _without_directory(folder, contents)
    check_signature(folder, contents)
    listed = [entry.key.key_id for entry in contents.directory.keys]
    moment = time.time() if now is None else now
    in_use = [entry.key.key_id for entry in contents.directory.keys if entry.not_after > moment]
    lost = [key_id for key_id in in_use if key_id not in contents.gateway]
    if lost:
        raise KeysError(
            f"{Layout(folder).gateway_key(lost[0])}: missing, but the directory lists this key",
            "bring the file back, or replace the key: extproc keys rotate, then extproc keys retire",
        )
    others = [key_id for key_id in contents.gateway if key_id not in listed]
    return KeyStore(
        gateway=tuple(
            contents.gateway[key_id] for key_id in [*listed, *others] if key_id in contents.gateway
        ),
        cookies=tuple(stored.key for stored in contents.cookies),
        directory=contents.signed,
        decoded=contents.directory,
    )


def check_signature(folder: Path, contents: Contents) -> None:
    """Raise KeysError when root.pub is there, and no root in it has signed the directory."""
    if contents.signed is None or not contents.roots or is_signed_by(contents.signed, contents.roots):
        return
    layout = Layout(folder)
    raise KeysError(
        f"{layout.signed}: is damaged, or signed by no root that {layout.roots.name} lists",
        f"restore it from a backup; or, if the root is new, add its public half to {layout.roots}",
    )


def no_keys(folder: Path) -> KeysError:
    remedy = "make them: extproc keys init -c gateway.yaml --root gateway.root.pem"
    return KeysError(f"{folder}: no keys here", remedy)


def _without_directory(folder: Path, contents: Contents) -> KeysError:
    if contents.unsigned is None:
        return no_keys(folder)
    layout = Layout(folder)
    return KeysError(
        f"{layout.signed}: missing, since {layout.unsigned.name} has not been signed",
        SIGN,
    )


def read_keys(folder: Path) -> Contents:
    """What lies in `folder`, be it nothing. Raises KeysError for what others can reach or nobody can read."""
    layout = Layout(folder)
    with plain_errors(folder):
        there = layout.all()
    if not there:
        return Contents()
    check_private(there)
    signed = read_private(layout.signed) if layout.signed.exists() else None
    directory = None if signed is None else _parsed(layout.signed, decode)
    unsigned = _parsed(layout.unsigned, parse) if layout.unsigned.exists() else None
    if directory is not None and unsigned is not None and unsigned.serial <= directory.serial:
        unsigned = None  # it has been signed by now
    return Contents(
        gateway={key.key_id: key for key in map(_gateway_key, sorted(layout.gateway.glob("*.pem")))},
        cookies=_newest_first(map(_cookie_key, layout.cookie.glob("*.key"))),
        signed=signed,
        directory=directory,
        unsigned=unsigned,
        roots=read_roots(folder),
    )


def read_roots(folder: Path) -> tuple[RootPublicKey, ...]:
    """The roots that have signed here, as far as it is known. Raises KeysError."""
    path = Layout(folder).roots
    return tuple(_parsed(path, _roots)) if path.exists() else ()


def _newest_first(keys: Iterable[StoredCookieKey]) -> tuple[StoredCookieKey, ...]:
    return tuple(sorted(keys, key=lambda stored: (-stored.created_at, stored.key.id)))


def _gateway_key(path: Path) -> PrivateKey:
    key = _parsed(path, PrivateKey.from_pem)
    _check_name(path, key.key_id)
    return key


def _cookie_key(path: Path) -> StoredCookieKey:
    stored = _parsed(path, StoredCookieKey.read)
    _check_name(path, stored.key.id)
    return stored


def _check_name(path: Path, key_id: bytes) -> None:
    if path.stem != key_id.hex():
        raise KeysError(
            f"{path}: holds the key {key_id.hex()}", f"give it its name back: {key_id.hex()}{path.suffix}"
        )


def _roots(data: bytes) -> list[RootPublicKey]:
    return [RootPublicKey.from_text(line) for line in data.decode("ascii").split()]


def _parsed(path: Path, parse: Callable[[bytes], _T]) -> _T:
    try:
        return parse(read_private(path))
    except (ValueError, DirectoryError) as error:
        remedy = "restore it from a backup, or move it away"
        raise KeysError(f"{path}: is damaged, or not what its name says", remedy) from error
