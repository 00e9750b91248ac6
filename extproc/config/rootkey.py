"""The root key, wherever the operator keeps it. No gateway reads it: only who signs directories does."""

from __future__ import annotations

from pathlib import Path

from extproc.config.keyfiles import read_private, write_new
from extproc.errors import UserError
from extproc.link.keys import RootPrivateKey


def load_root(path: Path) -> RootPrivateKey:
    """The root key in the PEM file at `path`. Raises UserError."""
    try:
        return RootPrivateKey.from_pem(read_private(path))
    except ValueError as error:
        raise UserError(f"{path}: expected an Ed25519 private key in PEM") from error


def load_or_make_root(path: Path, *, outside: Path) -> RootPrivateKey:
    """The root key at `path`, made if there is none; never in the folder `outside`. Raises UserError."""
    if path.resolve().is_relative_to(outside.resolve()):
        raise UserError(f"{path}: expected a place outside {outside}, where the gateway's own keys are")
    if path.exists():
        return load_root(path)
    root = RootPrivateKey.generate()
    write_new(path, root.to_pem())
    return root
