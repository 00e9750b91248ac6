"""Keeps a worker in step with its folder of keys, and says in time when the directory is about to expire.

Every second a few `stat` calls tell whether anything has changed. What has, and has then been left alone for
a second, is loaded, assembled anew and taken up whole, for the exchanges that begin from then on; what
somebody asks for, without that second. What can't be loaded changes nothing: the worker goes on with the keys
that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from structlog.typing import FilteringBoundLogger

from extproc.config.assembly import gateway
from extproc.config.keystore import Layout, load_keys
from extproc.config.rotation import EXPIRES_SOON
from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.exchange.gateway import Gateway
from extproc.server.service import Service

_PERIOD_S: Final = 1.0
_REMINDER_S: Final = 3600.0
_Fingerprint = tuple[tuple[object, ...], ...]


class KeyWatch:
    """`load` once, then `follow` for as long as the worker lives. `now` in Unix seconds.

    `ask` has it look at once, and take the folder for finished.
    """

    def __init__(
        self, settings: Settings, log: FilteringBoundLogger, now: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._folder = settings.path(settings.link.keys)
        self._log = log
        self._now = now
        self._seen: _Fingerprint | None = None
        self._loaded: _Fingerprint | None = None
        self._refusal = ""
        self._reminder = (False, -math.inf)  # whether it said that the directory has expired, and when
        self._asked = asyncio.Event()
        self.ask = self._asked.set

    def load(self) -> Gateway:
        """What the files hold now. Raises UserError."""
        found = _fingerprint(self._folder)
        loaded = gateway(self._settings, load_keys(self._folder, self._now()))
        self._loaded, self._refusal = found, ""
        self._log.info("keys.loaded", serial=loaded.directory_serial)
        return loaded

    async def follow(self, service: Service) -> NoReturn:
        """Look every second, or when asked, and give `service` what is new."""
        while True:
            try:
                await self.look(service)
            except Exception:  # the link is worth more than its keys being new
                self._log.exception("keys.bug")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _PERIOD_S)

    async def look(self, service: Service) -> None:
        """Look once."""
        is_asked = self._asked.is_set()
        self._asked.clear()
        found = await asyncio.to_thread(_fingerprint, self._folder)
        is_quiet, self._seen = found == self._seen, found
        if is_asked:
            self._refusal = ""  # whoever asks is told once more
        if (is_asked or is_quiet) and found != self._loaded:
            await self._take_up(service)
        self._remind(service.gateway.directory_expires_at)

    async def _take_up(self, service: Service) -> None:
        try:
            service.gateway = await asyncio.to_thread(self.load)
        except UserError as error:  # tried again at every look, and said once
            if str(error) != self._refusal:
                self._log.error("keys.refused", reason=str(error))
            self._refusal = str(error)

    def _remind(self, expires_at: int) -> None:
        now = self._now()
        has_expired, (said_so, said_at) = expires_at <= now, self._reminder
        if expires_at - now >= EXPIRES_SOON or (said_so == has_expired and now < said_at + _REMINDER_S):
            return
        self._reminder = (has_expired, now)
        if has_expired:
            self._log.error("directory.expired", expires_at=expires_at)
        else:
            self._log.warning("directory.expiring", expires_at=expires_at)


def _fingerprint(folder: Path) -> _Fingerprint | None:
    """Differs whenever what `load_keys` reads does. None: something is on the move, or out of reach."""
    layout = Layout(folder)
    try:
        return tuple(_identity(path) for path in layout.all() if path != layout.unsigned)
    except OSError:
        return None


def _identity(path: Path) -> tuple[object, ...]:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):  # what is in it stands beside it; its dates change by mere locks
        return (path, status.st_mode)
    return (path, status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)
