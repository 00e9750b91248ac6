"""The cluster of the workers in a running Envoy.

Invariant: an exchange goes to a healthy worker, over mutual TLS where the hop is TCP, and to nobody else.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest
import trustme

from tests.bootstrap.running import Gateway, gateway
from tests.bootstrap.toy import serving

OURS, THEIRS = trustme.CA(), trustme.CA()


async def test_a_dead_worker_is_left_out_and_found_again(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    one, other = (f"unix:{tmp_path}/state/worker-{number}.sock" for number in range(2))
    async with AsyncExitStack() as stack:
        toys = [await stack.enter_async_context(serving(target)) for target in (one, other)]
        running = await stack.enter_async_context(gateway(tmp_path, toy=False, workers=2))
        assert [await running.inner_status("/echo") for _ in range(10)] == [200] * 10
        assert all(toy.phases for toy in toys)
        await toys[1].stop()
        await _until_healthy(running, ["state/worker-0.sock"])
        assert [await running.inner_status("/echo") for _ in range(10)] == [200] * 10
        again = await stack.enter_async_context(serving(other))
        async with asyncio.timeout(5):
            while not again.phases:
                assert await running.inner_status("/echo") == 200


async def _until_healthy(running: Gateway, workers: list[str]) -> None:
    """Until just these workers are healthy, as Envoy sees it."""
    url = "http://{}:{}/clusters".format(*running.envoy.admin.address)
    async with asyncio.timeout(10):
        while True:
            lines = (await running.http.get(url)).text.splitlines()
            healthy = [line.split("::")[1] for line in lines if line.endswith("health_flags::healthy")]
            if [host for host in healthy if host.startswith("state/")] == workers:
                return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("issuer", "name", "trusts", "status"),
    [
        (OURS, "localhost", OURS, 200),
        (OURS, "elsewhere.example.com", OURS, 500),
        (THEIRS, "localhost", OURS, 500),
        (OURS, "localhost", THEIRS, 500),
    ],
)
async def test_tcp_is_mutual_tls(
    tmp_path: Path, issuer: trustme.CA, name: str, trusts: trustme.CA, status: int
) -> None:
    port = _free_port()
    processor = {"listen": f"127.0.0.1:{port}", "dial": "localhost", "tls": _written(tmp_path)}
    certificate = issuer.issue_cert(name)
    key, chain = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    credentials = grpc.ssl_server_credentials(
        [(key, chain)], root_certificates=trusts.cert_pem.bytes(), require_client_auth=True
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(f"127.0.0.1:{port}", credentials))
        running = await stack.enter_async_context(gateway(tmp_path, toy=False, processor=processor))
        answer = await running.link("/echo")
        assert answer.status_code == status
        assert len(running.seen()) == (status == 200)


def _written(folder: Path) -> dict[str, str]:
    certificate = OURS.issue_cert("envoy.example.com")
    certificate.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    OURS.cert_pem.write_to_path(folder / "ca.pem")
    return {"certificate": "chain.pem", "private_key": "key.pem", "ca": "ca.pem"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
