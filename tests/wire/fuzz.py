"""A longer run against our Connection and the `h2` library: `python -m tests.wire.fuzz [--seconds 60]`.

With atheris (`pip install atheris`) it is guided by coverage, and starts from scripts of Hypothesis; without,
Hypothesis goes on with scripts of its own until the time is over. Exit code 1, and what it was, when octets
were found that break an invariant.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.wire import peer, scripts
from tests.wire.caller import Caller
from tests.wire.differences import explained
from tests.wire.oracle import Step, outcomes

OPENING = peer.PREFACE + peer.settings()
SCRIPTS = st.one_of(scripts.valid(), scripts.mutated())
SEEDS, BATCH = 500, 2000


def check(octets: bytes) -> None:
    """What follows the preface and SETTINGS. AssertionError when they break an invariant."""
    whole = OPENING + octets
    assert peer.received([whole]) == peer.received(whole[at : at + 7] for at in range(0, len(whole), 7))
    frames = (each for each in peer.cut(octets) if peer.is_whole(each))
    check_steps([peer.PREFACE, peer.settings(), *scripts.joined(frames)])
    caller = Caller()
    caller.deliver(octets)
    assert "stream.bug" not in caller.events


def check_steps(script: Sequence[Step]) -> None:
    """Against the library."""
    for outcome in outcomes(script):
        if outcome.ours != outcome.theirs:
            assert explained(outcome), outcome
            return


def octets_of(script: Sequence[Step]) -> bytes:
    return b"".join(step for step in script if isinstance(step, bytes))[len(OPENING) :]


def by_hypothesis(seconds: float) -> None:
    def each(script: list[Step]) -> None:
        check_steps(script)
        check(octets_of(script))

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        _over_scripts(each, BATCH, Phase.generate, Phase.shrink)


def by_atheris(seconds: float) -> None:
    """Does not return: libFuzzer ends the process."""
    atheris = importlib.import_module("atheris")  # which has no types
    with tempfile.TemporaryDirectory() as corpus:
        seeds = iter(range(SEEDS * 2))
        _over_scripts(
            lambda script: Path(corpus, str(next(seeds))).write_bytes(octets_of(script)),
            SEEDS,
            Phase.generate,
        )
        atheris.instrument_all()
        options = (f"-max_total_time={seconds:.0f}", "-max_len=4096", f"-artifact_prefix={corpus}-")
        atheris.Setup([sys.argv[0], corpus, *options], check)
        atheris.Fuzz()


def _over_scripts(each: Callable[[list[Step]], object], count: int, *phases: Phase) -> None:
    @settings(max_examples=count, phases=phases, database=None, suppress_health_check=list(HealthCheck))
    @given(SCRIPTS)
    def run(script: list[Step]) -> None:
        each(script)

    run()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the HTTP/2 transport.")
    parser.add_argument("--seconds", type=float, default=600.0)
    seconds = parser.parse_args().seconds
    has_atheris = importlib.util.find_spec("atheris") is not None
    print(f"{'atheris' if has_atheris else 'Hypothesis'}, {seconds:.0f} s", file=sys.stderr)
    (by_atheris if has_atheris else by_hypothesis)(seconds)


if __name__ == "__main__":
    main()
