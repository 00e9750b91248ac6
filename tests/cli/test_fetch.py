"""`extproc fetch` against the gateway double, over loopback.

Invariant: the body comes out byte by byte, everything said about it goes to standard error, and the exit code
tells the link's trouble (1) from the caller's (2).
"""

from __future__ import annotations

import gzip
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from extproc.errors import UserError
from extproc.link.pb import privatelink_pb2 as pb
from tests.cli.fetching import BYTES, Shell, answer, fields, start
from tests.client.gateway import SHOP, Gateway, answering, problem
from tests.client.sockets import raw


@pytest.mark.parametrize("streams", [False, True])
def test_the_body_comes_out_untouched(run: Shell, gateway: Gateway, streams: bool) -> None:
    gateway.streams = streams
    answer(gateway, 200, BYTES)
    done = run(SHOP)
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, BYTES, "")
    assert (gateway.ran[0].method, gateway.ran[0].path) == ("GET", "/")
    assert [name for name, _ in fields(gateway)] == ["user-agent", "accept"]


def test_a_coded_body_stays_coded(run: Shell, gateway: Gateway) -> None:
    coded = gzip.compress(b"tea")
    answer(gateway, 200, coded, content_encoding="gzip")
    assert run("-H", "accept-encoding: gzip", SHOP).stdout_bytes == coded


def test_data(run: Shell, gateway: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "order"
    file.write_bytes(BYTES)
    done = run("-d", f"@{file}", "-d", "@-", "-d", "a=1", SHOP, stdin=b"\r\n\0")
    assert (done.exit_code, done.stdout_bytes) == (0, BYTES + b"&\r\n\0&a=1")
    assert gateway.ran[0].method == "POST"
    assert ("content-type", b"application/x-www-form-urlencoded") in fields(gateway)
    assert run("-X", "PUT", "-d", "", SHOP).exit_code == 0
    assert (gateway.ran[1].method, gateway.ran[1].body) == ("PUT", b"")


def test_headers(run: Shell, gateway: Gateway) -> None:
    lines = ("Accept: text/plain", "User-Agent:", "X-Empty;", "X-N: 1", "X-N: 2", "Host: other.example.com")
    assert run(*(word for line in lines for word in ("-H", line)), SHOP).exit_code == 0
    sent = [("accept", b"text/plain"), ("x-empty", b""), ("x-n", b"1"), ("x-n", b"2")]
    assert fields(gateway) == sent
    assert gateway.ran[0].authority == "other.example.com"


def test_output_and_include(run: Shell, gateway: Gateway, tmp_path: Path) -> None:
    answer(gateway, 404, b"none", content_type="text/plain", x_a="1")
    head = b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\nx-a: 1\r\n\r\n"
    done = run("-i", SHOP)
    assert (done.exit_code, done.stdout_bytes) == (0, head + b"none")
    done = run("-o", str(tmp_path / "out"), SHOP)
    assert (done.stdout_bytes, (tmp_path / "out").read_bytes()) == (b"", b"none")


def test_a_file_is_left_alone_until_an_answer_has_come(run: Shell, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"good")
    gateway.script.append(answering(problem("bad-envelope")))
    assert run("-o", str(tmp_path / "out"), "-d", "", SHOP).exit_code == 1
    answer(gateway, 404, b"none")
    assert run("-f", "-o", str(tmp_path / "out"), SHOP).exit_code == 1
    assert (tmp_path / "out").read_bytes() == b"good"


@pytest.mark.parametrize("streams", [False, True])
def test_fail(run: Shell, gateway: Gateway, streams: bool) -> None:
    gateway.streams = streams
    answer(gateway, 404, b"none")
    done = run("-f", SHOP)
    assert (done.exit_code, done.stdout_bytes) == (1, b"")
    assert done.stderr == "extproc: the upstream said 404 Not Found\n"
    answer(gateway, 302, b"moved")
    assert run("--fail", SHOP).stdout_bytes == b"moved"


@pytest.mark.parametrize("streams", [False, True])
def test_location(run: Shell, gateway: Gateway, streams: bool) -> None:
    gateway.streams = streams

    def redirect(inner: pb.InnerRequest) -> pb.InnerResponse:
        location = [pb.Header(name="location", value=b"/there")]
        is_there = inner.path == "/there"
        return pb.InnerResponse(status=200 if is_there else 302, headers=location, body=inner.path.encode())

    gateway.upstream = redirect
    assert run(SHOP).stdout_bytes == b"/"
    done = run("-Li", SHOP)
    assert done.stdout_bytes.count(b"HTTP/1.1 ") == 2
    assert done.stdout_bytes.endswith(b"\r\n\r\n/there")
    assert len(gateway.posts) == 3


def test_verbose_shows_both_layers(run: Shell, gateway: Gateway) -> None:
    answer(gateway, 201, b"\0", location="/orders/7")
    done = run("-v", "-d", "s3cret", f"{SHOP}/orders")
    assert done.stdout_bytes == b"\0"
    (outer,) = gateway.posts
    lines = done.stderr.splitlines()
    assert [line for line in lines if ": " not in line][:-2] == [
        "inner> POST https://shop.example.com/orders",
        f"outer> GET {run.link}/_link/keys",
        "outer> (0 bytes)",
        "outer< 200 OK",
        f"outer< ({len(gateway.signed())} bytes)",
        f"outer> POST {run.link}/_link",
        f"outer> ({len(outer.content)} bytes)",
        "outer< 200 OK",
    ]
    assert lines[-2:] == ["inner< 201 Created", "inner< location: /orders/7"]
    assert "inner> content-type: application/x-www-form-urlencoded" in lines
    assert "outer> content-type: application/privatelink" in lines
    assert "outer< content-type: application/privatelink" in lines
    assert "s3cret" not in done.stderr


def test_the_links_trouble(run: Shell, gateway: Gateway) -> None:
    gateway.script += [answering(problem("bad-envelope")), gateway.refusing("not-permitted"), raw(b"")]
    said = [run("-d", "tea", SHOP) for _ in range(3)]
    assert [done.exit_code for done in said] == [1, 1, 1]
    assert [done.stdout_bytes for done in said] == [b"", b"", b""]
    assert [done.stderr for done in said] == [
        "extproc: bad-envelope: refused outside the seal (outcome unknown)\n",
        "extproc: not-permitted: refused by the gateway (the request was not carried out)\n",
        "extproc: RemoteProtocolError: Server disconnected without sending a response. (outcome unknown)\n",
    ]


def test_a_directory_that_is_not_trusted(run: Shell, gateway: Gateway) -> None:
    done = run(SHOP, EXTPROC_ROOT="ed25519:" + "A" * 43)
    assert done.exit_code == 1
    assert (
        done.stderr == "extproc: directory: no pinned root has signed it (the request was not carried out)\n"
    )


@pytest.mark.parametrize("follow", [(), ("-L",)])
def test_a_redirect_to_no_url(run: Shell, gateway: Gateway, follow: tuple[str, ...]) -> None:
    answer(gateway, 302, location="https://xn--/")
    done = run(*follow, SHOP)
    assert (done.exit_code, done.stdout_bytes) == (1, b"")
    assert done.stderr.startswith("extproc: the upstream redirects to what is no URL: ")


def test_a_header_as_it_was_typed(run: Shell, gateway: Gateway) -> None:
    assert run("-H", "x-a: caf\udce9", SHOP).exit_code == 0
    assert ("x-a", b"caf\xe9") in fields(gateway)
    done = run("-H", "x_under: s3cret", SHOP)
    said = "extproc: bad-request: header 'x_under': no \"_\" in a name (the request was not carried out)\n"
    assert (done.exit_code, done.stderr) == (1, said)


def test_standard_output_that_is_full(run: Shell, gateway: Gateway) -> None:
    answer(gateway, 200, b"tea")
    with Path("/dev/full").open("wb") as full, start(run, SHOP, stdout=full) as process:
        _, said = process.communicate(timeout=30)
    expected = "extproc: standard output: No space left on device (the request was carried out)\n"
    assert (process.returncode, said.decode()) == (2, expected)


def test_ctrl_c_in_the_middle(run: Shell, gateway: Gateway) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def slowly(_: pb.InnerRequest) -> pb.InnerResponse:
        arrived.set()
        ended.wait(30)
        return pb.InnerResponse(status=200)

    gateway.upstream = slowly
    with start(run, "-d", "tea", SHOP) as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=30)
        ended.set()
    assert (process.returncode, shown) == (130, b"")
    assert said == b"extproc: interrupted (outcome unknown)\n"


def test_redirects_without_end(run: Shell, gateway: Gateway) -> None:
    answer(gateway, 302, location="/")
    done = run("-L", SHOP)
    assert (done.exit_code, done.stderr) == (
        1,
        "extproc: TooManyRedirects: Exceeded maximum allowed redirects.\n",
    )


def test_several_roots_and_the_cache(run: Shell, gateway: Gateway, tmp_path: Path) -> None:
    other = "ed25519:" + "A" * 43
    cache = str(tmp_path / "cache")
    assert run(SHOP, "--cache", cache, EXTPROC_ROOT=f"{other} {run.root}").exit_code == 0
    trust = ("--link", run.link, "--root", other, "--root", run.root)
    assert run(SHOP, "--cache", cache, *trust, EXTPROC_LINK="", EXTPROC_ROOT="").exit_code == 0
    assert len(gateway.fetches) == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ((SHOP,), {"EXTPROC_LINK": ""}, "expected --link and --root"),
        ((SHOP,), {"EXTPROC_ROOT": ""}, "expected --link and --root"),
        ((SHOP,), {"EXTPROC_LINK": "gw.example.com"}, "expected a link such as"),
        ((SHOP,), {"EXTPROC_LINK": "http://gw.example.com"}, "insecure_http"),
        ((SHOP, "--root", "ed25519:x"), {}, "expected a root key such as"),
        (("shop.example.com",), {}, 'expected a URL such as "https://shop.example.com/"'),
        (("ftp://shop.example.com",), {}, "expected a URL"),
        (("https://a:b:c/",), {}, "is no URL"),
        (("https://xn--/",), {}, "'https://xn--/' is no URL"),
        ((SHOP,), {"EXTPROC_LINK": "https://xn--/"}, "'https://xn--/' is no URL"),
        (("-X", "G\udce9T", SHOP), {}, "expected a method such as GET"),
        (("-o", "/dev/full", "-d", "tea", SHOP), {}, "/dev/full: No space left on device (the request was"),
        (("-o", "/nonexistent/file", SHOP), {}, "/nonexistent/file: No such file or directory (the request"),
        (("-H", "nonsense", SHOP), {}, "expected a header such as"),
    ],
)
def test_what_the_caller_can_mend(
    run: Shell, arguments: tuple[str, ...], environment: dict[str, Any], expected: str
) -> None:
    done = run(*arguments, **environment)
    assert isinstance(done.exception, UserError)
    assert expected in str(done.exception)


def test_a_file_that_is_not_there(run: Shell) -> None:
    assert isinstance(run("-d", "@/nonexistent", SHOP).exception, FileNotFoundError)


def test_usage(run: Shell) -> None:
    assert run().exit_code == 2
    assert run("--no-such", SHOP).exit_code == 2
    for seconds in ("0", "inf", "nan", "1e300"):
        assert run("--timeout", seconds, SHOP).exit_code == 2
    assert "Examples:" in run("--help").stdout
