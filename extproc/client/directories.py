"""The key directory that a transport goes by, and when to ask for another (docs/protocol.md, section 11).

All times of a directory are judged by the device's own clock, never by what a gateway said of the time:
expiry is revocation, and who holds a revoked gateway key must not be able to turn the clock back.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from extproc.client.options import Config
from extproc.client.world import World
from extproc.link.directory import Accepted, Directory, DirectoryKey, verify
from extproc.link.keys import PublicKey

ASK_AGAIN_S: Final = 60.0  # between two fetches for `unknown-key`, and after a refresh that failed
SERIAL_JITTER_S: Final = 5.0  # a higher serial reaches every client at once
_HALF: Final = (0.45, 0.55)  # of a directory's life, with jitter
_PINNED_MAX_REQUEST: Final = 2**20  # pinned keys come without the gateway's limit: its default; more streams
_FOREVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class Choice:
    """A directory that holds now, and the key of it to seal to."""

    directory: Directory
    key: PublicKey


class Directories:
    """The one directory in use. Safe to use from threads."""

    def __init__(self, config: Config, world: World, accepted: Mapping[bytes, Accepted]) -> None:
        self._config = config
        self._world = world
        self._lock = threading.Lock()
        self._refresh_at: float = math.inf
        self._wanted = 0  # the highest serial heard of
        self._asked_at = -math.inf  # monotonic
        self._held = _pinned(config) if config.pinned else None
        self.signed = b""
        self.accepted = accepted
        self.failures = 0  # fetches that brought nothing to go by

    @property
    def is_first(self) -> bool:
        """Whether there has been no directory yet."""
        return self._held is None

    @property
    def is_behind(self) -> bool:
        """Whether the gateway has spoken of a newer directory."""
        return self._held is not None and self._wanted > self._held.serial

    def choice(self) -> Choice | None:
        """What to seal with now: always the most preferred key whose dates hold. None: fetch first."""
        held, now = self._held, self._world.now()
        if held is None or now >= held.expires_at:
            return None
        key = held.preferred(now, require_pq=self._config.require_pq)
        return None if key is None else Choice(held, key)

    def accept(self, signed: bytes, *, fetched: bool) -> None:
        """Go by this directory from here on. Raises DirectoryError, with nothing changed, for a worse one."""
        config, now = self._config, self._world.now()
        with self._lock:
            verified = verify(signed, roots=config.roots, link=config.link, now=now, accepted=self.accepted)
            self._held, self.signed, self.accepted = verified.directory, signed, verified.accepted
            self._refresh_at = self._next_refresh(verified.directory, now, fetched=fetched)

    def take_turn(self) -> bool:
        """Whether a refresh is due; says so to one caller, and not again for a while."""
        now = self._world.now()
        with self._lock:
            if now < self._refresh_at:
                return False
            self._refresh_at = now + ASK_AGAIN_S
            return True

    def may_ask(self) -> bool:
        """Whether `unknown-key` may lead to a fetch now: at most once a minute (section 9)."""
        now = self._world.monotonic()
        with self._lock:
            if self._config.pinned or now - self._asked_at < ASK_AGAIN_S:
                return False
            self._asked_at = now
            return True

    def heard(self, serial: int) -> None:
        """A sealed response has told the serial now in force."""
        with self._lock:
            if self._config.pinned or self._held is None or serial <= max(self._held.serial, self._wanted):
                return
            self._wanted = serial
            soon = self._world.now() + SERIAL_JITTER_S * self._world.uniform()
            self._refresh_at = min(self._refresh_at, soon)

    def _next_refresh(self, directory: Directory, now: int, *, fetched: bool) -> float:
        low, high = _HALF
        fraction = low + (high - low) * self._world.uniform()
        due = directory.issued_at + (directory.expires_at - directory.issued_at) * fraction
        if fetched and due <= now:  # the gateway has no fresher one: half of what is left
            due = now + max(ASK_AGAIN_S, (directory.expires_at - now) * fraction)
        if self._wanted > directory.serial:
            due = min(due, now + ASK_AGAIN_S)
        return due


def _pinned(config: Config) -> Directory:
    """Pinned gateway keys, as a directory that never changes."""
    return Directory(
        serial=0,
        issued_at=0,
        expires_at=_FOREVER,
        keys=tuple(DirectoryKey(key, not_before=0, not_after=_FOREVER) for key in config.pinned),
        path=config.path,
        stream_path=f"{config.path}/stream",
        max_request_bytes=_PINNED_MAX_REQUEST,
        links=(config.link,),
    )
