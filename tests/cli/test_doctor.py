"""`extproc doctor`, with a real Envoy, real sockets and real files.

Invariant: exit code 0 and no finding for a gateway that would start; 1 and a finding with its remedy for each
thing that would keep it from starting or serving, and no finding besides; 2 when there is nothing to look at.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from extproc import cli
from extproc.config import keymaker
from extproc.config.load import load
from extproc.config.rotation import Terms
from extproc.link.keys import RootPrivateKey
from extproc.server.state import exclusive

EXAMPLE = Path(__file__).parent.parent.parent / "envoy" / "gateway.yaml"
NOTHING_THERE = "127.0.0.1:1"


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[tuple[str, str, str]]:
        found: list[dict[str, str]] = json.loads(self.out)
        assert self.code == (1 if found else 0)
        assert all(set(entry) == {"check", "severity", "problem", "remedy"} for entry in found)
        return [(entry["check"], entry["severity"], entry["problem"]) for entry in found]


Doctor = Callable[..., Outcome]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Doctor:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr("sys.argv", ["extproc", "doctor", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, printed.out, printed.err)

    return run


@pytest.fixture
def shop() -> Iterator[str]:
    """An upstream that answers the telephone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def write(tmp_path: Path, shop: str) -> Callable[..., None]:
    """Writes a gateway.yaml that is well, with `changes`, and makes its keys."""

    def write(**changes: Any) -> None:
        settings = {
            "listen": "127.0.0.1:0",
            "admin": "127.0.0.1:0",
            "link": {"origins": ["http://127.0.0.1:8443"]},
            "upstreams": {"shop": {"endpoints": [shop]}},
            "routes": [{"host": "shop.example.com", "upstream": "shop"}],
        }
        (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(settings | changes))
        loaded = load(tmp_path / "gateway.yaml")
        if not (tmp_path / "keys").exists():
            roots = [RootPrivateKey.generate()]
            keymaker.init(tmp_path / "keys", Terms.of(loaded), time.time(), roots=roots)

    return write


Write = Callable[..., None]


def test_all_is_well(doctor: Doctor, write: Write) -> None:
    write()
    assert doctor("--json").findings == []
    shown = doctor()
    assert shown.code == 0
    assert shown.out.endswith("\nAll is well.\n")
    assert shown.out.count("✓") == 10


def test_doctor_changes_nothing(doctor: Doctor, write: Write, tmp_path: Path) -> None:
    write()
    before = sorted(tmp_path.rglob("*"))
    doctor("--json")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_fresh_clone_lacks_keys_and_an_upstream(doctor: Doctor, tmp_path: Path) -> None:
    """The example as it is in the repository, but for its ports, which may be taken here."""
    settings = yaml.safe_load(EXAMPLE.read_text()) | {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(settings))
    keys, upstream = doctor("--json").findings
    assert keys == ("keys", "error", "keys: no keys here")
    assert upstream[:2] == ("upstreams", "error")
    assert upstream[2].startswith("shop is unreachable: ")


def test_remedies_can_be_run_as_they_are_printed(doctor: Doctor, tmp_path: Path, write: Write) -> None:
    write()
    (tmp_path / "keys").rename(tmp_path / "away")
    shown = doctor("-c", str(tmp_path / "gateway.yaml"))
    assert shown.out.splitlines()[-3:] == ["✓ upstreams", "", f"1 finding in {tmp_path}/gateway.yaml."]
    assert (
        f"✗ keys\n    error: {tmp_path}/keys: no keys here\n"
        f"      make them: extproc keys init -c {tmp_path}/gateway.yaml --root gateway.root.pem\n"
    ) in shown.out


def test_mistakes_in_the_settings_are_findings(doctor: Doctor) -> None:
    Path("gateway.yaml").write_text("listen: x\nlink: {}\nupstreams: {}\nroutes: []\n")
    assert doctor("--json").findings == [
        ("settings", "error", 'gateway.yaml:1: listen: expected host:port such as "127.0.0.1:8443", not "x"'),
        (
            "settings",
            "error",
            'gateway.yaml:2: link.origins: missing; expected the link\'s names, such as ["https://gw.example.com"]',
        ),
        ("settings", "error", "gateway.yaml:4: routes: expected at least one entry"),
    ]


def test_nothing_to_look_at(doctor: Doctor) -> None:
    missing = doctor("-c", "none.yaml", "--json")
    assert (missing.code, missing.out) == (2, "")
    assert missing.err == "extproc: none.yaml: expected the gateway's settings, but there is no such file\n"


def test_promises_and_certificates_are_looked_at(doctor: Doctor, write: Write) -> None:
    write(cookies={"mode": "plain"}, tls={"certificate": "none.pem", "private_key": "none.key"})
    checks = [finding[0] for finding in doctor("--json").findings]
    assert checks == ["cookies", "certificates", "certificates", "envoy"]


def test_a_state_folder_that_others_can_enter(doctor: Doctor, write: Write, tmp_path: Path) -> None:
    write()
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    assert doctor("--json").findings == [("state", "error", "state: others can enter it (mode 0755)")]


def test_a_state_folder_that_is_none(doctor: Doctor, write: Write, tmp_path: Path) -> None:
    write()
    (tmp_path / "state").write_text("")
    assert doctor("--json").findings[0] == ("state", "error", "state: is not a folder")
    write(state_dir="state/inside")
    assert doctor("--json").findings[0] == (
        "state",
        "error",
        "state/inside: Not a directory",
    )


def test_sockets(doctor: Doctor, write: Write, tmp_path: Path) -> None:
    write()
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "worker-0.sock").write_text("")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(state / "worker-1.sock"))
        assert doctor("--json").findings == [
            ("sockets", "error", "state/worker-0.sock: something that is no socket is in the way"),
            ("sockets", "warning", "state/worker-1.sock: left behind by a worker that was killed"),
        ]
        listening.listen()
        assert doctor("--json").findings[1] == (
            "sockets",
            "error",
            "state/worker-1.sock: in use by a process that is no gateway of this state_dir",
        )
    (state / "worker-0.sock").unlink()
    with exclusive(state):  # a gateway runs here: the sockets are its own
        assert doctor("--json").findings == []


def test_a_state_folder_too_deep_for_a_socket(doctor: Doctor, write: Write, tmp_path: Path) -> None:
    deep = f"{'d' * 90}/state"
    write(state_dir=deep)
    sockets, envoy = doctor("--json").findings
    long = f"{deep}/worker-1.sock: 110 bytes are too many for a Unix socket, which has 107"
    assert sockets == ("sockets", "error", long)
    assert envoy[0] == "envoy"  # it says so, too


def test_a_port_that_is_taken(doctor: Doctor, write: Write, shop: str) -> None:
    write(listen=shop)
    assert doctor("--json").findings == [("ports", "error", f"listen: {shop}: in use by another process")]
    write(listen="192.0.2.1:0")
    assert doctor("--json").findings == [
        ("ports", "error", "listen: 192.0.2.1:0: cannot assign requested address")
    ]


def test_upstreams(doctor: Doctor, write: Write, shop: str) -> None:
    upstreams = {
        "shop": {"endpoints": [shop, NOTHING_THERE]},
        "dead": {"endpoints": [NOTHING_THERE, "nowhere.invalid:80"]},
    }
    write(upstreams=upstreams)
    dead, shop_finding = doctor("--json").findings
    assert shop_finding == (
        "upstreams",
        "warning",
        f"shop is partly unreachable: {NOTHING_THERE} (connection refused)",
    )
    assert dead[1] == "error"
    assert dead[2].startswith(
        f"dead is unreachable: {NOTHING_THERE} (connection refused), nowhere.invalid:80 ("
    )


def test_no_envoy(doctor: Doctor, write: Write) -> None:
    write()
    (finding,) = doctor("--json", "--envoy", "none").findings
    assert finding == ("envoy", "error", "--envoy: expected the path of an Envoy binary, not none")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo hello", "{} does not run as an Envoy: hello"),
        ("echo 'envoy  version: 0123/1.39.2/Clean/RELEASE'", "{}: Envoy 1.39.2 is too old: expected 1.40.0"),
    ],
)
def test_another_envoy(doctor: Doctor, write: Write, tmp_path: Path, script: str, problem: str) -> None:
    write()
    binary = tmp_path / "envoy"
    binary.write_text(f"#!/bin/sh\n{script}\n")
    binary.chmod(0o755)
    (finding,) = doctor("--json", "--envoy", str(binary)).findings
    assert finding[2].startswith(problem.format(binary))


def test_what_envoy_refuses(doctor: Doctor, write: Write, tmp_path: Path) -> None:
    write(filters="filters.yaml")
    (finding,) = doctor("--json").findings
    assert finding[0] == "envoy"
    assert "filters.yaml" in finding[2]
    lua = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    broken = [
        {
            "name": "broken",
            "typed_config": {"@type": lua, "default_source_code": {"inline_string": "not lua at all"}},
        }
    ]
    (tmp_path / "filters.yaml").write_text(yaml.safe_dump(broken))
    (finding,) = doctor("--json").findings
    assert finding[2].startswith("it refuses its configuration: ")
