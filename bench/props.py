"""What a stage is furnished with before anything runs on it: settings, keys, certificates."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import trustme

from bench.processes import running
from bench.services import TRANSPORTS, config_file
from bench.target import Target

# One route for both ways: what differs between them is the link, and nothing else.
_GATEWAY: Final = """\
listen: 127.0.0.1:{port}
admin: 127.0.0.1:0
link: {{ origins: ["{link}"], max_request: 2MiB }}
upstreams: {{ origin: {{ endpoints: ["127.0.0.1:{origin}"] }} }}
routes: [{{ host: 127.0.0.1, upstream: origin, access: any }}]
workers: {workers}
log: {{ access: "" }}
"""
_TRANSPORT: Final = "processor: {{ transport: {kind} }}\n"
_TLS: Final = "tls: { certificate: server.pem, private_key: server.key }\n"


async def furnish(folder: Path, origin: str, workers: int, *, tls: bool) -> Target:
    """A gateway.yaml for each of our services, alike but for the transport, and their keys. UserError."""
    port = _free_port()
    link = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    settings = _GATEWAY.format(port=port, link=link, origin=origin, workers=workers) + (_TLS if tls else "")
    for kind in TRANSPORTS:
        config_file(folder, kind).write_text(settings + _TRANSPORT.format(kind=kind))
    authority = _certify(folder) if tls else ""
    return Target(link, await _make_keys(folder), authority)


def _free_port() -> int:
    """A port where nobody listens: the link's origin has to be known before Envoy can choose one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _certify(folder: Path) -> str:
    """A certificate for loopback and its key; where their authority's is."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(folder / "server.pem", append=number > 0)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    (folder / "server.key").chmod(0o600)
    return str(folder / "authority.pem")


async def _make_keys(folder: Path) -> str:
    """The root that clients pin."""
    config, root = config_file(folder, "wire"), folder / "root.pem"
    command = ("keys", "init", "-c", str(config), "--root", str(root), "--json")
    async with running("extproc", *command) as making:
        roots: list[str] = (await making.result())["roots"]
    return roots[0]
