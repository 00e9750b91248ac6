"""inner-validation, freshness, origins and errors: what the gateway lets through, and how it says no."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from extproc.errors import FAULTS, PROBLEM_MEDIA_TYPE, PROBLEMS, STATUS, Code, LinkError, problem_body
from extproc.link.envelope import MEDIA_WHOLE, ResponseOpener, ResponseSealer, open_request
from extproc.link.keys import LinkKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.replay import Verdict, ask, check_freshness, is_settled
from extproc.link.validation import ValidationRules, validate_request
from extproc.message import Headers
from extproc.policy.cors import CorsPolicy, is_allowed
from extproc.policy.headers import carry_over
from extproc.server.stores import MemoryStore
from tests.link.vectors import Vector, identify, inner_request, inner_response, keyring, load, params, raw

ERRORS = {
    kind: [vector for vector in load("errors") if vector["output"]["kind"] == kind]
    for kind in ("problem", "fault")
}


@pytest.mark.parametrize("vector", params("inner-validation", "valid"))
def test_inner_requests_let_through(vector: Vector) -> None:
    inner = inner_request(vector["inputs"]["inner"])
    request = validate_request(inner, ValidationRules(**vector["inputs"]["rules"]))
    assert (request.method, request.scheme, request.authority) == (
        inner.method,
        inner.scheme,
        inner.authority,
    )
    assert request.path == vector["output"]["path"]
    assert request.headers == Headers((header.name, header.value) for header in inner.headers)
    assert request.body == inner.body


@pytest.mark.parametrize("vector", params("inner-validation", "invalid"))
def test_inner_requests_refused(vector: Vector) -> None:
    inner = inner_request(vector["inputs"]["inner"])
    with pytest.raises(LinkError) as raised:
        validate_request(inner, ValidationRules(**vector["inputs"]["rules"]))
    assert raised.value.code == vector["output"]["error"] == Code.BAD_REQUEST


@pytest.mark.parametrize("vector", params("freshness", rule="clock"))
def test_clocks(vector: Vector) -> None:
    inputs = vector["inputs"]
    assert code_of(lambda: check_freshness(inputs["sent_at_ms"], inputs["now_ms"])) == error_of(vector)


@pytest.mark.parametrize("vector", params("freshness", rule="new-store"))
def test_new_stores(vector: Vector) -> None:
    inputs = vector["inputs"]
    times = inputs["sent_at_ms"], inputs["store_created_at_ms"], inputs["key_created_at"]
    assert (None if is_settled(*times) else Code.UNAVAILABLE) == error_of(vector)
    store = MemoryStore(1, inputs["store_created_at_ms"])
    verdict = ask(store, bytes(16), inputs["sent_at_ms"], inputs["key_created_at"], inputs["sent_at_ms"])
    assert verdict is (Verdict.UNAVAILABLE if error_of(vector) else Verdict.FRESH)


@pytest.mark.parametrize("vector", params("freshness", rule="replay"))
def test_replays(vector: Vector) -> None:
    inputs = vector["inputs"]
    store = MemoryStore(10, inputs["seen"]["now_ms"] - 3_600_000)
    verdicts = []
    for envelope in (inputs["seen"], inputs):
        now_ms = envelope["now_ms"]
        opened = open_request(keyring(inputs["held"]), raw(envelope["body"]), now_ms // 1000).inner
        check_freshness(opened.sent_at_ms, now_ms)
        verdicts.append(ask(store, opened.exchange_id, opened.sent_at_ms, 0, now_ms))
    replayed = error_of(vector) == Code.REPLAYED
    assert verdicts == [Verdict.FRESH, Verdict.SEEN if replayed else Verdict.FRESH]


@pytest.mark.parametrize("vector", params("origins"))
def test_origins(vector: Vector) -> None:
    inputs = vector["inputs"]
    policy = CorsPolicy(tuple(inputs["allowed"]), headers=(), expose=(), credentials=True, max_age_s=0)
    outer, inner = (origin_field(inputs[name]) for name in ("outer_origin", "inner_origin"))

    def check() -> None:
        for origin in outer.get_all("origin"):
            if not is_allowed(policy, origin.decode()):
                raise LinkError(Code.ORIGIN, "outer")
        for origin in carry_over(outer, inner).get_all("origin"):
            if not is_allowed(policy, origin.decode()):
                raise LinkError(Code.NOT_PERMITTED, "inner")

    assert code_of(check) == error_of(vector)


@pytest.mark.parametrize("vector", ERRORS["problem"], ids=identify)
def test_problems(vector: Vector) -> None:
    code, output = Code(vector["inputs"]["error"]), vector["output"]
    assert (code in PROBLEMS, STATUS[code]) == (True, output["outer_status"])
    assert (problem_body(code).decode(), PROBLEM_MEDIA_TYPE) == (output["body"], output["content_type"])


@pytest.mark.parametrize("vector", ERRORS["fault"], ids=identify)
def test_faults(vector: Vector) -> None:
    inputs, output = vector["inputs"], vector["output"]
    code = Code(inputs["error"])
    link_key, request_nonce = LinkKey(raw(inputs["link_key"])), raw(inputs["request_nonce"])
    inner = pb.InnerResponse(
        status=STATUS[code],
        fault=code,
        gateway_time_ms=inputs["gateway_time_ms"],
        directory_serial=inputs["directory_serial"],
    )
    body = ResponseSealer(link_key, request_nonce).seal(inner, nonce=raw(inputs["response_nonce"]))
    assert (code in FAULTS, MEDIA_WHOLE, body) == (True, output["content_type"], raw(output["body"]))
    assert ResponseOpener(link_key, request_nonce).open(body) == inner_response(output["inner"])


def test_every_error_has_its_vector() -> None:
    assert {vector["inputs"]["error"] for vector in load("errors")} == set(Code)


def code_of(check: Callable[[], object]) -> Code | None:
    try:
        check()
    except LinkError as error:
        return error.code
    return None


def origin_field(origin: str | None) -> Headers:
    return Headers([] if origin is None else [("origin", origin.encode())])


def error_of(vector: Vector) -> str | None:
    error: str | None = vector["output"].get("error")
    return error
