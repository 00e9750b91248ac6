"""`extproc fetch` through a real Envoy and its workers, with what streams.

Invariant: each byte is where it was sent to before the next is awaited, and memory holds but a few of them;
what is not whole is never taken for whole.
"""

from __future__ import annotations

import os
import re
import signal
from hashlib import sha256
from pathlib import Path

import pytest

from bench import proc
from tests.cli.fetching_streams import Terminal, ended, fetching, has_grown, read, write
from tests.e2e.arrival import CutError
from tests.e2e.stack import Stack
from tests.e2e.streaming import MIB

SIZE = 96 * MIB
MEMORY_MIB = 100  # a Python that has loaded httpx and cryptography has 60 of them


async def test_an_event_is_written_before_the_next_is_sent(stack: Stack) -> None:
    async with fetching(stack, "-N") as (process, server):
        await server.respond(content_type="text/event-stream")
        for number in range(3):
            event = b"data: %d\n\n" % number
            await server.send(event)
            assert await read(process) == event
        await server.finish()
        assert await ended(process) == (b"", "")
    assert process.returncode == 0


async def test_on_a_terminal_it_is_so_without_being_told(stack: Stack, terminal: Terminal) -> None:
    async with fetching(stack, stdout=terminal.write_to) as (process, server):
        await server.respond(content_type="text/event-stream")
        for number in range(3):
            await server.send(b"data: %d\n\n" % number)
            assert await terminal.shows(f"data: {number}")
        await server.finish()
    assert process.returncode == 0


async def test_a_file_grows_as_the_body_comes(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "events"
    async with fetching(stack, "-N", "-o", str(file)) as (process, server):
        await server.respond(content_type="text/event-stream")
        for number in range(3):
            await server.send(b"%d" % number)
            assert await has_grown(file, number + 1)
        await server.finish()
        assert await ended(process) == (b"", "")
    assert file.read_bytes() == b"012"


async def test_a_reader_that_leaves_ends_it_without_a_word(stack: Stack) -> None:
    reading, writing = os.pipe()
    async with fetching(stack, "-N", stdout=writing) as (process, server):
        os.close(writing)
        await server.respond()
        await server.send(b"tea")
        assert os.read(reading, 100) == b"tea"
        os.close(reading)
        await server.send(b"coffee")
        await server.closed()
        _, said = await ended(process)
    assert (process.returncode, said) == (1, "")


async def test_an_early_answer_ends_an_upload(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    file.write_bytes(bytes(SIZE))
    async with fetching(stack, "-T", str(file)) as (process, server):
        assert await server.read()
        await server.answer(413, b"too much")
        assert await ended(process) == (b"too much", "")
    assert process.returncode == 0


@pytest.mark.parametrize("known", [True, False])
async def test_a_download_is_not_held(stack: Stack, tmp_path: Path, known: bool) -> None:
    file, piece, sent = tmp_path / "export", os.urandom(MIB), sha256()
    async with fetching(stack, "-o", str(file)) as (process, server):
        await server.respond(200, **({"content_length": str(SIZE)} if known else {}))
        for _ in range(SIZE // MIB - 1):
            await server.send(piece)
            sent.update(piece)
        assert await has_grown(file, SIZE // 2)
        assert proc.peak_mib(process.pid) < MEMORY_MIB
        await server.send(piece)
        sent.update(piece)
        await server.finish()
        assert await ended(process) == (b"", "")
    assert process.returncode == 0
    assert sha256(file.read_bytes()).digest() == sent.digest()


async def test_an_upload_is_not_held(stack: Stack, tmp_path: Path) -> None:
    file, data, got = tmp_path / "backup.tar", os.urandom(MIB) * (SIZE // MIB), sha256()
    file.write_bytes(data)
    async with fetching(stack, "-T", str(file)) as (process, server):
        while piece := await server.read():
            got.update(piece)
        assert proc.peak_mib(process.pid) < MEMORY_MIB
        await server.answer(201, b"stored")
        assert await ended(process) == (b"stored", "")
    assert (process.returncode, server.seen.method) == (0, "PUT")
    assert got.digest() == sha256(data).digest()


async def test_what_comes_by_a_pipe_goes_on_at_once(stack: Stack) -> None:
    async with fetching(stack, "-T", "-", "-X", "POST") as (process, server):
        for piece in (b"tea", b"coffee"):
            await write(process, piece)
            assert await server.read() == piece
        assert process.stdin is not None
        process.stdin.close()
        assert await server.read() == b""
        await server.answer(201, b"stored")
        assert await ended(process) == (b"stored", "")
    assert (process.returncode, server.seen.method) == (0, "POST")


async def test_an_upload_that_is_interrupted_has_no_end(stack: Stack) -> None:
    async with fetching(stack, "-T", "-") as (process, server):
        await write(process, b"tea")
        assert await server.read() == b"tea"
        process.send_signal(signal.SIGINT)
        with pytest.raises(CutError):
            await server.read()
        assert await ended(process) == (b"", "extproc: interrupted (outcome unknown)\n")
    assert process.returncode == 130


@pytest.mark.parametrize("to_file", [True, False])
async def test_an_answer_that_breaks_off_is_told(stack: Stack, tmp_path: Path, to_file: bool) -> None:
    file = tmp_path / "export"
    name = str(file) if to_file else "standard output"
    async with fetching(stack, "-N", "-o", str(file) if to_file else "-") as (process, server):
        await server.respond()
        await server.send(b"begun")
        shown = b"" if to_file else await read(process)
        assert not to_file or await has_grown(file, 5)
        await server.hang_up()
        more, said = await ended(process)
    assert process.returncode == 1
    assert (file.read_bytes() if to_file else shown + more) == b"begun"
    first, second = said.splitlines()
    assert re.fullmatch(r"extproc: truncated: .* \(outcome unknown\)", first)
    assert second == f"extproc: {name} is incomplete: 5 bytes of the body"


async def test_ctrl_c_says_what_is_in_the_file(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "events"
    async with fetching(stack, "-N", "-o", str(file)) as (process, server):
        await server.respond(content_type="text/event-stream")
        await server.send(b"data: tea\n\n")
        assert await has_grown(file, 11)
        process.send_signal(signal.SIGINT)
        await server.closed()
        said = (
            f"extproc: interrupted (outcome unknown)\nextproc: {file} is incomplete: 11 bytes of the body\n"
        )
        assert await ended(process) == (b"", said)
    assert process.returncode == 130
    assert file.read_bytes() == b"data: tea\n\n"


async def test_trailers(stack: Stack) -> None:
    async with fetching(stack, "-i", "-v") as (process, server):
        await server.respond(trailer="x-checksum")
        await server.send(b"body")
        await server.finish(x_checksum="abc")
        shown, said = await ended(process)
    head, _, body = shown.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert body == b"body\r\nx-checksum: abc\r\n"
    assert said.splitlines()[-1] == "inner< x-checksum: abc"


async def test_both_layers_of_what_streams(stack: Stack) -> None:
    async with fetching(stack, "-v", "-T", "-") as (process, server):
        await write(process, b"s3cret")
        assert process.stdin is not None
        process.stdin.close()
        assert await server.read_all() == b"s3cret"
        await server.respond(content_type="text/event-stream")
        await server.send(b"data: s3cret\n\n")
        await server.finish()
        shown, said = await ended(process)
    assert shown == b"data: s3cret\n\n"
    lines = said.splitlines()
    heads = [re.sub(r"\(\d{3,}", "(…", line) for line in lines if ": " not in line]
    assert heads[heads.index(f"outer> POST {stack.address}/_link/stream") :] == [
        f"outer> POST {stack.address}/_link/stream",
        "outer> (… bytes)",
        "outer< 200 OK",
        "inner< 200 OK",
        "outer< (… bytes)",
    ]
    assert lines.count("outer> content-type: application/privatelink-stream") == 1
    assert lines.count("outer< content-type: application/privatelink-stream") == 1
    assert "s3cret" not in said
