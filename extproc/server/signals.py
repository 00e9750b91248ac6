"""SIGTERM and SIGINT: the first asks for a drain, the second for an end at once. SIGHUP: keys may be new."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(
    main: Callable[[asyncio.Event], Awaitable[None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Run `main` in a new event loop. The first signal sets its event; the second cancels it."""
    with contextlib.suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_main(main))


def on_hangup(call: Callable[[], object]) -> None:
    """From here on SIGHUP calls `call`, and no longer ends the process."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, call)


async def _main(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    asked = asyncio.Event()
    task = asyncio.current_task()

    def handle() -> None:
        if asked.is_set() and task is not None:
            task.cancel()
        asked.set()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, handle)
    await main(asked)


async def unless(asked: asyncio.Event, work: Awaitable[object]) -> bool:
    """Wait for `work`, or until `asked` is set: then `work` is cancelled. Whether it has ended by itself.

    What `work` raises is raised.
    """
    working = asyncio.ensure_future(work)
    asking = asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({working, asking}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
            return True
        return False
    finally:
        working.cancel()
        asking.cancel()
        await asyncio.wait({working, asking})
