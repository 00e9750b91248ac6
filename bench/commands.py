"""How the package's commands run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import TypeVar

from extproc.errors import ExtprocError, UserError
from extproc.server import signals

T = TypeVar("T")


def run(work: Coroutine[object, object, T]) -> T:
    """What `work` returns. A signal cancels it, which ends all that it has started, and exits with 130.

    One sentence, and exit code 2, for what the user can mend; 1 for what failed, or found what must not be.
    """
    results: list[T] = []

    async def noted() -> None:
        results.append(await work)

    async def until(asked: asyncio.Event) -> None:
        await signals.unless(asked, noted())

    try:
        signals.run(until)
    except ExtprocError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError) else 1)
    if not results:
        sys.exit(130)
    return results[0]
