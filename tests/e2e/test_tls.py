"""Through a real Envoy: TLS outside, mTLS over TCP between Envoy and the workers."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from extproc.client import LinkTransport
from tests.e2e.stack import configuration, free_port, running
from tests.e2e.upstream import Upstream


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """A certificate authority, and a certificate for each end in `tmp_path`, private keys 0600."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("gw.localhost", "127.0.0.1"):
        issued = authority.issue_cert(name)
        (tmp_path / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        (tmp_path / f"{name}.key").touch(mode=0o600)
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    return authority


def test_both_hops_encrypted(tmp_path: Path, upstream: Upstream, authority: trustme.CA) -> None:
    port = free_port()
    config = configuration(
        upstream,
        workers=1,
        link={"origins": ["https://gw.localhost"]},
        tls={"certificate": "gw.localhost.pem", "private_key": "gw.localhost.key"},
        processor={
            "listen": f"127.0.0.1:{port}",
            "tls": {"certificate": "127.0.0.1.pem", "private_key": "127.0.0.1.key", "ca": "ca.pem"},
        },
    )
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with running(tmp_path, upstream, config) as stack:
        outer = stack.dialer(verify=trust)
        transport = LinkTransport(
            "https://gw.localhost", roots=[stack.root], require_pq=True, transport=outer
        )
        with httpx.Client(transport=transport) as client:
            assert client.get("https://shop.example.com/").text == "hello from the upstream"

        # Without a certificate of its own, nobody talks to a worker.
        with pytest.raises(httpx.TransportError), httpx.Client(verify=trust) as stranger:
            stranger.get(f"https://127.0.0.1:{port}/")
