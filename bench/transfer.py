"""`python -m bench.transfer TASK`: a download or upload with httpx, the same code with the link and without.

With `is_hashed`, the receiver takes the SHA-256 of the content as it comes, and compares; else its length.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from typing import Literal

import httpx

from bench import content
from bench.pace import Pace
from bench.processes import read
from bench.target import Target

Direction = Literal["download", "upload"]


class ContentError(Exception):
    """A transfer ended well, and was not what had been sent."""


@dataclass(frozen=True, slots=True)
class Load:
    """`size` in bytes. The reader takes at most `rate` bytes a second; 0: as many as come."""

    direction: Direction
    size: int
    rate: int = 0
    is_hashed: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One load, and where it goes."""

    target: Target
    load: Load


def transfer(client: httpx.Client, load: Load) -> None:
    """Raises httpx.TransportError, or ContentError."""
    if load.direction == "download":
        _download(client, load)
    else:
        _upload(client, load)


def _download(client: httpx.Client, load: Load) -> None:
    pace, received, found = Pace(load.rate), 0, hashlib.sha256()
    with client.stream("GET", f"/bytes?n={load.size}") as response:
        response.raise_for_status()
        for piece in response.iter_bytes():
            received += len(piece)
            if load.is_hashed:
                found.update(piece)
            if delay_s := pace.delay_s(len(piece)):
                time.sleep(delay_s)
    if received != load.size or (load.is_hashed and found.hexdigest() != content.digest(load.size)):
        raise ContentError(f"{received} of {load.size} bytes, or others than were sent")


def _upload(client: httpx.Client, load: Load) -> None:
    check = f"&n={load.size}" if load.is_hashed else ""
    answer = client.post(f"/sink?rate={load.rate}{check}", content=content.pieces(load.size))
    answer.raise_for_status()
    found = answer.json()
    if found["received"] != load.size or (load.is_hashed and not found["is_right"]):
        raise ContentError(f"the upstream received {found} instead of {load.size} bytes")


def main(argument: str) -> None:
    """Print how long it took, the first byte to the last, connecting apart."""
    task = read(Task, argument)
    load = task.load
    content.digest(load.size if load.is_hashed else 0)  # what is expected is known before the clock starts
    with task.target.client() as client:
        began = time.perf_counter()
        transfer(client, load)
        print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main(sys.argv[1])
