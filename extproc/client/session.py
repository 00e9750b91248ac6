"""What the exchanges of one transport share."""

from __future__ import annotations

import logging
from typing import Final

from extproc.client.directories import Choice, Directories
from extproc.client.errors import DIRECTORY, LinkError
from extproc.client.jar import outer_jar
from extproc.client.options import Config
from extproc.client.secret import Secrets
from extproc.client.store import FileStore, Remembered
from extproc.client.world import World
from extproc.errors import Code, DirectoryError
from extproc.link.cookies import BINDING_LENGTH
from extproc.link.envelope import NONCE_LENGTH, LinkSecret, ResponseOpener, seal_request, seal_stream
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.streams import StreamWriter

_log: Final = logging.getLogger("extproc.client")


class Session:
    """Safe to use from threads and tasks: no lock is held while anything is waited for."""

    def __init__(self, config: Config, world: World) -> None:
        self.config = config
        self.world = world
        self.offset_ms = 0  # from this clock to the gateway's, as learned
        self.cookies = outer_jar(is_loopback=config.loopback)
        self._secrets = Secrets(world)
        self._store = None if config.cache is None else FileStore(config.cache, config.link)
        remembered = Remembered() if self._store is None else self._store.load()
        self.cookie_binding = remembered.cookie_binding or world.random(BINDING_LENGTH)
        self.directories = Directories(config, world, remembered.accepted)
        for source, signed in (("shipped", config.shipped or b""), ("cached", remembered.signed)):
            self._adopt(source, signed)
        if not remembered.cookie_binding:
            self.cookie_binding = self.save(self.state()).cookie_binding  # or another process was faster

    def state(self) -> Remembered:
        """What a restart must not forget."""
        return Remembered(self.directories.signed, self.directories.accepted, self.cookie_binding)

    def save(self, remembered: Remembered) -> Remembered:
        """What is remembered now, by other processes too. A file that can't be written costs no request:
        memory has it all until the end of the process."""
        try:
            return remembered if self._store is None else self._store.save(remembered)
        except OSError as error:
            _log.warning("the directory is remembered in memory only: %s", error)
            return remembered

    def seal(self, inner: pb.InnerRequest, choice: Choice) -> tuple[bytes, ResponseOpener]:
        """`seal_request` under a fresh nonce. Raises LinkError("directory") for a key that is none."""
        secret, nonce = self._secret(choice), self.world.random(NONCE_LENGTH)
        return seal_request(secret, inner, nonce=nonce, padding=self.config.padding)

    def seal_stream(
        self, inner: pb.InnerRequest, choice: Choice
    ) -> tuple[bytes, StreamWriter, ResponseOpener]:
        """`seal_stream` likewise. Raises LinkError("too-large") for headers that no segment can hold."""
        secret, nonce = self._secret(choice), self.world.random(NONCE_LENGTH)
        try:
            return seal_stream(secret, inner, nonce=nonce, padding=self.config.padding)
        except ValueError as error:
            raise LinkError(Code.TOO_LARGE, f"all but the body: {error}") from error

    def learn_time(self, gateway_time_ms: int) -> None:
        """Correct the offset. What the answer took on its way makes requests look older, never newer:
        the gateway bears 120 s of that, and only 30 s of the other."""
        if gateway_time_ms:
            self.offset_ms = gateway_time_ms - self.world.now_ms()

    def _secret(self, choice: Choice) -> LinkSecret:
        try:
            return self._secrets.take(choice.key)
        except ValueError as error:
            raise LinkError(DIRECTORY, f"key {choice.key.key_id.hex()} is unusable: {error}") from error

    def _adopt(self, source: str, signed: bytes) -> None:
        if not signed or not self.config.roots:
            return
        try:
            self.directories.accept(signed, fetched=False)
        except DirectoryError as error:
            _log.info("the %s directory of %s is not used: %s", source, self.config.link, error)
