"""A worker's watch on its folder of keys, looked through by hand.

Invariant: what is whole and at rest is taken up, what is not changes nothing and is said once, and no
directory expires unannounced.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from extproc.config import keymaker
from extproc.config.keystore import Layout, load_keys
from extproc.config.rotation import LIFE, Terms
from extproc.config.settings import Settings
from extproc.link.keys import RootPrivateKey
from extproc.server.keywatch import KeyWatch
from extproc.server.service import Service
from extproc.server.stores import MemoryStore
from tests.server.gateways import settings

ROOT = RootPrivateKey.generate()
HOUR, DAY = 3600, 86_400


class Watched:
    """A service, the keys behind it, a clock, and what has been logged."""

    def __init__(self, config: Settings) -> None:
        self.folder, self.terms = config.path(config.link.keys), Terms.of(config)
        self.layout = Layout(self.folder)
        self.now = time.time()
        keymaker.init(self.folder, self.terms, self.now, roots=[ROOT])
        self.captured = LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.captured])
        self.watch = KeyWatch(config, log.bind(), lambda: self.now)
        self.service = Service(self.watch.load(), MemoryStore(10, 0))
        self.said()

    async def look(self, times: int = 2) -> list[dict[str, Any]]:
        """Look a few times, and tell what was logged: what changes is at rest at the second look."""
        for _ in range(times):
            await self.watch.look(self.service)
        return self.said()

    def said(self) -> list[dict[str, Any]]:
        entries = [dict(entry) for entry in self.captured.entries]
        self.captured.entries.clear()
        return entries

    @property
    def serial(self) -> int:
        return self.service.gateway.directory_serial


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(settings(tmp_path))


def loaded(serial: int) -> list[dict[str, Any]]:
    return [{"event": "keys.loaded", "log_level": "info", "serial": serial}]


async def test_a_rotation_is_taken_up_and_what_has_begun_keeps_what_it_has(watched: Watched) -> None:
    before = watched.service.gateway
    assert await watched.look() == []
    change = keymaker.rotate(watched.folder, watched.terms, watched.now, roots=[ROOT])
    assert await watched.look() == loaded(before.directory_serial + 1)
    assert watched.service.gateway is not before
    assert watched.service.gateway.directory == watched.layout.signed.read_bytes()
    new = bytes.fromhex(change.created[0].stem)
    assert watched.service.gateway.keyring.created_at(new)
    with pytest.raises(KeyError):
        before.keyring.created_at(new)
    assert await watched.look() == []


async def test_what_somebody_asks_for_need_not_be_at_rest(watched: Watched) -> None:
    before = watched.serial
    keymaker.rotate(watched.folder, watched.terms, watched.now, roots=[ROOT])
    watched.watch.ask()
    assert await watched.look(1) == loaded(before + 1)
    watched.watch.ask()
    assert await watched.look() == []  # there is nothing new


async def test_what_can_not_be_loaded_is_said_again_to_whoever_asks(watched: Watched) -> None:
    watched.layout.signed.write_bytes(b"not a directory")
    assert [entry["event"] for entry in await watched.look(5)] == ["keys.refused"]
    watched.watch.ask()
    assert [entry["event"] for entry in await watched.look(5)] == ["keys.refused"]


async def test_a_key_opens_before_the_directory_lists_it(watched: Watched) -> None:
    (coming, *_) = keymaker.rotate(watched.folder, watched.terms, watched.now).created
    assert await watched.look() == loaded(watched.serial)
    assert watched.service.gateway.keyring.created_at(bytes.fromhex(coming.stem)) == 0


async def test_cookie_keys_are_taken_up(watched: Watched) -> None:
    keymaker.rotate_cookie(watched.folder, watched.now)
    assert await watched.look() == loaded(watched.serial)
    assert len(watched.service.gateway.cookies.keys) == 2


async def test_a_directory_that_waits_to_be_signed_is_nothing_to_load(watched: Watched) -> None:
    keymaker.renew(watched.folder, watched.terms, watched.now)
    assert await watched.look() == []


async def test_nothing_is_read_while_it_is_written(watched: Watched) -> None:
    """As by a slow copy, which a second look finds longer than the first."""
    whole = watched.layout.signed.read_bytes()
    for length in range(0, len(whole), 100):
        watched.layout.signed.write_bytes(whole[:length])
        assert await watched.look(1) == []
    watched.layout.signed.write_bytes(whole)
    assert await watched.look() == loaded(watched.serial)


async def test_what_can_not_be_loaded_is_said_once_and_changes_nothing(watched: Watched) -> None:
    before, whole = watched.service.gateway, watched.layout.signed.read_bytes()
    watched.layout.signed.write_bytes(b"junk")
    (refusal,) = await watched.look(5)
    assert (refusal["event"], refusal["log_level"]) == ("keys.refused", "error")
    assert str(watched.layout.signed) in refusal["reason"]
    assert watched.service.gateway is before
    watched.layout.signed.chmod(0o644)
    (refusal,) = await watched.look(5)
    assert "others can reach" in refusal["reason"]
    watched.layout.signed.chmod(0o600)
    watched.layout.signed.write_bytes(whole)
    assert await watched.look() == loaded(watched.serial)


async def test_a_folder_that_is_gone_changes_nothing(watched: Watched) -> None:
    before = watched.service.gateway
    away = watched.folder.rename(watched.folder.with_name("away"))
    assert [entry["event"] for entry in await watched.look(5)] == ["keys.refused"]
    assert watched.service.gateway is before
    away.rename(watched.folder)
    assert [entry["event"] for entry in await watched.look(5)] == []  # they are what it has


async def test_a_foreign_directory_is_not_served(watched: Watched) -> None:
    stranger = RootPrivateKey.generate()
    _, signed = keymaker.signed(
        watched.layout.signed.read_bytes(), [stranger], watched.now, name="directory.bin"
    )
    watched.layout.signed.write_bytes(signed)
    (refusal,) = await watched.look()
    assert "signed by no root that root.pub lists" in refusal["reason"]


async def test_an_expiry_is_announced_hourly_and_then_said_at_once(watched: Watched) -> None:
    expires_at = load_keys(watched.folder).decoded.expires_at
    heard = []
    for hours_left in (49, 47.9, 47.5, 46.8, 0.1, 0, -0.5, -1.1):
        watched.now = expires_at - hours_left * HOUR
        said = await watched.look()
        heard += [(hours_left, entry["event"], entry["log_level"], entry["expires_at"]) for entry in said]
    assert heard == [
        (47.9, "directory.expiring", "warning", expires_at),
        (46.8, "directory.expiring", "warning", expires_at),
        (0.1, "directory.expiring", "warning", expires_at),
        (0, "directory.expired", "error", expires_at),
        (-1.1, "directory.expired", "error", expires_at),
    ]
    keymaker.renew(watched.folder, watched.terms, watched.now, roots=[ROOT])
    assert await watched.look() == loaded(watched.serial)
    watched.now += LIFE - DAY
    assert [entry["event"] for entry in await watched.look()] == ["directory.expiring"]
