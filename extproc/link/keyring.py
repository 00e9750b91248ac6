"""The gateway's keys and the link keys that it has opened lately (section 3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from extproc.errors import Code, LinkError
from extproc.link.keys import LinkKey, PrivateKey


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A gateway key and when it serves, in Unix seconds."""

    key: PrivateKey
    created_at: int
    open_until: int  # its not_after, and the grace period for requests that were under way


@final
class Keyring:
    """Finds the link key of a request. Not shared between threads."""

    def __init__(self, held: Iterable[HeldKey], cache_size: int = 4096) -> None:
        self._held = {entry.key.key_id: entry for entry in held}
        self._cache: OrderedDict[tuple[bytes, bytes], LinkKey] = OrderedDict()
        self._cache_size = cache_size

    def can_open(self, now: int) -> bool:
        """Whether any key serves at `now`."""
        return any(now < entry.open_until for entry in self._held.values())

    def created_at(self, key_id: bytes) -> int:
        return self._held[key_id].created_at

    def newest_created_at(self) -> int:
        """When the youngest key was made, in Unix seconds; 0 without one."""
        return max((entry.created_at for entry in self._held.values()), default=0)

    def link_key(self, key_id: bytes, encapsulation: bytes, now: int) -> LinkKey:
        """The link key of (`key_id`, `encapsulation`). Raises LinkError(UNKNOWN_KEY or BAD_ENVELOPE)."""
        entry = self._held.get(key_id)
        if entry is None or now >= entry.open_until:
            raise LinkError(Code.UNKNOWN_KEY, f"key {key_id.hex()} is not held")
        address = key_id, encapsulation
        cached = self._cache.get(address)
        if cached is not None:
            self._cache.move_to_end(address)
            return cached
        link_key = entry.key.decapsulate(encapsulation)
        self._cache[address] = link_key
        if len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return link_key
