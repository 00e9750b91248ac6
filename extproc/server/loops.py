"""The event loop of a worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

new_event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with contextlib.suppress(ImportError):  # the extra `fast`
    import uvloop

    new_event_loop = uvloop.new_event_loop
