"""The root key, wherever the operator keeps it. No gateway reads it: only who signs directories does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from extproc.config.keyfiles import read_private, write_new
from extproc.config.keystore import Layout, read_roots
from extproc.errors import UserError
from extproc.link.keys import RootPrivateKey, RootPublicKey


def load_root(path: Path) -> RootPrivateKey:
    """The root key in the PEM file at `path`. Raises UserError."""
    try:
        return RootPrivateKey.from_pem(read_private(path))
    except ValueError as error:
        raise UserError(f"{path}: expected an Ed25519 private key in PEM") from error


def load_or_make_root(path: Path, *, outside: Path, new: bool = False) -> RootPrivateKey:
    """The root key at `path`, made if there is none; never in the folder of keys `outside`. Raises UserError.

    Unless it is meant to be `new`, a root.pub in that folder has to list it.
    """
    if path.resolve().is_relative_to(outside.resolve()):
        raise UserError(f"{path}: expected a place outside {outside}, where the gateway's own keys are")
    is_there = path.exists()
    root = load_root(path) if is_there else RootPrivateKey.generate()
    if not new:
        check_known(outside, [root.public])
    if not is_there:
        write_new(path, root.to_pem())
    return root


def check_known(folder: Path, roots: Iterable[RootPublicKey]) -> None:
    """Raise UserError for a root that has not signed in `folder` before, where others have."""
    known = read_roots(folder)
    for root in roots:
        if known and root not in known:
            raise UserError(
                f"{Layout(folder).roots}: does not list {root}, and clients that pin the roots in it trust "
                "no other; name another --root, or say --new-root"
            )
