"""Changes the keys on disk: generates, plans the next directory, writes. One command at a time.

Private keys are written before the directory that names them, and deleted only when they open nothing any
more: cut anywhere, what lies there still serves.

With root keys at hand the directory is signed at once. Without, it goes to `directory.unsigned`, and `signed`
makes the rest of it on a machine that may have nothing but that file and the root key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from extproc.config import rotation
from extproc.config.keyfiles import delete, locked, make_folder, overwrite, write_new
from extproc.config.keystore import (
    Contents,
    Layout,
    StoredCookieKey,
    check_signature,
    no_keys,
    read_keys,
)
from extproc.config.rotation import Terms
from extproc.errors import DirectoryError, UserError
from extproc.link.cookies import CookieKey
from extproc.link.directory import Directory, decode, parse, sign
from extproc.link.keys import PrivateKey, PublicKey, RootPrivateKey, RootPublicKey
from extproc.link.suites import Kem

KEMS: Final = (Kem.XWING, Kem.X25519)
Roots = Sequence[RootPrivateKey]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done. `directory`: the new one, in the file `written`, signed or not."""

    directory: Directory | None = None
    written: Path | None = None
    created: tuple[Path, ...] = ()
    deleted: tuple[Path, ...] = ()


def init(
    folder: Path, terms: Terms, now: float, *, roots: Roots = (), kems: Collection[Kem] = KEMS
) -> Change:
    """Gateway keys, a cookie key and the first directory. UserError when there is a directory already.

    Keys of an init that was cut short are taken up.
    """
    layout = Layout(folder)
    for path in (layout.folder, layout.gateway, layout.cookie):
        make_folder(path)
    with locked(folder):
        check_new(folder)
        contents = read_keys(folder)
        there = {key.public.kem: key.public for key in contents.gateway.values()}
        made = {kem: _make_gateway_key(layout, kem) for kem in kems if kem not in there}
        created = [layout.gateway_key(key.key_id) for key in made.values()]
        if not contents.cookies:
            created.append(_make_cookie_key(layout, now))
        directory = rotation.first([(there | made)[kem] for kem in kems], terms, now)
        return _publish(layout, contents, directory, roots, now, created=created)


def check_new(folder: Path) -> None:
    """UserError when `init` has been here."""
    if Layout(folder).has_directory:
        raise UserError(f"{folder}: there are keys already; for new ones beside them: extproc keys rotate")


def rotate(
    folder: Path,
    terms: Terms,
    now: float,
    *,
    roots: Roots = (),
    kems: Collection[Kem] | None = None,
    overlap: int = rotation.OVERLAP,
    lead: int = rotation.LEAD,
) -> Change:
    """New gateway keys, of `kems` or the KEMs in use, for clients to use in `lead` seconds.

    The old ones stay valid for `overlap` seconds more.
    """
    layout = Layout(folder)
    with _opened(folder) as (contents, current):
        in_use = {entry.key.kem for entry in current.keys}
        made = [_make_gateway_key(layout, kem) for kem in KEMS if kem in (kems or in_use)]
        created = [layout.gateway_key(key.key_id) for key in made]
        directory = rotation.rotated(current, made, terms, now, overlap=overlap, lead=lead)
        return _publish(layout, contents, directory, roots, now, created=created)


def rotate_cookie(folder: Path, now: float) -> Change:
    """A new cookie key, which seals from now on; the others still open."""
    with _opened(folder) as (contents, _):
        newest = max((stored.created_at for stored in contents.cookies), default=0)
        return Change(created=(_make_cookie_key(Layout(folder), max(now, newest + 1)),))


def renew(folder: Path, terms: Terms, now: float, *, roots: Roots = ()) -> Change:
    """The same keys in a directory with a fresh life, by what gateway.yaml says now."""
    layout = Layout(folder)
    with _opened(folder) as (contents, current):
        return _publish(layout, contents, rotation.renewed(current, terms, now), roots, now)


def retire(
    folder: Path, terms: Terms, now: float, key_id: bytes, *, roots: Roots = (), at_once: bool = False
) -> Change:
    """End the use of a key. A gateway key still opens for a day, or `at_once` never again; a cookie key goes.

    UserError for a key that is not there, or that nothing could go on without.
    """
    layout = Layout(folder)
    with _opened(folder) as (contents, current):
        if any(stored.key.id == key_id for stored in contents.cookies):
            return _retire_cookie(layout, contents, key_id)
        listed = any(entry.key.key_id == key_id for entry in current.keys)
        file = layout.gateway_key(key_id)
        if not listed and key_id in contents.gateway:
            return _deleting(file)
        if not listed:
            raise UserError(f"{folder}: there is no key {key_id.hex()}; see: extproc keys list")
        if at_once and _has_ended(contents, key_id, now):
            return _deleting(file)
        if at_once and not roots:
            raise UserError(
                "expected --root with --at-once, or clients would go on using a key that is gone; "
                "without it, retire the key first, and at once when that directory is signed and in place"
            )
        directory = rotation.retired(current, key_id, terms, now)
        change = _publish(layout, contents, directory, roots, now)
        return change if not at_once else replace(change, deleted=(*change.deleted, *_deleting(file).deleted))


def signed(data: bytes, roots: Roots, now: float, *, name: str) -> tuple[Directory, bytes]:
    """Sign what a `directory.unsigned` holds, or renew what a `directory.bin` holds.

    Gives the directory, and what its file is to hold. Its life counts from now, so that none of it is lost on
    the way to the root key. UserError for other data, which are called `name`.
    """
    directory = read_directory(data, name=name)
    if _is_signed(data):
        directory = rotation.next_of(directory)
    directory = rotation.dated(directory, now)
    return directory, sign(directory, *roots)


def read_directory(data: bytes, *, name: str) -> Directory:
    """The directory in `data`, signed or not. UserError when there is none, by `name`."""
    try:
        return decode(data) if _is_signed(data) else parse(data)
    except DirectoryError as error:
        raise UserError(
            f"{name}: expected a directory.unsigned or directory.bin of `extproc keys`"
        ) from error


def remember_roots(folder: Path, known: Iterable[RootPublicKey], roots: Roots) -> None:
    """List `roots` in the root.pub of `folder`, behind those that are `known`."""
    listed = dict.fromkeys([*known, *(root.public for root in roots)])
    overwrite(Layout(folder).roots, "".join(f"{root}\n" for root in listed).encode())


def _is_signed(data: bytes) -> bool:
    """A KeyDirectory has a number where a SignedKeyDirectory has the directory: it reads as one without."""
    try:
        decode(data)
    except DirectoryError:
        return False
    return True


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[Contents, Directory]]:
    """What is in `folder`, and the directory that the next one follows, while nobody else changes them."""
    if not folder.is_dir():
        raise no_keys(folder)
    with locked(folder):
        contents = read_keys(folder)
        if contents.latest is None:
            raise no_keys(folder)
        check_signature(folder, contents)  # or the next directory would say what this one was made to
        yield contents, contents.latest


def _make_gateway_key(layout: Layout, kem: Kem) -> PublicKey:
    key = PrivateKey.generate(kem)
    write_new(layout.gateway_key(key.key_id), key.to_pem())
    return key.public


def _make_cookie_key(layout: Layout, now: float) -> Path:
    stored = StoredCookieKey(CookieKey.generate(), int(now))
    path = layout.cookie_key(stored.key.id)
    write_new(path, stored.write())
    return path


def _has_ended(contents: Contents, key_id: bytes, now: float) -> bool:
    """Whether the directory in force tells clients to use this key no more."""
    entries = () if contents.directory is None else contents.directory.keys
    return any(entry.key.key_id == key_id and entry.not_after <= now for entry in entries)


def _retire_cookie(layout: Layout, contents: Contents, cookie_id: bytes) -> Change:
    if len(contents.cookies) == 1:
        raise UserError("it is the only cookie key; make a new one first: extproc keys rotate cookie")
    return _deleting(layout.cookie_key(cookie_id))


def _deleting(*paths: Path) -> Change:
    for path in paths:
        delete(path)
    return Change(deleted=paths)


def _publish(
    layout: Layout,
    contents: Contents,
    directory: Directory,
    roots: Roots,
    now: float,
    *,
    created: Sequence[Path] = (),
) -> Change:
    """Put the directory where it belongs, once the files of keys that open nothing any more have gone."""
    in_force = () if contents.directory is None else contents.directory.keys
    over = {entry.key.key_id for entry in in_force if rotation.is_over(entry, now)} & contents.gateway.keys()
    deleted = _deleting(*map(layout.gateway_key, sorted(over))).deleted
    directory = rotation.pruned(directory, contents.gateway.keys() - over, now)
    if not roots:
        overwrite(layout.unsigned, directory.serialize())
        return Change(directory, layout.unsigned, tuple(created), deleted)
    remember_roots(layout.folder, contents.roots, roots)
    overwrite(layout.signed, sign(directory, *roots))
    delete(layout.unsigned)
    return Change(directory, layout.signed, tuple(created), deleted)
