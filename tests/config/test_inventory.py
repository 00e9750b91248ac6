"""What `extproc keys list` says of each file.

Invariant: a key's state is what a gateway that starts at that moment does with it.
"""

from __future__ import annotations

from pathlib import Path

from extproc.config import keymaker
from extproc.config.inventory import inventory
from extproc.config.keystore import Layout, read_keys
from extproc.config.rotation import DAY, LEAD, LIFE, Terms
from extproc.link.keys import RootPrivateKey
from extproc.link.suites import Kem

TERMS = Terms(
    links=("https://gw.example.com",), path="/_link", stream_path="/_link/stream", max_request_bytes=2**20
)
NOW = 1_800_000_000.5
ROOT = RootPrivateKey.generate()


def states(folder: Path, now: float) -> dict[str, str]:
    return {item.name: item.state for item in inventory(folder, read_keys(folder), now)}


def test_the_life_of_a_key(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keymaker.init(folder, TERMS, NOW, roots=[ROOT], kems=[Kem.X25519])
    key = inventory(folder, read_keys(folder), NOW)[0].name
    assert states(folder, NOW)[key] == "not yet in use"
    assert states(folder, NOW + 1)[key] == "in use"
    keymaker.rotate(folder, TERMS, NOW + DAY, roots=[ROOT])
    last = NOW + DAY + LEAD + LIFE
    assert states(folder, last)[key] == "in use"
    assert states(folder, last + 0.5)[key] == "opens for 24 h more"
    assert states(folder, last + DAY - 60)[key] == "opens for 1 h more"
    assert states(folder, last + DAY + 0.5)[key] == "over"
    keymaker.renew(folder, TERMS, last + DAY + 0.5, roots=[ROOT])
    assert key not in states(folder, last + DAY + 1)


def test_what_is_out_of_step(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keymaker.init(folder, TERMS, NOW, roots=[ROOT], kems=[Kem.X25519])
    listed = inventory(folder, read_keys(folder), NOW)[0]
    (coming,) = keymaker.rotate(folder, TERMS, NOW).created
    listed.file.unlink()
    assert states(folder, NOW + LIFE)[listed.name] == "missing"
    assert states(folder, NOW + LIFE)[coming.stem] == "opens; not in the directory"
    assert list(states(folder, NOW + LIFE).values())[-2:] == ["expired", "to be signed"]
    assert Layout(folder).unsigned in {item.file for item in inventory(folder, read_keys(folder), NOW)}


def test_nothing(tmp_path: Path) -> None:
    assert inventory(tmp_path / "none", read_keys(tmp_path / "none"), NOW) == []
