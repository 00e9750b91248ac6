"""`extproc keys`, as an operator types it.

Invariant: every command says what it did and what comes next, or in one sentence why not, with exit code 2;
what it says with --json a program can read; and a secret is never printed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from extproc.config.keystore import load_keys
from extproc.link.keys import RootPublicKey
from tests.cli.conftest import FILE, Keys, another_gateway

NO_KEYS = "keys: no keys here; make them: extproc keys init -c gateway.yaml --root gateway.root.pem\n"


def test_init(keys: Keys) -> None:
    done = keys("init", "--root", "gateway.root.pem")
    assert done.code == 0, done.err
    assert re.fullmatch(
        r"""Made keys/gateway/[0-9a-f]{16}\.pem
Made keys/gateway/[0-9a-f]{16}\.pem
Made keys/cookie/[0-9a-f]{8}\.key
Signed keys/directory\.bin: serial \d+, good until \d{4}-\d\d-\d\d \d\d:\d\d UTC
The root key is gateway\.root\.pem: keep it away from the gateway\. Clients pin its public half:
  ed25519:[A-Za-z0-9_-]{43}
""",
        done.out,
    )
    store = load_keys(Path("keys"))
    assert len(store.gateway) == 2
    assert store.decoded.links == ("https://gw.example.com",)


def test_init_makes_the_replay_store_first(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    assert list(Path("state/replay").glob("*.mdb"))
    Path("gateway.yaml").write_text(
        FILE.replace('com"] }', 'com"], replay: memory, keys: others }\nworkers: 1\nstate_dir: none', 1)
    )
    assert keys("init").code == 0
    assert not Path("none").exists()


def test_init_twice(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    before = Path("keys/directory.bin").read_bytes()
    again = keys("init", "--root", "other.root.pem")
    assert (again.code, again.out) == (2, "")
    assert (
        again.err == "extproc: keys: there are keys already; for new ones beside them: extproc keys rotate\n"
    )
    assert not Path("other.root.pem").exists()
    unless = keys("init", "--root", "other.root.pem", "--if-missing")
    root = Path("keys/root.pub").read_text()
    assert (unless.code, unless.out) == (
        0,
        f"keys: keys are there already; nothing done\nClients pin:\n  {root}",
    )
    again = keys("init", "--if-missing", "--json").json
    assert (again["created"], again["roots"]) == ([], root.split())
    assert Path("keys/directory.bin").read_bytes() == before


def test_init_with_a_root_key_that_is_there(keys: Keys) -> None:
    first = keys("init", "--root", "gateway.root.pem", "--json").json
    Path("gateway.yaml").write_text(FILE.replace('com"] }', 'com"], keys: others }', 1))
    second = keys("init", "--root", "gateway.root.pem", "--kem", "x25519", "--json").json
    assert second["roots"] == first["roots"]
    RootPublicKey.from_text(second["roots"][0])
    assert len(second["created"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["init", "-c", "none.yaml"],
            "none.yaml: expected the gateway's settings, but there is no such file",
        ),
        (["init", "--root", "keys/root.pem"], "keys/root.pem: expected a place outside keys, where "),
        (["init", "--root", "none/root.pem"], "none/.root.pem."),
        (["list"], NO_KEYS),
        (["show"], NO_KEYS),
        (["rotate"], NO_KEYS),
        (["rotate", "cookie"], NO_KEYS),
        (["retire", "0011"], NO_KEYS),
        (["rotate", "--root", "none.pem"], "none.pem: No such file or directory\n"),
        (["sign", "none", "--root", "none.pem"], "none.pem: No such file or directory\n"),
        (["show", "none"], "none: No such file or directory\n"),
        (["show", "gateway.yaml"], "gateway.yaml: expected a directory.unsigned or directory.bin of "),
    ],
)
def test_what_can_not_be_done(keys: Keys, arguments: list[str], said: str) -> None:
    done = keys(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"extproc: {said}")


@pytest.mark.parametrize(
    "arguments", [["retire", "what"], ["rotate", "everything"], ["sign", "directory.unsigned"], ["lsit"]]
)
def test_usage(keys: Keys, arguments: list[str]) -> None:
    done = keys(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: extproc keys")


def test_keys_that_others_can_read(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    Path("keys/directory.bin").chmod(0o644)
    for command in (["list"], ["show"], ["rotate"], ["rotate", "cookie"]):
        done = keys(*command)
        assert done.code == 2
        assert done.err == (
            "extproc: others can reach keys/directory.bin (mode 0644); "
            "shut them out: chmod 600 keys/directory.bin\n"
        )


def test_settings_with_mistakes(keys: Keys) -> None:
    Path("gateway.yaml").write_text(FILE.replace("link:", "lnik:").replace("127.0.0.1:0", "x", 1))
    assert keys("list").err == (
        'extproc: gateway.yaml:1: listen: expected host:port such as "127.0.0.1:8443", not "x"\n'
        'extproc: gateway.yaml:3: lnik: unknown key; did you mean "link"?\n'
    )


def test_list_tells_what_each_file_is_good_for(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    keys("rotate", "cookie")
    items = keys("list", "--json").json
    assert [item["kind"] for item in items] == ["xwing", "x25519", "cookie", "cookie", "directory"]
    assert [item["state"] for item in items[2:]] == ["seals", "opens", "in force"]
    listed = keys("list").out
    assert listed.splitlines()[0].split() == ["kind", "id", "from", "until", "state", "file"]
    assert all(item["file"] in listed for item in items)


def test_show(keys: Keys) -> None:
    root = keys("init", "--root", "gateway.root.pem", "--json").json["roots"][0]
    shown = keys("show").out
    store = load_keys(Path("keys"))
    assert f"\nroot         {root}\n" in shown
    assert "\nlinks        https://gw.example.com\n" in shown
    assert all(key.key_id.hex() in shown for key in store.gateway)
    fields = keys("show", "--json").json
    assert fields["serial"] == store.decoded.serial
    assert [key["kem"] for key in fields["keys"]] == ["xwing", "x25519"]
    assert fields["roots"] == [root]


def test_signing_elsewhere(keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = keys("init")
    assert "not signed. Where the root key is:\n  extproc keys sign directory.unsigned --root" in waiting.out
    assert keys("show").err.startswith("extproc: keys/directory.bin: missing, since directory.unsigned")

    vault = tmp_path / "vault"  # another machine: no settings, no other key
    vault.mkdir()
    (vault / "directory.unsigned").write_bytes(Path("keys/directory.unsigned").read_bytes())
    keys("init", "-c", another_gateway(tmp_path), "--root", str(vault / "root.pem"))
    monkeypatch.chdir(vault)
    assert keys("show", "directory.unsigned").out.startswith("serial       ")
    signed = keys("sign", "directory.unsigned", "--root", "root.pem")
    assert signed.code == 0
    assert "links        https://gw.example.com" in signed.out
    assert "\nSigned directory.bin: serial " in signed.out

    monkeypatch.chdir(tmp_path)
    os.rename(vault / "directory.bin", "keys/directory.bin")  # noqa: PTH104 - as `mv` would
    assert keys("show").code == 0
    assert [item["state"] for item in keys("list", "--json").json if item["kind"] == "directory"] == [
        "in force"
    ]


def test_rotate_directory_follows_the_settings(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    before = keys("show", "--json").json
    Path("gateway.yaml").write_text(FILE.replace("https://gw.", "https://new."))
    done = keys("rotate", "directory", "--root", "gateway.root.pem", "--json").json
    after = keys("show", "--json").json
    assert (done["serial"], done["created"], done["deleted"]) == (before["serial"] + 1, [], [])
    assert after["links"] == ["https://new.example.com"]
    assert after["keys"] == before["keys"]


def test_retire(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    stolen = keys("show", "--json").json["keys"][0]["key_id"]
    done = keys("retire", stolen, "--root", "gateway.root.pem", "--at-once", "--json").json
    assert done["deleted"] == [f"keys/gateway/{stolen}.pem"]
    assert not Path(done["deleted"][0]).exists()
    last = keys("show", "--json").json["keys"][1]["key_id"]
    refused = keys("retire", last, "--root", "gateway.root.pem")
    assert (refused.code, refused.err) == (
        2,
        "extproc: that would leave clients no key to use; make a new one first (extproc keys rotate), "
        "and wait until its time begins (extproc keys list)\n",
    )


def test_new_keys_begin_in_a_minute_and_at_once_without_an_overlap(keys: Keys) -> None:
    keys("init", "--root", "gateway.root.pem")
    for arguments, begins_in in ((["--overlap", "1"], 60), (["--overlap", "0"], 0)):
        done = keys("rotate", "--root", "gateway.root.pem", *arguments)
        assert done.out.endswith("Running workers take up keys and directory.bin by themselves.\n")
        shown = keys("show", "--json").json
        assert 0 <= shown["keys"][0]["not_before"] - shown["issued_at"] - begins_in <= 1


@pytest.mark.parametrize("command", ["init", "list", "rotate", "retire", "sign", "show"])
def test_every_command_has_an_example(keys: Keys, command: str) -> None:
    shown = keys(command, "--help")
    assert shown.code == 0
    assert f"extproc keys {command}" in shown.out.partition("Example")[2]
    assert "--json" in shown.out
