"""What is compared, and that a client finds it out when it is not what it should be.

Invariant: rows differ in the service that is behind Envoy and in what is sent, and in nothing else.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from envoy.service.ext_proc.v3.external_processor_pb2 import HttpBody, HttpHeaders, HttpTrailers
from envoy.service.ext_proc.v3.external_processor_pb2 import ProcessingRequest as Request

from bench import bare
from bench.processes import ChildError, done
from bench.props import furnish
from bench.replays import check
from bench.scale import RowError
from bench.services import config_file
from bench.stage import Stage, set_up
from bench.unfiltered import without_filter
from bench.whole import Task
from extproc.bootstrap.build import bootstrap
from extproc.bootstrap.dump import fields
from extproc.bootstrap.names import EXT_PROC_FILTER
from extproc.config.load import load


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with set_up() as stage:
        yield stage


def few(stage: Stage) -> Task:
    """Sealed exchanges."""
    return Task(
        stage.link,
        "sealed",
        connections=2,
        busy=4,
        alone=4,
        size=1024,
        with_cookie=False,
        service=stage.worker_pids,
        envoy=stage.envoy_pid,
    )


@pytest.mark.asyncio(loop_scope="module")
async def test_services_take_turns_behind_one_envoy(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    """And nobody takes one for the other: the bare service seals nothing, ours lets nothing pass unsealed."""
    pid = stage.envoy_pid
    async with stage.serving("bare"):
        await done("bench.whole", replace(few(stage), way="unopened"))
        with pytest.raises(ChildError):
            await done("bench.whole", few(stage))
        assert "AnswerError: answered outside the seal: HTTP/1.1 200 OK" in capfd.readouterr().err
    async with stage.serving("wire"):
        await done("bench.whole", few(stage))
        with pytest.raises(ChildError):
            await done("bench.whole", replace(few(stage), way="unopened"))
        assert re.search(r"AnswerError: answered with 200 and 11\d\d bytes", capfd.readouterr().err)
    assert stage.processes() == {pid: "envoy"}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cookie_is_opened_and_set_in_each_exchange(stage: Stage) -> None:
    async with stage.serving("wire"):
        before = (await stage.upstream())["asked"]
        await done("bench.whole", replace(few(stage), with_cookie=True))
        assert (await stage.upstream())["asked"] == before + 2 + 4 + 4  # and the first of each connection


async def test_services_are_configured_alike_but_for_the_transport(tmp_path: Path) -> None:
    await furnish(tmp_path, origin="1", workers=1, tls=False)
    grpcio, wire = (load(config_file(tmp_path, kind)) for kind in ("grpcio", "wire"))
    assert fields(bootstrap(grpcio)) == fields(bootstrap(wire))
    assert (grpcio.processor.is_wire, wire.processor.is_wire) == (False, True)
    assert config_file(tmp_path, "bare") == config_file(tmp_path, "wire")


async def test_an_envoy_without_the_filter_lacks_nothing_else(tmp_path: Path) -> None:
    await furnish(tmp_path, origin="1", workers=1, tls=False)
    whole = fields(bootstrap(load(config_file(tmp_path, "wire"))))
    less = without_filter(whole)
    assert EXT_PROC_FILTER not in str(less)
    manager, rest = manager_of(whole), manager_of(less)
    names = [entry["name"] for entry in manager.pop("http_filters")]
    names.remove(EXT_PROC_FILTER)
    assert [entry["name"] for entry in rest.pop("http_filters")] == names
    assert unrouted(manager) == unrouted(rest)
    assert whole == less


def manager_of(config: dict[str, Any]) -> dict[str, Any]:
    """Envoy's HTTP connection manager."""
    (listener,) = config["static_resources"]["listeners"]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def unrouted(manager: dict[str, Any]) -> list[Any]:
    """What is left of its hosts and routes when what they say of filters is taken out."""
    hosts = manager["route_config"]["virtual_hosts"]
    for part in [*hosts, *(route for host in hosts for route in host["routes"])]:
        part.pop("typed_per_filter_config", None)
    return list(hosts)


def test_the_bare_service_answers_the_four_messages_and_no_other() -> None:
    assert bare.reply(Request(request_headers=HttpHeaders())).HasField("request_headers")
    routed = bare.reply(Request(request_body=HttpBody(body=b"envelope"))).request_body.response
    options = routed.header_mutation.set_headers
    assert [(option.header.key, option.header.raw_value, option.append.value) for option in options] == [
        (":path", b"/bytes?n=1024", False),
        (":scheme", b"http", False),
        ("x-link-opened", b"1", False),
    ]
    assert routed.clear_route_cache
    assert bare.reply(Request(response_headers=HttpHeaders())).HasField("response_headers")
    body = HttpBody(body=b"answer", end_of_stream=True)
    passed = bare.reply(Request(response_body=body)).response_body.response.body_mutation.streamed_response
    assert (passed.body, passed.end_of_stream) == (b"answer", True)
    with pytest.raises(ValueError, match="not one of the four"):
        bare.reply(Request(response_trailers=HttpTrailers()))


@pytest.mark.parametrize(
    ("answers", "reached", "by_worker", "complaint"),
    [
        ({"200": 2, "replayed": 6}, 3, [2] * 4, "of 2 envelopes 3 have reached the upstream"),
        ({"200": 3, "replayed": 5}, 3, [2] * 4, "the client has opened 3 answers"),
        ({"200": 1, "replayed": 7}, 1, [2] * 4, "of 2 envelopes 1 have reached the upstream"),
        ({"200": 2, "replayed": 5, "unavailable": 1}, 2, [2] * 4, "refused as replayed"),
        ({"200": 2, "replayed": 6}, 2, [4, 4, 0, 0], "each worker was to be asked"),
    ],
)
def test_a_replay_that_is_taken_fails_the_run(
    answers: dict[str, int], reached: int, by_worker: list[int], complaint: str
) -> None:
    check({"200": 2, "replayed": 6}, reached=2, distinct=2, by_worker=[2] * 4)
    with pytest.raises(RowError, match=complaint):
        check(answers, reached, distinct=2, by_worker=by_worker)
