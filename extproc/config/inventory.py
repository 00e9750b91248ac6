"""What each file among the keys is good for at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from extproc.config.keystore import Contents, Layout
from extproc.config.rotation import GRACE, is_over
from extproc.link.directory import Directory, DirectoryKey


@dataclass(frozen=True, slots=True)
class Item:
    """A file, from when until when it serves (Unix seconds), and its state in a few words."""

    kind: str
    name: str
    begin: int | None
    end: int | None
    state: str
    file: Path

    def fields(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "id": self.name,
            "from": self.begin,
            "until": self.end,
            "state": self.state,
            "file": str(self.file),
        }


def inventory(folder: Path, contents: Contents, now: float) -> list[Item]:
    """Everything in a folder of keys, and what its directory misses there."""
    layout = Layout(folder)
    items = [*_gateway_keys(layout, contents, now)]
    for place, stored in enumerate(contents.cookies):
        path, state = layout.cookie_key(stored.key.id), "opens" if place else "seals"
        items.append(Item("cookie", stored.key.id.hex(), stored.created_at, None, state, path))
    if contents.directory is not None:
        state = "expired" if now >= contents.directory.expires_at else "in force"
        items.append(_directory(contents.directory, state, layout.signed))
    if contents.unsigned is not None:
        items.append(_directory(contents.unsigned, "to be signed", layout.unsigned))
    return items


def _gateway_keys(layout: Layout, contents: Contents, now: float) -> Iterator[Item]:
    listed = () if contents.directory is None else contents.directory.keys
    for entry in listed:
        path = layout.gateway_key(entry.key.key_id)
        state = _state(entry, now) if entry.key.key_id in contents.gateway else "missing"
        kind = entry.key.kem.name.lower()
        yield Item(kind, entry.key.key_id.hex(), entry.not_before, entry.not_after, state, path)
    known = {entry.key.key_id for entry in listed}
    for key_id in contents.gateway.keys() - known:
        kind = contents.gateway[key_id].public.kem.name.lower()
        yield Item(kind, key_id.hex(), None, None, "opens; not in the directory", layout.gateway_key(key_id))


def _state(entry: DirectoryKey, now: float) -> str:
    if now < entry.not_before:
        return "not yet in use"
    if now < entry.not_after:
        return "in use"
    return "over" if is_over(entry, now) else f"opens for {_hours(entry.not_after + GRACE - now)} h more"


def _hours(seconds: float) -> int:
    return max(1, round(seconds / 3600))


def _directory(directory: Directory, state: str, path: Path) -> Item:
    name = f"serial {directory.serial}"
    return Item("directory", name, directory.issued_at, directory.expires_at, state, path)
