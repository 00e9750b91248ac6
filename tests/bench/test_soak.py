"""The soak in small. Invariant: it finds nothing where nothing is wrong, and finds what is."""

from __future__ import annotations

from dataclasses import replace

import httpx

from bench.soak import QUICK, grown, soak, still_open
from bench.stage import raised
from bench.steady import Outcomes
from bench.transfer import ContentError
from extproc.client import LinkError

SMALL = replace(QUICK, transfer=2**21, aborts=10, kills=2, size=2**21)


async def test_a_gateway_that_is_sound_stands_it() -> None:
    assert await soak(SMALL) == []


async def test_a_request_that_stays_open_is_found_wherever_it_is() -> None:
    async with raised() as stage, httpx.AsyncClient(base_url=stage.target.link) as client:
        assert await still_open(stage) == []
        async with client.stream("GET", "/events?n=1&every=60"):
            assert await still_open(stage) == [
                "1 requests of clients in Envoy still open after 1.0 s",
                "1 requests from Envoy to the upstream still open after 1.0 s",
                "1 requests at the upstream still open after 1.0 s",
            ]


def test_a_transfer_may_be_cut_and_may_not_hang_or_lie() -> None:
    outcomes = Outcomes()
    for error in (
        None,
        LinkError("truncated", "no final segment", outcome_unknown=True),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("silence"),
        ContentError("short"),
    ):
        outcomes.note(error)
    assert (outcomes.whole, dict(outcomes.cut)) == (1, {"LinkError truncated": 1, "ReadError": 1})
    assert list(outcomes.wrong) == ["ReadTimeout('silence')", "ContentError('short')"]


def test_memory_that_is_not_given_back_is_found() -> None:
    assert grown({"envoy 7": 60, "worker 8": 70}, {"envoy 7": 90, "worker 8": 140}) == [
        "worker 8 grew from 70 to 140 MiB"
    ]
