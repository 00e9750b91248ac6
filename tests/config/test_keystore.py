"""Keys on disk: who may read them, what is loaded, and what is said when something is missing.

Invariant: nothing is served from keys that others could have read or changed, or that are not all there, and
what is written is there whole, with mode 0600 in folders of mode 0700, or not at all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from extproc.config import keymaker
from extproc.config.keyfiles import KeysError, locked, overwrite, write_new
from extproc.config.keystore import KeyStore, Layout, load_keys, read_keys
from extproc.config.rotation import DAY, GRACE, LEAD, Terms
from extproc.errors import UserError
from extproc.link.keys import PrivateKey, RootPrivateKey
from extproc.link.suites import Kem

TERMS = Terms(
    links=("https://gw.example.com",), path="/_link", stream_path="/_link/stream", max_request_bytes=2**20
)
NOW = 1_800_000_000.0
ROOT = RootPrivateKey.generate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keymaker.init(keys, TERMS, NOW, roots=[ROOT])
    return keys


def load(folder: Path, now: float = NOW) -> KeyStore:
    return load_keys(folder, now)


def test_the_layout(folder: Path) -> None:
    store = load(folder)
    hybrid, classic = store.gateway
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        ".lock",
        f"gateway/{hybrid.key_id.hex()}.pem",
        f"gateway/{classic.key_id.hex()}.pem",
        f"cookie/{store.cookies[0].id.hex()}.key",
        "directory.bin",
        "root.pub",
    }
    assert (hybrid.public.kem, classic.public.kem) == (Kem.XWING, Kem.X25519)
    assert (folder / "root.pub").read_text() == f"{ROOT.public}\n"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_modes_are_exact_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        keymaker.init(tmp_path / "keys", TERMS, NOW, roots=[ROOT])
    finally:
        os.umask(before)
    paths = [tmp_path / "keys", *(tmp_path / "keys").rglob("*")]
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in paths}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_a_key_serves_by_the_directorys_dates_and_a_day_of_grace(folder: Path) -> None:
    store = load(folder)
    held = store.held()[0]
    listed = store.decoded.keys[0]
    assert (held.created_at, held.open_until) == (int(NOW), listed.not_after + GRACE)


def test_a_key_that_is_not_listed_yet_opens(folder: Path) -> None:
    coming = PrivateKey.generate(Kem.X25519)
    write_new(Layout(folder).gateway_key(coming.key_id), coming.to_pem())
    held = load(folder).held()
    assert len(held) == 3
    assert held[-1].key.key_id == coming.key_id
    assert held[-1].created_at == 0
    assert held[-1].open_until > NOW + 10_000 * DAY


def test_no_keys(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        path.chmod(0o700) if path.exists() else None
        with pytest.raises(KeysError) as error:
            load(path)
        assert str(error.value) == (
            f"{path}: no keys here; make them: extproc keys init -c gateway.yaml --root gateway.root.pem"
        )


def test_keys_that_wait_for_a_signature(tmp_path: Path) -> None:
    keymaker.init(tmp_path / "keys", TERMS, NOW)
    with pytest.raises(
        KeysError, match=r"directory\.bin: missing, since directory\.unsigned has not been signed"
    ):
        load(tmp_path / "keys")


@pytest.mark.parametrize(
    ("name", "mode", "mend"),
    [
        ("", 0o755, "chmod 700 {}"),
        ("gateway", 0o710, "chmod 700 {}"),
        ("directory.bin", 0o644, "chmod 600 {}"),
        ("directory.bin", 0o700, "chmod 600 {}"),
        ("root.pub", 0o620, "chmod 600 {}"),
    ],
)
def test_what_others_can_reach_is_refused(folder: Path, name: str, mode: int, mend: str) -> None:
    path = folder / name
    path.chmod(mode)
    with pytest.raises(KeysError) as error:
        load(folder)
    assert error.value.problem == f"others can reach {path} (mode {mode:04o})"
    assert error.value.remedy == f"shut them out: {mend.format(path)}"


def test_every_path_that_others_can_reach_is_named(folder: Path) -> None:
    private = next((folder / "gateway").iterdir())
    private.chmod(0o640)
    folder.chmod(0o750)
    with pytest.raises(KeysError) as error:
        load(folder)
    assert error.value.remedy == f"shut them out: chmod 700 {folder} && chmod 600 {private}"


def test_a_narrower_mode_is_fine(folder: Path) -> None:
    for path in folder.rglob("*.pem"):
        path.chmod(0o400)
    load(folder)


@pytest.mark.parametrize("name", ["directory.bin", "root.pub", "gateway/{key}.pem", "cookie/{cookie}.key"])
@pytest.mark.parametrize("data", [b"\n\xff", b"\xff\x00junk", b'{"created_at": 1}', b"[]"])
def test_a_damaged_file_is_named(folder: Path, name: str, data: bytes) -> None:
    store = load(folder)
    path = folder / name.format(key=store.gateway[0].key_id.hex(), cookie=store.cookies[0].id.hex())
    overwrite(path, data)
    with pytest.raises(KeysError, match="is damaged, or not what its name says") as error:
        load(folder)
    assert str(path) in error.value.problem
    assert "junk" not in str(error.value)


def test_a_file_under_another_keys_name(folder: Path) -> None:
    hybrid, classic = load(folder).gateway
    overwrite(Layout(folder).gateway_key(hybrid.key_id), classic.to_pem())
    with pytest.raises(KeysError, match=f"holds the key {classic.key_id.hex()}"):
        load(folder)


def test_a_listed_key_must_be_there_until_its_time_is_up(folder: Path) -> None:
    store = load(folder)
    path = Layout(folder).gateway_key(store.gateway[0].key_id)
    path.unlink()
    with pytest.raises(KeysError, match=rf"{path.name}: missing, but the directory lists this key"):
        load(folder)
    assert len(load(folder, store.decoded.keys[0].not_after).gateway) == 1


def _sign_anew(folder: Path, *roots: RootPrivateKey) -> None:
    _, signed = keymaker.signed(Layout(folder).signed.read_bytes(), roots, NOW, name="it")
    overwrite(Layout(folder).signed, signed)


def _flip_a_bit(folder: Path) -> None:
    data = bytearray(Layout(folder).signed.read_bytes())
    data[-1] ^= 1
    overwrite(Layout(folder).signed, bytes(data))


@pytest.mark.parametrize(
    "harm", [_flip_a_bit, lambda folder: _sign_anew(folder, RootPrivateKey.generate()), _sign_anew]
)
def test_a_directory_that_no_known_root_has_signed_is_refused(
    folder: Path, harm: Callable[[Path], None]
) -> None:
    """Damaged, foreign, or signed by nobody: neither served, nor what the next directory follows."""
    harm(folder)
    for attempt in (load, lambda folder: keymaker.renew(folder, TERMS, NOW, roots=[ROOT])):
        with pytest.raises(KeysError) as error:
            attempt(folder)
        assert error.value.problem == (
            f"{folder}/directory.bin: is damaged, or signed by no root that root.pub lists"
        )
        assert str(folder / "root.pub") in error.value.remedy
    (folder / "root.pub").unlink()  # nobody can tell
    load(folder)


def test_one_of_the_known_roots_is_enough(folder: Path) -> None:
    other = RootPrivateKey.generate()
    keymaker.renew(folder, TERMS, NOW, roots=[ROOT, other])
    _sign_anew(folder, other)
    load(folder)
    _sign_anew(folder, RootPrivateKey.generate(), ROOT)
    load(folder)


def test_a_key_made_in_a_rotation_is_as_old_as_the_rotation(folder: Path) -> None:
    keymaker.rotate(folder, TERMS, NOW + DAY, roots=[ROOT])
    store = load(folder, NOW + DAY)
    made = {held.key.key_id: held.created_at for held in store.held()}
    dates = {entry.key.key_id: entry.not_before for entry in store.decoded.keys}
    assert sorted(set(made.values())) == [NOW, NOW + DAY]
    assert sorted({dates[key_id] - made[key_id] for key_id in made}) == [0, LEAD]


def test_secrets_do_not_print(folder: Path) -> None:
    store = load(folder)
    shown = f"{store!r} {store.held()!r} {read_keys(folder)!r}"
    assert store.cookies[0].raw.hex() not in shown
    assert repr(store.cookies[0].raw) not in shown
    assert "PRIVATE" not in shown
    assert repr(store.directory) not in shown


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    write_new(tmp_path / "a.pem", b"first")
    with pytest.raises(UserError, match=r"a\.pem: is there already, and a key is never overwritten"):
        write_new(tmp_path / "a.pem", b"second")
    assert (tmp_path / "a.pem").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.pem"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overwrite(tmp_path / "directory.bin", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        overwrite(tmp_path / "directory.bin", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("directory.bin", b"old")]


def test_one_command_at_a_time(folder: Path) -> None:
    with locked(folder), pytest.raises(UserError, match="another `extproc keys` command is at work here"):
        keymaker.rotate(folder, TERMS, NOW, roots=[ROOT])
    keymaker.rotate(folder, TERMS, NOW, roots=[ROOT])
