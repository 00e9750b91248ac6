"""`extproc fetch`: the progress of what takes long.

Invariant: it is on the terminal of who has one, where nothing else is to be read, and nowhere else.
"""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.fetching_streams import Terminal, fetching, write
from tests.e2e.by_hand import ByHand
from tests.e2e.stack import Stack
from tests.e2e.streaming import MIB


async def test_a_long_download_has_a_bar(stack: Stack, tmp_path: Path, terminal: Terminal) -> None:
    file = tmp_path / "export"
    async with fetching(stack, "-o", str(file), stderr=terminal.write_to) as (process, server):
        await server.respond(200, content_length=str(4 * MIB))
        await server.send(bytes(MIB))
        trickle = asyncio.create_task(_trickle(server))
        assert await terminal.shows(r"Down .*\b1\.\d/4\.2 MB")
        trickle.cancel()
        await server.hang_up()
        assert await terminal.shows(r"extproc: truncated: ")
        assert await terminal.shows(rf"{re.escape(str(file))} is\s+incomplete")
    assert process.returncode == 1


async def test_a_long_upload_has_a_bar(stack: Stack, terminal: Terminal) -> None:
    async with fetching(stack, "-T", "-", stdout=terminal.write_to, stderr=terminal.write_to) as (
        process,
        server,
    ):
        bar = asyncio.create_task(terminal.shows(r"Up .*/\? "))
        while not bar.done():
            await write(process, b"tea")
            assert await server.read()
        assert await bar
        assert process.stdin is not None
        process.stdin.close()
        assert await server.read_all() == b""
        await server.answer(201, b"stored\n")
        assert await terminal.shows(r"stored\r\n$")
    assert process.returncode == 0


@pytest.mark.parametrize("silent", [("-s",), ()])
async def test_no_bar_for_who_wants_none_or_reads_the_body(
    stack: Stack, terminal: Terminal, silent: tuple[str, ...]
) -> None:
    stdout = PIPE if silent else terminal.write_to
    async with fetching(stack, *silent, stdout=stdout, stderr=terminal.write_to) as (process, server):
        await server.respond()
        with suppress(TimeoutError):
            await asyncio.wait_for(_trickle(server), 1.5)
        await server.finish()
        await process.communicate()
    assert process.returncode == 0
    assert await terminal.shows(r"^\.*$")


async def _trickle(server: ByHand) -> None:
    while True:
        await server.send(b".")
        await asyncio.sleep(0.05)
