"""The fetch command for a test: in this process, or as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import IO, Any

import typer
from typer.testing import CliRunner, Result

from extproc.cli.fetch import fetch
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.gateway import Gateway

BYTES = bytes(range(256)) * 200


@dataclass
class Shell:
    """Runs the command, with the link in the environment."""

    link: str
    root: str

    def __call__(self, *arguments: str, stdin: bytes = b"", **environment: Any) -> Result:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(fetch)
        env = {"EXTPROC_LINK": self.link, "EXTPROC_ROOT": self.root, **environment}
        return CliRunner().invoke(app, arguments, input=stdin, env=env)

    def command(self, *arguments: str) -> list[str]:
        """Its words, for a process of its own."""
        trust = ["--link", self.link, "--root", self.root]
        return [sys.executable, "-m", "extproc", "fetch", *trust, *arguments]


def start(
    run: Shell,
    *arguments: str,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """The command itself, in a process of its own."""
    return subprocess.Popen(run.command(*arguments), stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)


def fields(gateway: Gateway) -> list[tuple[str, bytes]]:
    """The headers of what ran last."""
    return [(header.name, header.value) for header in gateway.ran[-1].headers]


def answer(gateway: Gateway, status: int, body: bytes = b"", **headers: str) -> None:
    """What the upstream says from now on."""
    named = [pb.Header(name=name.replace("_", "-"), value=value.encode()) for name, value in headers.items()]
    gateway.upstream = lambda _: pb.InnerResponse(status=status, headers=named, body=body)
