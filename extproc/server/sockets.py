"""Where a worker listens: a Unix socket in the state folder, or TCP; and what is wrong when it can't."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import grpc

from extproc.config.settings import Address, MutualTls, Settings
from extproc.errors import UserError
from extproc.server.state import private_folder

_LONGEST_SOCKET_PATH: Final = 107  # bytes, unix(7): sun_path with its NUL
_PROBE_S: Final = 1.0
_BACKLOG: Final = 128


def bind(server: grpc.aio.Server, settings: Settings, index: int) -> str:
    """Give `server` the address of worker `index` and return it. UserError when it can't have it."""
    listen = settings.processor.listen
    if isinstance(listen, Address):
        return _bind_tcp(server, settings, Address(host=listen.host, port=listen.port + index))
    return _bind_unix(server, settings, f"worker-{index}.sock")


def listen(settings: Settings, index: int) -> tuple[str, socket.socket]:
    """The address of worker `index`, and a socket that listens there. UserError when it can't be had."""
    where = settings.processor.listen
    if isinstance(where, Address):
        address = Address(host=where.host, port=where.port + index)
        return str(address), _listen_tcp(address)
    with _free_unix(settings, f"worker-{index}.sock") as (name, shown):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(name)
        listening.listen(_BACKLOG)
    return f"unix:{shown}", listening


def release(settings: Settings, index: int) -> None:
    """Remove the Unix socket of a worker that has stopped."""
    if settings.processor.listen == "unix":
        (settings.path(settings.state_dir) / f"worker-{index}.sock").unlink(missing_ok=True)


def _bind_unix(server: grpc.aio.Server, settings: Settings, name: str) -> str:
    with _free_unix(settings, name) as (path, shown):
        _add_port(server, f"unix:{path}", shown, None)
    return f"unix:{shown}"


@contextlib.contextmanager
def _free_unix(settings: Settings, name: str) -> Iterator[tuple[str, str]]:
    """A path at which a socket can be bound, for its owner alone, and the path as it is shown."""
    dialed = settings.state_dir / name
    if len(os.fsencode(dialed)) > _LONGEST_SOCKET_PATH:
        raise UserError(
            f"{dialed}: too long for a Unix socket; expected a state_dir that leaves it under 108 bytes"
        )
    folder = private_folder(settings.path(settings.state_dir))
    # By its name alone, from inside its folder: from elsewhere the path might be too long to bind.
    with contextlib.chdir(folder), _umask(0o177):
        _remove_dead_socket(Path(name), folder / name)
        yield name, str(folder / name)


def _remove_dead_socket(name: Path, shown: Path) -> None:
    """gRPC would take over a socket in use without a word; only one that nobody answers at may go."""
    try:
        is_socket = stat.S_ISSOCK(name.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise UserError(f"{shown}: expected a socket or nothing; something else is there")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(name))
        except ConnectionRefusedError:
            name.unlink()
            return
        except TimeoutError:
            pass  # its backlog is full: busy or frozen, but there
        raise UserError(f"{shown}: socket in use by another process")


def _bind_tcp(server: grpc.aio.Server, settings: Settings, address: Address) -> str:
    tls = settings.processor.tls  # its absence is settled: `Settings` wants it off loopback
    credentials = None if tls is None else _mutual_tls(settings, tls)
    _listen_tcp(address).close()
    _add_port(server, str(address), str(address), credentials)
    return str(address)


def _listen_tcp(address: Address) -> socket.socket:
    try:
        return socket.create_server((address.host, address.port), family=_family(address.host))
    except OSError as error:
        raise UserError(f"processor.listen: {address}: {error.strerror}") from None


def _add_port(
    server: grpc.aio.Server, target: str, shown: str, credentials: grpc.ServerCredentials | None
) -> None:
    try:
        if credentials is None:
            server.add_insecure_port(target)
        else:
            server.add_secure_port(target, credentials)
    except RuntimeError:
        raise UserError(f"{shown}: can't listen there") from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _mutual_tls(settings: Settings, tls: MutualTls) -> grpc.ServerCredentials:
    """Credentials that ask the peer for a certificate of `tls.ca`. UserError for files that don't serve."""
    certificate, private_key, ca = (
        settings.path(path) for path in (tls.certificate, tls.private_key, tls.ca)
    )
    _check_pem_files(certificate, private_key, ca)
    return grpc.ssl_server_credentials(
        [(private_key.read_bytes(), certificate.read_bytes())],
        root_certificates=ca.read_bytes(),
        require_client_auth=True,
    )


def _check_pem_files(certificate: Path, private_key: Path, ca: Path) -> None:
    """OpenSSL's opinion of them, since gRPC's would only reach its own log."""
    for path in (certificate, private_key, ca):
        try:
            path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from None
    mode = stat.S_IMODE(private_key.stat().st_mode)
    if mode & 0o077:
        raise UserError(
            f"{private_key}: mode {mode:04o} lets others in; expected 0600 (chmod 600 {private_key})"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Never a password: OpenSSL would ask for it on the terminal.
        context.load_cert_chain(certificate, private_key, password="")
    except ssl.SSLError:
        raise UserError(f"{certificate}: expected a PEM certificate, with its key in {private_key}") from None
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise UserError(f"{ca}: expected PEM certificates") from None


@contextlib.contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
