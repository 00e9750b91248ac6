"""`extproc fetch -T` against the gateway double.

Invariant: the file reaches the upstream byte by byte, as curl would have sent it, or nothing does.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from extproc.errors import UserError
from extproc.link.pb import privatelink_pb2 as pb
from tests.cli.fetching import BYTES, Shell, answer, fields, start
from tests.client.gateway import SHOP, Gateway

Changing = Callable[[Shell, bytes], tuple[int, bytes, bytes]]
LONG = BYTES * 60  # 3 MB: more than is in hand, and more than goes whole


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "order 1?.json"
    path.write_bytes(BYTES[:1000])
    return path


def test_a_file_is_put(run: Shell, gateway: Gateway, file: Path) -> None:
    done = run("-T", str(file), f"{SHOP}/orders/1")
    assert (done.exit_code, done.stdout_bytes) == (0, BYTES[:1000])
    ran = gateway.ran[0]
    assert (ran.method, ran.path) == ("PUT", "/orders/1")
    assert [name for name, _ in fields(gateway)] == ["user-agent", "accept", "content-length"]


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/orders/", "/orders/order%201%3F.json"),
        ("/", "/order%201%3F.json"),
        ("", "/order%201%3F.json"),
        ("/orders/?a=%2f/", "/orders/order%201%3F.json?a=%2f/"),
        ("/orders", "/orders"),
    ],
)
def test_below_a_slash_it_keeps_its_name(
    run: Shell, gateway: Gateway, file: Path, path: str, there: str
) -> None:
    assert run("-T", str(file), f"{SHOP}{path}").exit_code == 0
    assert gateway.ran[0].path == there


def test_method_and_headers_are_the_callers(run: Shell, gateway: Gateway, file: Path) -> None:
    lines = ("Content-Type: application/json", "User-Agent:")
    words = [word for line in lines for word in ("-H", line)]
    assert run("-T", str(file), "-X", "POST", *words, f"{SHOP}/orders").exit_code == 0
    assert gateway.ran[0].method == "POST"
    assert [name for name, _ in fields(gateway)] == ["accept", "content-length", "content-type"]


@pytest.mark.parametrize("name", ["export.csv", "-"])
def test_a_long_one_streams(run: Shell, gateway: Gateway, tmp_path: Path, name: str) -> None:
    (tmp_path / "export.csv").write_bytes(LONG)
    with (tmp_path / "export.csv").open("rb") as stdin:
        given = name if name == "-" else str(tmp_path / name)
        with start(run, "-T", given, SHOP, stdin=stdin) as process:
            shown, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, b"")
    assert shown == LONG
    assert gateway.posts[-1].url.path == "/_link/stream"
    declared = [("content-length", str(len(LONG)).encode())]
    assert [pair for pair in fields(gateway) if pair[0] == "content-length"] == (
        [] if name == "-" else declared
    )


def test_a_named_pipe_streams(run: Shell, gateway: Gateway, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with start(run, "-T", str(tmp_path / "pipe"), SHOP) as process:
        (tmp_path / "pipe").write_bytes(b"tea")
        assert process.communicate(timeout=30) == (b"tea", b"")


@pytest.mark.parametrize("name", ["/dev/null", "/proc/version"])
def test_a_file_of_no_length_is_read_to_its_end(run: Shell, gateway: Gateway, name: str) -> None:
    done = run("-T", name, f"{SHOP}/stored")
    assert (done.exit_code, done.stdout_bytes) == (0, Path(name).read_bytes())
    assert "content-length" not in dict(fields(gateway))


@pytest.mark.parametrize("sealed_at", [0, -60_000])
def test_a_short_one_goes_again_when_the_clock_is_wrong(
    run: Shell, gateway: Gateway, file: Path, sealed_at: int
) -> None:
    now_ms = gateway.now_ms
    gateway.now_ms = lambda: now_ms() + sealed_at
    done = run("-T", str(file), f"{SHOP}/orders/1")
    assert (done.exit_code, done.stdout_bytes) == (0, BYTES[:1000])
    assert len(gateway.posts) == (2 if sealed_at else 1)


def redirecting(gateway: Gateway) -> None:
    """The first request elsewhere, with its body (307); the next is answered."""

    def redirect(inner: pb.InnerRequest) -> pb.InnerResponse:
        there = pb.Header(name="location", value=b"/there")
        is_there = inner.path == "/there"
        return pb.InnerResponse(status=200 if is_there else 307, headers=[there], body=inner.body)

    gateway.upstream = redirect


@pytest.mark.parametrize("data", [BYTES, LONG])
def test_a_redirect_is_given_the_file_from_its_beginning(
    run: Shell, gateway: Gateway, file: Path, data: bytes
) -> None:
    redirecting(gateway)
    file.write_bytes(data)
    done = run("-L", "-T", str(file), f"{SHOP}/here")
    assert (done.exit_code, done.stdout_bytes) == (0, data)
    assert [inner.path for inner in gateway.ran] == ["/here", "/there"]


def test_a_redirect_can_not_be_given_what_came_by_a_pipe(run: Shell, gateway: Gateway) -> None:
    redirecting(gateway)
    with start(run, "-L", "-T", "-", SHOP, stdin=subprocess.PIPE) as process:
        shown, said = process.communicate(b"tea", timeout=30)
    assert (process.returncode, shown) == (2, b"")
    assert said == b"extproc: what came by a pipe can't be sent again to where the upstream redirects\n"
    assert [inner.path for inner in gateway.ran] == ["/"]


@pytest.fixture
def changing(gateway: Gateway, file: Path) -> Changing:
    """Start the command, and change the file when it has been opened, before any of it has been sent."""

    def change(run: Shell, to: bytes) -> tuple[int, bytes, bytes]:
        asked, changed = threading.Event(), threading.Event()

        def slowly(_: httpx.Request) -> httpx.Response:
            asked.set()
            changed.wait(30)
            return gateway.keys_answer(gateway.signed())

        gateway.directories.append(slowly)
        file.write_bytes(LONG)
        with start(run, "-T", str(file), f"{SHOP}/log") as process:
            assert asked.wait(30)
            file.write_bytes(to)
            changed.set()
            shown, said = process.communicate(timeout=30)
        return process.returncode, shown, said

    return change


def test_what_is_added_meanwhile_stays_behind(run: Shell, changing: Changing) -> None:
    """As with a log file."""
    assert changing(run, LONG + b"more") == (0, LONG, b"")


def test_a_file_that_has_shrunk_is_not_taken_for_whole(
    run: Shell, gateway: Gateway, changing: Changing
) -> None:
    said = b"extproc: LocalProtocolError: Too little data for declared Content-Length (outcome unknown)\n"
    assert changing(run, LONG[:-1]) == (1, b"", said)
    assert gateway.ran == []


def test_no_room_for_streams(run: Shell, gateway: Gateway, file: Path) -> None:
    gateway.stream_path = ""
    file.write_bytes(LONG)
    done = run("-T", str(file), f"{SHOP}/export")
    assert (done.exit_code, gateway.ran) == (1, [])
    expected = "extproc: too-large: the gateway takes 65536 bytes, sealed (the request was not carried out)\n"
    assert done.stderr == expected


def test_what_the_caller_can_mend(run: Shell, gateway: Gateway, tmp_path: Path, file: Path) -> None:
    answer(gateway, 200)
    done = run("-T", str(file), "-d", "tea", SHOP)
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == "expected -d or -T, not both"
    assert isinstance(run("-T", str(tmp_path / "none"), SHOP).exception, FileNotFoundError)
    assert isinstance(run("-T", str(tmp_path), SHOP).exception, IsADirectoryError)
    assert gateway.posts == []
