"""Where a worker listens. Invariant: it takes no address from another process, and lets in no other peer."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.server.grpc_aio import GrpcServer
from extproc.server.service import Service
from extproc.server.stores import MemoryStore
from tests.exchange import link
from tests.server.gateways import settings


def server(config: Settings) -> GrpcServer:
    service = Service(link.gateway(), MemoryStore(10, link.NOW_MS))
    return GrpcServer(service, config, 0, structlog.get_logger().bind())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


async def is_healthy(channel: grpc.aio.Channel) -> bool:
    """Whether the server answers, rather than hang up."""
    call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    code = await call.code()
    assert code in {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    return code is grpc.StatusCode.OK


# Unix sockets.


async def test_a_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    first = server(settings(tmp_path))
    address = await first.start()
    with pytest.raises(UserError, match=r"worker-0\.sock: socket in use by another process"):
        await server(settings(tmp_path)).start()
    async with grpc.aio.insecure_channel(address) as channel:
        assert await is_healthy(channel)
    await first.stop()


async def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    config = settings(tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "state/worker-0.sock"))
    again = server(config)
    async with grpc.aio.insecure_channel(await again.start()) as channel:
        assert await is_healthy(channel)
    await again.stop()


async def test_what_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/worker-0.sock").write_text("precious")
    with pytest.raises(UserError, match=r"worker-0\.sock: expected a socket or nothing"):
        await server(settings(tmp_path)).start()
    assert (tmp_path / "state/worker-0.sock").read_text() == "precious"


async def test_a_folder_deep_down_is_no_obstacle(tmp_path: Path) -> None:
    """A socket's path has at most 107 bytes. Envoy works in the file's folder, so this one is short to it."""
    deep = tmp_path / ("deep" * 20) / ("down" * 20)
    deep.mkdir(parents=True)
    served = server(settings(deep))
    await served.start()
    assert (deep / "state/worker-0.sock").is_socket()
    await served.stop()


async def test_a_state_dir_too_long_for_envoy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too long for a Unix socket"):
        await server(settings(tmp_path, state_dir="s" * 100)).start()


# TCP.


async def test_plain_tcp_on_loopback(tmp_path: Path) -> None:
    served = server(settings(tmp_path, processor={"listen": f"127.0.0.1:{free_port()}"}))
    async with grpc.aio.insecure_channel(await served.start()) as channel:
        assert await is_healthy(channel)
    await served.stop()


def test_plain_tcp_off_loopback_has_to_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="plain_tcp"):
        settings(tmp_path, processor={"listen": "0.0.0.0:9000"})
    settings(tmp_path, processor={"listen": "0.0.0.0:9000", "plain_tcp": True, "dial": "processor"})


async def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    """Even by a gRPC server of the same user, which shares its port unless told not to."""
    config = settings(tmp_path, processor={"listen": f"127.0.0.1:{free_port()}"})
    first = server(config)
    address = await first.start()
    with pytest.raises(UserError, match=f"processor.listen: {address}: Address already in use"):
        await server(config).start()
    await first.stop()


Files = Callable[..., dict[str, Any]]


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, ca: trustme.CA) -> Files:
    """Writes PEM files, and makes the `processor` section that names them."""

    def write(**changes: bytes) -> dict[str, Any]:
        issued = ca.issue_cert("localhost", "127.0.0.1")
        good = {
            "certificate": b"".join(blob.bytes() for blob in issued.cert_chain_pems),
            "private_key": issued.private_key_pem.bytes(),
            "ca": ca.cert_pem.bytes(),
        }
        for name, data in (good | changes).items():
            path = tmp_path / f"{name}.pem"
            path.write_bytes(data)
            path.chmod(0o600)
        return {"listen": f"localhost:{free_port()}", "tls": {name: f"{name}.pem" for name in good}}

    return write


def credentials(trusted: trustme.CA, issuer: trustme.CA | None) -> grpc.ChannelCredentials:
    if issuer is None:
        return grpc.ssl_channel_credentials(trusted.cert_pem.bytes())
    issued = issuer.issue_cert("envoy.example.com")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return grpc.ssl_channel_credentials(trusted.cert_pem.bytes(), issued.private_key_pem.bytes(), chain)


async def test_mutual_tls(tmp_path: Path, ca: trustme.CA, files: Files) -> None:
    """In comes a peer with a certificate of the CA; not one without, of another CA, or without TLS."""
    served = server(settings(tmp_path, processor=files()))
    address = await served.start()
    outcomes = []
    for issuer in (ca, None, trustme.CA()):
        async with grpc.aio.secure_channel(address, credentials(ca, issuer)) as channel:
            outcomes.append(await is_healthy(channel))
    async with grpc.aio.insecure_channel(address) as channel:
        outcomes.append(await is_healthy(channel))
    assert outcomes == [True, False, False, False]
    await served.stop()


@pytest.mark.parametrize("name", ["certificate", "private_key", "ca"])
async def test_what_is_no_pem_is_one_sentence(tmp_path: Path, files: Files, name: str) -> None:
    processor = files(**{name: b"no PEM"})
    with pytest.raises(UserError, match=r"\.pem: expected .*PEM"):
        await server(settings(tmp_path, processor=processor)).start()


async def test_a_key_of_another_certificate_is_refused(tmp_path: Path, ca: trustme.CA, files: Files) -> None:
    processor = files(private_key=ca.issue_cert("localhost").private_key_pem.bytes())
    with pytest.raises(UserError, match=r"certificate\.pem: expected .* with its key in .*private_key\.pem"):
        await server(settings(tmp_path, processor=processor)).start()


@pytest.mark.parametrize("mode", [0o644, 0o640])
async def test_a_key_that_others_may_read_is_refused(tmp_path: Path, files: Files, mode: int) -> None:
    processor = files()
    (tmp_path / "private_key.pem").chmod(mode)
    with pytest.raises(UserError, match=rf"private_key\.pem: mode {mode:04o} lets others in; expected 0600"):
        await server(settings(tmp_path, processor=processor)).start()


async def test_a_missing_file_is_one_sentence(tmp_path: Path, files: Files) -> None:
    processor = files()
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(UserError, match=r"ca\.pem: No such file or directory"):
        await server(settings(tmp_path, processor=processor)).start()
