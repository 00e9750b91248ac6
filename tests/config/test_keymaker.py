"""init, rotate, retire, renew and sign, on a real folder, as a client and a gateway see the outcome.

Invariant: after every step, and wherever a step is cut short, the gateway still opens what clients with any
directory it has published may send, and a client with the pinned root accepts what is published.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from extproc.config import keymaker
from extproc.config.keystore import Layout, load_keys, read_keys
from extproc.config.rootkey import load_or_make_root, load_root
from extproc.config.rotation import DAY, GRACE, KEY_LIFE, LEAD, LIFE, Terms
from extproc.errors import Code, LinkError, UserError
from extproc.link.directory import Accepted, Verified, verify
from extproc.link.keyring import Keyring
from extproc.link.keys import PublicKey, RootPrivateKey
from extproc.link.suites import Kem

LINK = "https://gw.example.com"
TERMS = Terms(links=(LINK,), path="/_link", stream_path="/_link/stream", max_request_bytes=2**20)
NOW = 1_800_000_000.0
ROOT = RootPrivateKey.generate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keymaker.init(keys, TERMS, NOW, roots=[ROOT])
    return keys


class Client:
    """Remembers what it has accepted, as section 11 asks."""

    def __init__(self) -> None:
        self._accepted: dict[bytes, Accepted] = {}

    def fetch(self, folder: Path, now: float) -> Verified:
        signed = load_keys(folder, now).directory
        verified = verify(signed, roots=[ROOT.public], link=LINK, now=int(now), accepted=self._accepted)
        self._accepted = dict(verified.accepted)
        return verified

    def key(self, folder: Path, now: float) -> PublicKey:
        key = self.fetch(folder, now).directory.preferred(int(now))
        assert key is not None
        return key


def opens(folder: Path, key: PublicKey, now: float) -> bool:
    """Whether a gateway that starts now opens what is sealed to `key`."""
    encapsulation, link_key = key.encapsulate(b"s" * 32)
    try:
        found = Keyring(load_keys(folder, now).held()).link_key(key.key_id, encapsulation, int(now))
    except LinkError as error:
        return error.code is not Code.UNKNOWN_KEY
    return found == link_key


def test_a_client_accepts_the_first_directory_and_is_opened(folder: Path) -> None:
    key = Client().key(folder, NOW)
    assert key.kem is Kem.XWING
    assert opens(folder, key, NOW)


def test_init_makes_only_the_kinds_that_were_asked_for(tmp_path: Path) -> None:
    keymaker.init(tmp_path / "keys", TERMS, NOW, roots=[ROOT], kems=[Kem.X25519])
    assert Client().key(tmp_path / "keys", NOW).kem is Kem.X25519
    change = keymaker.rotate(tmp_path / "keys", TERMS, NOW + DAY, roots=[ROOT])
    assert len(change.created) == 1


def test_init_does_not_touch_keys_that_are_there(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(
        UserError, match="there are keys already; for new ones beside them: extproc keys rotate"
    ):
        keymaker.init(folder, TERMS, NOW + 1, roots=[ROOT])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_life_of_rotations(folder: Path) -> None:
    """New keys every week: no client sees a gap, and one that is a week late is still opened."""
    client, now = Client(), NOW
    for _ in range(6):
        key = client.key(folder, now)
        keymaker.rotate(folder, TERMS, now + LIFE - 1, roots=[ROOT])
        assert opens(folder, key, now + LIFE - 1)
        assert client.key(folder, now + LIFE - 1) == key  # every worker is still to take up the new one
        now += LIFE + LEAD
        assert client.key(folder, now) != key
        assert opens(folder, key, now)
    assert len(list(Layout(folder).gateway.iterdir())) <= 2 * 3


def test_the_file_of_a_key_goes_when_it_opens_nothing(folder: Path) -> None:
    old = Client().key(folder, NOW)
    keymaker.rotate(folder, TERMS, NOW, roots=[ROOT], overlap=0, lead=0)
    for now in (NOW + GRACE - 1, NOW + GRACE):
        change = keymaker.renew(folder, TERMS, now, roots=[ROOT])
        deleted = Layout(folder).gateway_key(old.key_id) in change.deleted
        assert deleted == (now == NOW + GRACE)
        assert opens(folder, old, now) != deleted


def test_retire(folder: Path) -> None:
    client, now = Client(), NOW + DAY
    old = client.key(folder, now)
    keymaker.retire(folder, TERMS, now, old.key_id, roots=[ROOT])
    assert client.key(folder, now) != old
    assert opens(folder, old, now + GRACE - 1)
    assert not opens(folder, old, now + GRACE)


def test_retire_at_once(folder: Path) -> None:
    client, now = Client(), NOW + DAY
    old = client.key(folder, now)
    change = keymaker.retire(folder, TERMS, now, old.key_id, roots=[ROOT], at_once=True)
    assert change.deleted == (Layout(folder).gateway_key(old.key_id),)
    assert not opens(folder, old, now)
    assert opens(folder, client.key(folder, now), now)


def test_retire_at_once_needs_a_directory_that_says_so(folder: Path) -> None:
    key_id = Client().key(folder, NOW).key_id
    with pytest.raises(UserError, match="expected --root with --at-once"):
        keymaker.retire(folder, TERMS, NOW, key_id, at_once=True)
    keymaker.retire(folder, TERMS, NOW, key_id, roots=[ROOT])
    change = keymaker.retire(folder, TERMS, NOW + 1, key_id, at_once=True)
    assert (change.directory, change.deleted) == (None, (Layout(folder).gateway_key(key_id),))
    load_keys(folder, NOW + 1)


def test_retire_a_key_that_no_directory_lists(folder: Path) -> None:
    coming = keymaker.rotate(folder, TERMS, NOW).created[0]
    Layout(folder).unsigned.unlink()
    change = keymaker.retire(folder, TERMS, NOW, bytes.fromhex(coming.stem))
    assert change.deleted == (coming,)


def test_retire_what_is_not_there(folder: Path) -> None:
    with pytest.raises(UserError, match="there is no key 0011; see: extproc keys list"):
        keymaker.retire(folder, TERMS, NOW, b"\x00\x11", roots=[ROOT])


def test_cookie_keys(folder: Path) -> None:
    first = load_keys(folder, NOW).cookies[0]
    with pytest.raises(UserError, match="it is the only cookie key"):
        keymaker.retire(folder, TERMS, NOW, first.id)
    keymaker.rotate_cookie(folder, NOW)  # in the same second
    newer, older = load_keys(folder, NOW).cookies
    assert older.raw == first.raw
    keymaker.retire(folder, TERMS, NOW, first.id)
    assert [key.raw for key in load_keys(folder, NOW).cookies] == [newer.raw]


def test_signing_elsewhere(folder: Path, tmp_path: Path) -> None:
    """The gateway never sees the root key; the machine with the root key sees nothing but one file."""
    client, layout = Client(), Layout(folder)
    old = client.key(folder, NOW)
    change = keymaker.rotate(folder, TERMS, NOW + DAY)
    assert change.written == layout.unsigned
    coming = read_keys(folder).unsigned
    assert coming is not None
    new = coming.keys[0].key

    assert client.key(folder, NOW + DAY) == old  # the directory in force is as it was
    assert opens(folder, new, NOW + DAY)  # and the new key opens before anyone is told of it

    elsewhere = tmp_path / "directory.unsigned"
    elsewhere.write_bytes(layout.unsigned.read_bytes())
    signed_at = NOW + 3 * DAY
    directory, result = keymaker.signed(elsewhere.read_bytes(), [ROOT], signed_at, name="it")
    layout.signed.write_bytes(result)
    assert (directory.serial, directory.expires_at) == (coming.serial, int(signed_at) + LIFE)
    assert client.key(folder, signed_at) == new
    assert read_keys(folder).unsigned is None  # the one that lies there is not newer any more


def test_steps_before_the_signature_add_up(folder: Path) -> None:
    keymaker.rotate(folder, TERMS, NOW)
    keymaker.rotate(folder, TERMS, NOW + 1)
    data = Layout(folder).unsigned.read_bytes()
    directory, _ = keymaker.signed(data, [ROOT], NOW + 2, name="it")
    first = load_keys(folder, NOW).decoded
    assert directory.serial == first.serial + 2
    assert len(directory.keys) == 6


def test_a_key_retired_on_paper_does_not_come_back(folder: Path) -> None:
    """Retired without a root, and the next directory signed days later: the file was there all the time."""
    key = Client().key(folder, NOW)
    keymaker.retire(folder, TERMS, NOW, key.key_id)
    now = NOW + GRACE + DAY
    keymaker.rotate(folder, TERMS, now, roots=[ROOT])
    assert Layout(folder).gateway_key(key.key_id).exists()
    assert not opens(folder, key, now)
    change = keymaker.renew(folder, TERMS, now, roots=[ROOT])
    assert change.deleted == (Layout(folder).gateway_key(key.key_id),)
    assert not opens(folder, key, now)


def test_a_signed_directory_is_renewed_elsewhere(folder: Path) -> None:
    client = Client()
    client.fetch(folder, NOW)
    data = Layout(folder).signed.read_bytes()
    directory, result = keymaker.signed(data, [ROOT], NOW + DAY, name="it")
    Layout(folder).signed.write_bytes(result)
    assert client.fetch(folder, NOW + DAY).directory == directory


@pytest.mark.parametrize("data", [b"", b"junk", b"\x0a\x00", b"listen: 127.0.0.1:1\n"])
def test_nothing_else_is_signed(data: bytes) -> None:
    with pytest.raises(UserError, match=r"it: expected a directory\.unsigned or directory\.bin"):
        keymaker.signed(data, [ROOT], NOW, name="it")


def test_several_roots_sign(folder: Path) -> None:
    other = RootPrivateKey.generate()
    keymaker.renew(folder, TERMS, NOW, roots=[ROOT, other])
    signed = load_keys(folder, NOW).directory
    for root in (ROOT, other):
        verify(signed, roots=[root.public], link=LINK, now=int(NOW), accepted={})
    assert read_keys(folder).roots == (ROOT.public, other.public)


def test_a_directory_made_anew_is_above_what_clients_have_seen(tmp_path: Path) -> None:
    client = Client()
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        keymaker.init(folder, TERMS, NOW + attempt, roots=[ROOT])
        client.fetch(folder, NOW + attempt)


@pytest.mark.parametrize("step", ["write_new", "overwrite", "delete"])
def test_a_rotation_that_is_cut_short_still_serves(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    client, now = Client(), NOW + KEY_LIFE - DAY
    keymaker.rotate(folder, TERMS, now, roots=[ROOT], overlap=0)
    old, now = client.key(folder, now + 1), now + GRACE + 1

    def cut(*_: object) -> NoReturn:
        raise UserError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(keymaker, step, cut)
        with pytest.raises(UserError, match="cut"):
            keymaker.rotate(folder, TERMS, now, roots=[ROOT])
    assert opens(folder, old, now)
    assert opens(folder, client.key(folder, now + 1), now + 1)
    keymaker.rotate(folder, TERMS, now + 1, roots=[ROOT])
    assert opens(folder, client.key(folder, now + 2), now + 2)


def test_an_init_that_was_cut_short_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> NoReturn:
        raise UserError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(keymaker, "overwrite", cut)
        with pytest.raises(UserError, match="cut"):
            keymaker.init(tmp_path / "keys", TERMS, NOW, roots=[ROOT])
    before = {path.name for path in (tmp_path / "keys").rglob("*.*")}
    keymaker.init(tmp_path / "keys", TERMS, NOW, roots=[ROOT])
    made = {path.name for path in (tmp_path / "keys").rglob("*.*")}
    assert made - before == {"directory.bin", "root.pub"}


def test_the_root_key_stays_outside(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    root = load_or_make_root(tmp_path / "root.pem", outside=keys)
    assert str(load_root(tmp_path / "root.pem").public) == str(root.public)
    assert (tmp_path / "root.pem").stat().st_mode & 0o777 == 0o600
    for inside in (keys / "root.pem", tmp_path / "x" / ".." / "keys" / "gateway" / "root.pem"):
        with pytest.raises(UserError, match="expected a place outside"):
            load_or_make_root(inside, outside=keys)


def test_a_root_key_that_others_can_read_or_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "root.pem"
    load_or_make_root(path, outside=tmp_path / "keys")
    path.chmod(0o644)
    with pytest.raises(UserError, match=rf"others can reach .*; shut them out: chmod 600 {path}"):
        load_root(path)
    path.write_bytes(b"junk")
    path.chmod(0o600)
    with pytest.raises(UserError, match="expected an Ed25519 private key in PEM"):
        load_root(path)
    with pytest.raises(UserError, match="No such file or directory"):
        load_root(tmp_path / "none.pem")
