"""`python -m bench.aborts TASK`: downloads and uploads that their client gives up at random points."""

from __future__ import annotations

import json
import secrets
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import httpx

from bench import content
from bench.processes import read
from bench.target import Target


@dataclass(frozen=True, slots=True)
class Task:
    """`count` aborts in each direction, `at_once` of them at a time, within transfers of `size` bytes."""

    target: Target
    count: int
    size: int
    at_once: int = 8


class GivenUpError(Exception):
    """The app has changed its mind."""


def abort_download(client: httpx.Client, size: int) -> None:
    """Hang up after some bytes, perhaps none."""
    left = secrets.randbelow(size)
    with client.stream("GET", f"/bytes?n={size}") as response:
        response.raise_for_status()
        for piece in response.iter_bytes():
            left -= len(piece)
            if left <= 0:
                return


def abort_upload(client: httpx.Client, size: int) -> None:
    with suppress(GivenUpError):
        client.post(f"/sink?n={size}", content=_broken_off(secrets.randbelow(size)))


def _broken_off(size: int) -> Iterator[bytes]:
    """Some bytes, perhaps none, and then an error in the place of the rest."""
    if size:
        yield from content.pieces(size)
    raise GivenUpError


def main(argument: str) -> None:
    """Print what else went wrong: kinds of errors, and how many of each. There should be none."""
    task = read(Task, argument)
    failures: Counter[str] = Counter()
    with task.target.client() as client, ThreadPoolExecutor(task.at_once) as pool:
        started = [
            pool.submit(abort, client, task.size)
            for _ in range(task.count)
            for abort in (abort_download, abort_upload)
        ]
        for one in started:
            if (error := one.exception()) is not None:
                failures[repr(error)] += 1
    print(json.dumps({"failures": failures}))


if __name__ == "__main__":
    main(sys.argv[1])
