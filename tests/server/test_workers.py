"""The supervisor and its real worker processes.

Invariant: every place has a worker or soon has one again, and no worker outlives its supervisor.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.server.state import exclusive
from extproc.server.workers import Supervisor
from tests.exchange import link
from tests.server import envoys
from tests.server.gateways import CONFIG, make_keys, settings, write_config

PATIENCE_S = 10


@pytest.fixture
def ready(tmp_path: Path) -> Settings:
    """A gateway in `tmp_path` that lacks nothing."""
    found = settings(tmp_path)
    make_keys(found)
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Poll: what is awaited happens in another process."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - no event to wait for, see above
            await asyncio.sleep(0.01)


def alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def health(address: str) -> int:
    """The status of GET /_link/health, through the exchange."""
    async with grpc.aio.insecure_channel(address) as channel:
        stream = envoys.process(channel)
        await stream.write(envoys.request_headers(link.outer("GET", "/_link/health"), end_of_stream=True))
        status: int = (await stream.read()).immediate_response.status.code
        return status


async def open_exchange(channel: grpc.aio.Channel) -> Any:
    """A stream on which a body is awaited."""
    stream = envoys.process(channel)
    await stream.write(envoys.request_headers(link.sealed_headers()))
    assert (await stream.read()).HasField("request_headers")
    return stream


async def test_every_worker_serves_and_none_is_left(ready: Settings) -> None:
    async with Supervisor(ready.folder / CONFIG, ready) as workers:
        pids = workers.pids
        assert [await health(address) for address in workers.addresses] == [204, 204]
        assert workers.addresses == [f"unix:{ready.folder}/state/worker-{n}.sock" for n in range(2)]
    assert not any(map(alive, pids))
    assert not list(ready.folder.glob("state/*.sock"))


async def test_a_killed_worker_comes_back_at_its_address(ready: Settings) -> None:
    """Its dead socket is in the way, and is removed; the other worker goes on."""
    async with Supervisor(ready.folder / CONFIG, ready) as workers:
        killed, other = workers.pids
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: workers.pids[0] not in {killed, None})
        async with grpc.aio.insecure_channel(workers.addresses[0]) as channel:
            await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
        assert await health(workers.addresses[0]) == 204
        assert workers.pids[1] == other


async def test_a_drain_lets_an_open_exchange_end(ready: Settings) -> None:
    workers = Supervisor(ready.folder / CONFIG, ready)
    await workers.__aenter__()
    async with grpc.aio.insecure_channel(workers.addresses[0]) as channel:
        stream = await open_exchange(channel)
        draining = asyncio.create_task(workers.__aexit__(None, None, None))
        await until(lambda: workers.pids[1] is None)  # it had nothing to wait for
        assert alive(workers.pids[0])
        await stream.write(envoys.request_body(b"not an envelope"))
        assert (await stream.read()).immediate_response.status.code == 400
        await asyncio.wait_for(draining, PATIENCE_S)


async def test_a_drain_is_not_for_ever(tmp_path: Path) -> None:
    short = settings(tmp_path, drain="300ms")
    make_keys(short)
    async with Supervisor(tmp_path / CONFIG, short) as workers:
        channel = grpc.aio.insecure_channel(workers.addresses[0])
        stream = await open_exchange(channel)
    assert await stream.code() is not grpc.StatusCode.OK
    await channel.close(None)


async def test_cancelled_it_ends_them_at_once(ready: Settings) -> None:
    """Here in the middle of a drain, as a second SIGTERM does."""
    workers = Supervisor(ready.folder / CONFIG, ready)
    await workers.__aenter__()
    pids = workers.pids
    async with grpc.aio.insecure_channel(workers.addresses[0]) as channel:
        stream = await open_exchange(channel)
        draining = asyncio.create_task(workers.__aexit__(None, None, None))
        await until(lambda: workers.pids[1] is None)
        draining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(draining, 2)
        assert await stream.code() is not grpc.StatusCode.OK
    assert not any(map(alive, pids))


async def test_what_an_operator_can_mend_ends_everything_with_one_sentence(tmp_path: Path) -> None:
    without_keys = settings(tmp_path)
    with pytest.raises(UserError, match="keys") as raised:
        await Supervisor(tmp_path / CONFIG, without_keys).__aenter__()
    assert len(str(raised.value).splitlines()) == 1
    make_keys(without_keys)
    async with Supervisor(tmp_path / CONFIG, without_keys):  # nothing is left of the first
        pass


@pytest.mark.parametrize(
    ("end", "manner"),
    [("os.kill(os.getpid(), signal.SIGBUS)", "by SIGBUS"), ("os._exit(135)", "with exit code 135")],
)
async def test_a_worker_that_never_serves_is_given_up(
    ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, manner: str
) -> None:
    """It dies while Python starts, and leaves a line each time."""
    lives = tmp_path / "lives"
    script = f"import os, signal\nwith open({str(lives)!r}, 'a') as f: f.write('x')\n{end}\n"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/sitecustomize.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    one = ready.model_copy(update={"workers": 1})
    with pytest.raises(
        UserError, match=rf"worker 0 died 3 times before it could serve, .* {manner}; "
    ) as raised:
        await asyncio.wait_for(Supervisor(ready.folder / CONFIG, one).__aenter__(), PATIENCE_S)
    assert len(str(raised.value).splitlines()) == 1
    assert lives.read_text() == "xxx"
    with exclusive(ready.folder / "state"):  # it holds nothing any more
        pass


async def test_a_worker_that_has_served_is_tried_again_while_the_file_is_wrong(ready: Settings) -> None:
    """The other workers still serve: an edit that is half done must not take them down."""
    config = ready.folder / CONFIG
    good = config.read_text()
    with capture_logs() as log:
        async with Supervisor(config, ready) as workers:
            killed, other = workers.pids
            assert killed is not None
            config.write_text("listen: nowhere")
            os.kill(killed, signal.SIGKILL)
            await until(lambda: [entry["event"] for entry in log].count("worker.refused") >= 2)
            assert workers.pids[1] == other
            config.write_text(good)
            async with grpc.aio.insecure_channel(workers.addresses[0]) as channel:
                await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)


async def test_a_worker_that_goes_on_dying_is_started_again_ever_more_slowly(ready: Settings) -> None:
    """Twice as long after each death, from a fifth of a second on."""
    config, deaths = ready.folder / CONFIG, list[float]()
    one = ready.model_copy(update={"workers": 1})

    def note(_logger: object, _method: str, entry: EventDict) -> EventDict:
        if entry["event"] == "worker.died":
            deaths.append(asyncio.get_running_loop().time())
        return entry

    with capture_logs([note]):
        async with Supervisor(config, one) as workers:
            config.write_text("listen: nowhere")
            assert workers.pids[0] is not None
            os.kill(workers.pids[0], signal.SIGKILL)
            await until(lambda: len(deaths) == 4)
    waits = [later - earlier for earlier, later in pairwise(deaths)]
    assert all(wait >= least for wait, least in zip(waits, (0.2, 0.4, 0.8), strict=True)), waits


async def test_a_second_supervisor_is_refused(ready: Settings) -> None:
    async with Supervisor(ready.folder / CONFIG, ready) as workers:
        with pytest.raises(UserError, match=rf"another extproc runs here \(process {os.getpid()}\)"):
            await Supervisor(ready.folder / CONFIG, ready).__aenter__()
        assert [await health(address) for address in workers.addresses] == [204, 204]


SUPERVISE = """
import asyncio, sys
from pathlib import Path
from extproc.config.load import load
from extproc.server import telemetry
from extproc.server.workers import Supervisor

async def main():
    settings = load(Path(sys.argv[1]))
    telemetry.configure(settings.log)
    async with Supervisor(Path(sys.argv[1]), settings) as workers:
        print(*workers.pids, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_workers_end_with_a_supervisor_that_is_killed(ready: Settings) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISE, str(ready.folder / CONFIG), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    try:
        pids = [int(word) for word in (await parent.stdout.readline()).split()]
        assert [alive(pid) for pid in pids] == [True, True]
    finally:
        parent.kill()
        await parent.wait()
    await until(lambda: not any(map(alive, pids)))
    async with Supervisor(ready.folder / CONFIG, ready):  # and leave the next one nothing to trip over
        pass


async def test_a_worker_by_hand(tmp_path: Path) -> None:
    """Without a supervisor it says what is wrong itself, in one sentence."""
    command = [sys.executable, "-m", "extproc.server.worker", str(write_config(tmp_path)), "0"]
    worker = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, error = await worker.communicate()
    assert worker.returncode == 2
    assert out == b""
    assert error.decode().startswith("extproc: ")
    assert error.count(b"\n") == 1


async def test_the_line_between_them(tmp_path: Path) -> None:
    """One JSON line: here the sentence of a worker whose socket is in use."""
    found = settings(tmp_path)
    make_keys(found)
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(tmp_path / "state/worker-3.sock"))
        busy.listen()
        worker = await asyncio.create_subprocess_exec(
            *[
                sys.executable,
                "-m",
                "extproc.server.worker",
                str(tmp_path / CONFIG),
                "3",
                str(theirs.fileno()),
            ],
            pass_fds=[theirs.fileno()],
        )
        assert await worker.wait() == 2
        message = json.loads(ours.recv(4096))
    assert message == {"error": f"{tmp_path}/state/worker-3.sock: socket in use by another process"}
