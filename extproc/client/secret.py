"""The link secret: drawn, reused within bounds, renewed (docs/protocol.md, section 3)."""

from __future__ import annotations

import threading
from typing import Final

from extproc.client.world import World
from extproc.link.envelope import LinkSecret
from extproc.link.keys import PublicKey
from extproc.link.suites import SECRET_LENGTH

MAX_AGE_S: Final = 3600.0
MAX_USES: Final = 2**20


class Secrets:
    """Hands out the secret for each sealing. Safe to use from threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._secret: LinkSecret | None = None
        self._drawn_at = world.moment()
        self._uses = 0

    def take(self, key: PublicKey) -> LinkSecret:
        """A secret encapsulated to `key`, counted as used once more. ValueError: the key is none."""
        with self._lock:
            secret = self._secret
            if secret is None or not self._serves(secret, key):
                secret = self._draw(key)
            self._uses += 1
            return secret

    def _serves(self, secret: LinkSecret, key: PublicKey) -> bool:
        age = self._world.since(self._drawn_at)
        return secret.key_id == key.key_id and age < MAX_AGE_S and self._uses < MAX_USES

    def _draw(self, key: PublicKey) -> LinkSecret:
        secret = LinkSecret.draw(key, self._world.random(SECRET_LENGTH))
        self._secret, self._drawn_at, self._uses = secret, self._world.moment(), 0
        return secret
