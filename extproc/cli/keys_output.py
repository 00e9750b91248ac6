"""What the `keys` commands print: a few calm lines, or JSON with times in Unix seconds."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from extproc.config.inventory import Item
from extproc.config.keymaker import Change, Roots
from extproc.link.directory import Directory
from extproc.link.keys import RootPublicKey
from extproc.link.suites import Kem

_KEM_NAMES = {Kem.XWING: "X-Wing", Kem.X25519: "X25519"}


def show_change(change: Change, roots: Roots, *, root_file: Path | None = None, json: bool = False) -> None:
    """What a command has done, and what is to be done next. `root_file`: of an init, the first."""
    publics = [root.public for root in roots]
    if json:
        _print_json(_change_fields(change, publics))
        return
    for verb, paths in (("Made", change.created), ("Deleted", change.deleted)):
        for path in paths:
            print(f"{verb} {path}")
    if change.directory is not None and change.written is not None:
        _show_written(change.directory, change.written, bool(roots))
    if root_file is not None:
        print(f"The root key is {root_file}: keep it away from the gateway. Clients pin its public half:")
        for public in publics:
            print(f"  {public}")


def show_uptake(*, json: bool) -> None:
    """What is next after a change to keys that are in use: nothing."""
    if not json:
        print("Running workers take up keys and directory.bin by themselves.")


def show_nothing_done(folder: Path, roots: Sequence[RootPublicKey], *, json: bool) -> None:
    """What init --if-missing says of keys that are there. `roots`: those that have signed there."""
    if json:
        _print_json(_change_fields(Change(), roots))
        return
    print(f"{folder}: keys are there already; nothing done")
    if roots:
        print("Clients pin:")
    for root in roots:
        print(f"  {root}")


def _show_written(directory: Directory, written: Path, signed: bool) -> None:
    if signed:
        print(f"Signed {written}: serial {directory.serial}, good until {_date(directory.expires_at)}")
    else:
        print(f"Wrote {written}: serial {directory.serial}, not signed. Where the root key is:")
        print(f"  extproc keys sign {written.name} --root gateway.root.pem")
        print(f"Bring the result back as {written.with_name('directory.bin')}")


def _change_fields(change: Change, roots: Iterable[RootPublicKey]) -> dict[str, object]:
    directory = change.directory
    return {
        "written": None if change.written is None else str(change.written),
        "serial": None if directory is None else directory.serial,
        "expires_at": None if directory is None else directory.expires_at,
        "created": [str(path) for path in change.created],
        "deleted": [str(path) for path in change.deleted],
        "roots": [str(root) for root in roots],
    }


def show_directory(directory: Directory, roots: Sequence[RootPublicKey], *, json: bool = False) -> None:
    """A directory, and the roots to pin, as far as they are known."""
    if json:
        _print_json(_directory_fields(directory, roots))
        return
    lines = {
        "serial": directory.serial,
        "issued": _date(directory.issued_at),
        "expires": _date(directory.expires_at),
        "links": ", ".join(directory.links),
        "path": directory.path,
        "stream path": directory.stream_path or "none",
        "max request": f"{directory.max_request_bytes} bytes",
    }
    for name, value in lines.items():
        print(f"{name:12} {value}")
    for entry in directory.keys:
        kem, dates = _KEM_NAMES[entry.key.kem], f"{_date(entry.not_before)} to {_date(entry.not_after)}"
        print(f"{'key':12} {entry.key.key_id.hex()}  {kem:7} {dates}")
    for root in roots:
        print(f"{'root':12} {root}")


def _directory_fields(directory: Directory, roots: Iterable[RootPublicKey]) -> dict[str, object]:
    return {
        "serial": directory.serial,
        "issued_at": directory.issued_at,
        "expires_at": directory.expires_at,
        "links": list(directory.links),
        "path": directory.path,
        "stream_path": directory.stream_path,
        "max_request_bytes": directory.max_request_bytes,
        "keys": [
            {
                "key_id": entry.key.key_id.hex(),
                "kem": entry.key.kem.name.lower(),
                "not_before": entry.not_before,
                "not_after": entry.not_after,
            }
            for entry in directory.keys
        ],
        "roots": [str(root) for root in roots],
    }


def show_inventory(items: Iterable[Item], *, json: bool = False) -> None:
    """A line a file."""
    if json:
        _print_json([item.fields() for item in items])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("kind", "id", "from", "until", "state", "file"):
        table.add_column(column, no_wrap=True)
    for item in items:
        dates = ["" if date is None else _date(date) for date in (item.begin, item.end)]
        table.add_row(item.kind, item.name, *dates, item.state, str(item.file))
    Console(highlight=False, width=None if Console().is_terminal else 200).print(table)


def _date(seconds: int) -> str:
    """Unix seconds in UTC, to the minute. Years that no calendar here knows stay numbers."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _print_json(value: object) -> None:
    print(json_format.dumps(value, indent=2))
