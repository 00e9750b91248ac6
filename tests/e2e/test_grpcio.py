"""Through a real Envoy, with grpcio between it and the workers: one exchange of every form.

Invariant: which transport carries the messages can't be told from outside. The tests are those of the other
files, which run on the wire transport; here they run a second time.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from h2.connection import H2Connection
from h2.events import RemoteSettingsChanged

from tests.e2e import (
    test_cookies,
    test_cors,
    test_cut_answers,
    test_exchange,
    test_failures,
    test_guard,
    test_streams_cut,
    test_streams_down,
    test_streams_guard,
    test_streams_limits,
    test_streams_refused,
    test_streams_sdk,
    test_streams_up,
)
from tests.e2e.stack import Stack, configuration, running
from tests.e2e.upstream import Upstream

pytestmark = pytest.mark.usefixtures("quiet")

GRPC_ALLOW_TRUE_BINARY_METADATA = 0xFE03  # a setting that only gRPC's own implementations send


@pytest.fixture(scope="module", autouse=True)
def grpcio() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSPORT", "grpcio")
        yield


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, grpcio: None, upstream: Upstream) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("grpcio"), upstream, configuration(upstream)) as stack:
        yield stack


def test_it_is_grpcio_that_listens(stack: Stack) -> None:
    connection = H2Connection()
    connection.initiate_connection()
    with socket.socket(socket.AF_UNIX) as worker:
        worker.connect(str(stack.folder / "state" / "worker-0.sock"))
        worker.sendall(connection.data_to_send())
        settings, *_ = connection.receive_data(worker.recv(65536))
    assert isinstance(settings, RemoteSettingsChanged)
    assert GRPC_ALLOW_TRUE_BINARY_METADATA in settings.changed_settings


# Whole
test_every_method = test_exchange.test_every_method_reaches_the_upstream_as_itself
test_every_status = test_exchange.test_every_status_travels_inside
test_nothing_is_outside = test_exchange.test_nothing_of_the_answer_is_outside
test_trailers = test_exchange.test_trailers_reach_the_app
test_small_body = test_streams_sdk.test_a_small_body_goes_whole

# Streamed up
test_upload = test_streams_up.test_an_upload_is_whole_and_never_waits_for_its_end
test_both_ways = test_streams_up.test_both_ways_at_once
test_early_answer = test_streams_up.test_an_early_answer_comes_back_sealed_while_the_upload_runs
test_many_at_once = test_streams_up.test_many_at_once

# Streamed down
test_events = test_streams_down.test_an_event_is_read_before_the_next_is_sent
test_download = test_streams_down.test_a_download_is_whole_and_never_waits_for_its_end
test_trailers_of_a_stream = test_streams_down.test_trailers_travel_in_the_final_segment_and_nowhere_else

# Slow ends
lean = test_streams_limits.lean
test_slow_reader = test_streams_limits.test_a_slow_reader_holds_the_upstream_back
test_slow_upstream = test_streams_limits.test_a_slow_upstream_holds_the_sender_back

# Cookies, CORS
test_cookies_come_back = test_cookies.test_each_comes_back_on_its_own_paths_and_domains_only
test_preflight = test_cors.test_a_preflight_is_answered_at_once
test_preflight_of_a_stream = test_streams_guard.test_a_preflight_is_answered_at_once
test_forbidden_origin = test_cors.test_a_forbidden_origin_gets_no_cors_headers

# Problems and faults, replays
test_problem = test_guard.test_what_does_not_open_goes_nowhere
test_fault = test_streams_refused.test_what_no_request_may_say_is_a_sealed_fault_before_its_end
test_bad_segment = test_streams_refused.test_bad_when_some_of_it_has_reached_the_upstream
test_replay = test_streams_refused.test_a_request_runs_once_in_whichever_form
test_replay_at_two_workers = test_failures.test_the_same_envelope_to_two_workers_at_once_runs_once

# What breaks off
test_upstream_dies = test_streams_cut.test_an_upstream_that_dies_in_its_answer_leaves_it_without_an_end
test_client_leaves = test_streams_cut.test_the_upstream_hears_within_a_second_that_the_client_has_gone
test_it_is_no_bug = test_streams_cut.test_no_worker_takes_any_of_it_for_a_bug

# Workers
fragile = test_failures.fragile
test_killed = test_streams_cut.test_a_worker_that_is_killed_takes_no_exchange_for_complete
test_restarted = test_failures.test_workers_restarted_one_by_one_cost_no_request
test_pinged = test_cut_answers.test_a_worker_may_be_pinged_for_as_long_as_an_answer_takes
