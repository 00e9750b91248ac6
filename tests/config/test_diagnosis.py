"""What doctor says of settings and keys, at a given moment.

Invariant: whatever would stop a client or a gateway, now or within days, is a finding with a remedy; and keys
as `init` makes them are none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from extproc.config import keymaker
from extproc.config.diagnosis import Finding, check_clock, check_keys, check_promises
from extproc.config.keystore import Layout, load_keys
from extproc.config.load import load
from extproc.config.rotation import DAY, KEY_LIFE, LIFE, Terms
from extproc.config.settings import Settings
from extproc.link.keys import RootPrivateKey

NOW = 1_800_000_000.5
ROOT = RootPrivateKey.generate()
FILE = """\
listen: 127.0.0.1:8443
link: { origins: ["https://gw.example.com"] }
upstreams: { shop: { endpoints: ["shop:8080"] } }
routes: [{ host: shop.example.com, upstream: shop }]
"""


def read(folder: Path, text: str = FILE) -> Settings:
    (folder / "gateway.yaml").write_text(text)
    return load(folder / "gateway.yaml")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = read(tmp_path)
    keymaker.init(keys(settings), Terms.of(settings), NOW, roots=[ROOT])
    return settings


def keys(settings: Settings) -> Path:
    return settings.path(settings.link.keys)


def said(findings: list[Finding]) -> list[tuple[str, str, str]]:
    assert all(finding.remedy for finding in findings)
    return [(finding.check, finding.severity, finding.problem) for finding in findings]


def test_new_keys_are_well(settings: Settings) -> None:
    assert check_keys(settings, NOW) == []
    assert check_keys(settings, NOW + 5 * DAY - 1) == []


def test_no_keys_are_one_finding(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert said(check_keys(settings, NOW)) == [("keys", "error", f"{tmp_path / 'keys'}: no keys here")]


def test_a_permission_is_a_finding_with_its_chmod(settings: Settings) -> None:
    keys(settings).chmod(0o755)
    (finding,) = check_keys(settings, NOW)
    assert finding.remedy == f"shut them out: chmod 700 {keys(settings)}"


@pytest.mark.parametrize(
    ("after", "said_then"),
    [
        (LIFE - 2 * DAY + 1, ("directory", "warning", "it expires in 47 hours")),
        (LIFE - 600, ("directory", "warning", "it expires in 10 minutes")),
        (LIFE + 3 * DAY, ("directory", "error", "it expired 3 days ago: no client accepts it")),
        (-120, ("clock", "error", "directory: it was issued 2 minutes in the future")),
    ],
)
def test_the_dates_of_the_directory(
    settings: Settings, after: float, said_then: tuple[str, str, str]
) -> None:
    assert said_then in said(check_keys(settings, int(NOW) + after))


def test_the_dates_of_the_keys(settings: Settings) -> None:
    for after, said_then in (
        (KEY_LIFE - 14 * DAY - 1, []),
        (KEY_LIFE - 10 * DAY, [("keys", "warning", "the last gateway key ends in 10 days")]),
        (KEY_LIFE + 1, [("keys", "error", "the directory lists no gateway key that clients may use now")]),
    ):
        keymaker.renew(keys(settings), Terms.of(settings), NOW + after, roots=[ROOT])
        assert said(check_keys(settings, NOW + after)) == said_then


def test_a_key_whose_time_begins_in_a_minute_counts(settings: Settings) -> None:
    keymaker.rotate(keys(settings), Terms.of(settings), NOW, roots=[ROOT])
    assert check_keys(settings, NOW) == []


def test_settings_that_the_directory_does_not_follow(settings: Settings, tmp_path: Path) -> None:
    changed = read(
        tmp_path, FILE.replace("gw.example.com", "new.example.com").replace("] }\nup", "], path: /x }\nup")
    )
    assert said(check_keys(changed, NOW)) == [
        (
            "directory",
            "error",
            "it says https://gw.example.com where gateway.yaml has link.origins: https://new.example.com",
        ),
        ("directory", "error", "it says /_link where gateway.yaml has link.path: /x"),
    ]
    keymaker.renew(keys(changed), Terms.of(changed), NOW, roots=[ROOT])
    assert check_keys(changed, NOW) == []


def test_a_directory_from_before_there_were_streams(settings: Settings) -> None:
    older = replace(Terms.of(settings), stream_path="")
    keymaker.renew(keys(settings), older, NOW, roots=[ROOT])
    assert said(check_keys(settings, NOW)) == [
        ("directory", "warning", "it does not tell clients to stream long requests")
    ]
    keymaker.renew(keys(settings), Terms.of(settings), NOW, roots=[ROOT])
    assert check_keys(settings, NOW) == []


def test_a_directory_that_waits_to_be_signed(settings: Settings) -> None:
    folder = keys(settings)
    keymaker.rotate(folder, Terms.of(settings), NOW)
    serial = load_keys(folder, NOW).decoded.serial + 1
    waiting = f"{folder / 'directory.unsigned'} (serial {serial}) has not been signed"
    assert said(check_keys(settings, NOW)) == [("directory", "warning", waiting)]


def test_a_key_that_no_directory_lists(settings: Settings) -> None:
    folder = keys(settings)
    created = keymaker.rotate(folder, Terms.of(settings), NOW).created
    Layout(folder).unsigned.unlink()
    assert sorted(said(check_keys(settings, NOW))) == sorted(
        ("keys", "warning", f"{path}: opens requests, but no directory lists it") for path in created
    )


def _remove_cookie_keys(folder: Path) -> None:
    for path in Layout(folder).cookie.iterdir():
        path.unlink()


def _damage(folder: Path) -> None:
    Layout(folder).signed.write_bytes(b"junk")


def _sign_by_a_stranger(folder: Path) -> None:
    data = Layout(folder).signed.read_bytes()
    _, signed = keymaker.signed(data, [RootPrivateKey.generate()], NOW, name="it")
    Layout(folder).signed.write_bytes(signed)


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (_remove_cookie_keys, "cookies.mode: sealed, but there is no cookie key"),
        (_damage, "{}/directory.bin: is damaged, or not what its name says"),
        (_sign_by_a_stranger, "{}/directory.bin: is damaged, or signed by no root that root.pub lists"),
    ],
)
def test_other_harm(settings: Settings, harm: Callable[[Path], None], problem: str) -> None:
    harm(keys(settings))
    assert said(check_keys(settings, NOW)) == [("keys", "error", problem.format(keys(settings)))]


def test_promises(tmp_path: Path) -> None:
    assert check_promises(read(tmp_path)) == []
    local = FILE.replace("https://gw.example.com", "http://127.0.0.1:8443")
    assert check_promises(read(tmp_path, local)) == []
    open_air = FILE.replace("https://gw", "http://gw") + "cookies: { mode: plain }\n"
    assert said(check_promises(read(tmp_path, open_air))) == [
        (
            "cookies",
            "warning",
            "mode plain voids the promise for cookies: who reads the outer exchange can use them",
        ),
        (
            "origins",
            "warning",
            "http://gw.example.com is plain HTTP, where browsers keep no Secure cookie and no sealed one",
        ),
    ]


def test_the_clock() -> None:
    assert check_clock(NOW) == []
    assert said(check_clock(0.0)) == [("clock", "error", "this machine's clock says 1970")]
    assert said(check_clock(1e12)) == [("clock", "error", "this machine's clock says far off")]
