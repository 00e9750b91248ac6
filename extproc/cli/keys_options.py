"""The arguments and options of the `keys` commands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class KemName(StrEnum):
    """The kinds of gateway key, the preferred one first."""

    XWING = "xwing"
    X25519 = "x25519"


class What(StrEnum):
    GATEWAY = "gateway"
    COOKIE = "cookie"
    DIRECTORY = "directory"


Config = Annotated[Path, typer.Option("--config", "-c", metavar="FILE", help="The gateway's settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
NewRoot = Annotated[
    Path | None,
    typer.Option("--root", metavar="FILE", help="The root key to sign the directory with; made if missing."),
]
Roots = Annotated[
    list[Path] | None,
    typer.Option("--root", metavar="FILE", help="A root key: sign the directory with it, at once."),
]
SigningRoots = Annotated[
    list[Path], typer.Option("--root", metavar="FILE", help="A root key; several sign one after the other.")
]
Kems = Annotated[
    list[KemName] | None,
    typer.Option("--kem", metavar="xwing|x25519", help="Only keys of this kind. [default: both]"),
]
RotatedKems = Annotated[
    list[KemName] | None,
    typer.Option("--kem", metavar="xwing|x25519", help="Only keys of this kind. [default: those in use]"),
]
IfMissing = Annotated[
    bool, typer.Option("--if-missing", help="Do nothing, with exit code 0, when keys are there.")
]
Subject = Annotated[
    What,
    typer.Argument(
        metavar="WHAT",
        help="gateway: new gateway keys; cookie: a new cookie key; directory: only renew it.",
    ),
]
Overlap = Annotated[
    int,
    typer.Option(
        metavar="DAYS",
        min=0,
        max=90,
        help="How long the old keys stay valid; 0: new ones at once.",
    ),
]
KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as `extproc keys list` shows it.")]
AtOnce = Annotated[bool, typer.Option("--at-once", help="Delete the key now, as when it has been stolen.")]
UnknownRoot = Annotated[
    bool, typer.Option("--new-root", help="The root key is new here: clients have to pin it, too.")
]
Unsigned = Annotated[
    Path, typer.Argument(metavar="FILE", help="A directory.unsigned, or a directory.bin to renew.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", help="[default: directory.bin beside FILE]", show_default=False
    ),
]
AnyDirectory = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="A directory, signed or not. [default: the gateway's]")
]
