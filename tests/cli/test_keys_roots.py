"""Which root keys `extproc keys` signs with.

Invariant: a root that has not signed here before signs only when it is said to be new, and where it is
refused nothing has changed.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Keys, another_gateway

STRANGER = (
    r"extproc: keys/root\.pub: does not list ed25519:[A-Za-z0-9_-]{43}, and clients that pin the roots in it "
    r"trust no other; name another --root, or say --new-root\n"
)


def _another_root(keys: Keys, tmp_path: Path) -> str:
    keys("init", "-c", another_gateway(tmp_path), "--root", "another.root.pem")
    return "another.root.pem"


@pytest.mark.parametrize("command", [["rotate"], ["rotate", "directory"], ["retire"], ["sign"]])
def test_a_root_that_has_not_signed_here_is_refused(keys: Keys, tmp_path: Path, command: list[str]) -> None:
    """The typical slip: the root key of another gateway. No client would take the directory."""
    root = keys("init", "--root", "gateway.root.pem", "--json").json["roots"][0]
    stranger = _another_root(keys, tmp_path)
    keys("rotate", "directory")
    subject = {
        "retire": [keys("show", "--json").json["keys"][1]["key_id"]],
        "sign": ["keys/directory.unsigned"],
    }.get(command[0], [])
    before = {path: path.read_bytes() for path in Path("keys").rglob("*") if path.is_file()}
    refused = keys(*command, *subject, "--root", stranger)
    assert (refused.code, refused.out) == (2, "")
    assert re.fullmatch(STRANGER, refused.err)
    assert {path: path.read_bytes() for path in Path("keys").rglob("*") if path.is_file()} == before

    assert keys(*command, *subject, "--root", stranger, "--new-root").code == 0
    shown = keys("show", "--json").json  # which verifies the signature
    assert [root] == shown["roots"][:1]
    assert len(shown["roots"]) == 2


def test_init_makes_no_root_where_others_have_signed(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    Path("keys/directory.bin").unlink()
    refused = keys("init", "--root", "other.root.pem")
    assert re.fullmatch(STRANGER, refused.err)
    assert not Path("other.root.pem").exists()
    assert keys("init", "--root", "gateway.root.pem").code == 0


def test_signing_where_no_root_is_known_needs_no_word_of_it(keys: Keys, tmp_path: Path) -> None:
    keys("init")
    assert keys("sign", "keys/directory.unsigned", "--root", _another_root(keys, tmp_path)).code == 0
    assert not Path("keys/root.pub").exists()
