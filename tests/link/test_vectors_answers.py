"""answers: what stands outside the seal is hearsay, and never makes an exchange look done or not done."""

from __future__ import annotations

import httpx
import pytest

from extproc.client.errors import LinkError
from extproc.client.outer import open_answer
from extproc.client.steps import Answer
from extproc.errors import PROBLEMS
from extproc.link.envelope import ResponseOpener
from extproc.link.keys import LinkKey
from extproc.link.pb import privatelink_pb2 as pb
from tests.link.vectors import Vector, inner_response, params, raw


@pytest.mark.parametrize("vector", params("answers", "valid"))
def test_answers(vector: Vector) -> None:
    assert opened(vector) == inner_response(vector["output"]["inner"])


@pytest.mark.parametrize("vector", params("answers", "invalid"))
def test_what_is_no_answer(vector: Vector) -> None:
    with pytest.raises(LinkError) as raised:
        opened(vector)
    assert raised.value.outcome_unknown
    assert raised.value.fault is None
    problem = vector["output"]["problem"]
    assert raised.value.code == problem if problem else raised.value.code not in PROBLEMS


def opened(vector: Vector) -> pb.InnerResponse:
    inputs = vector["inputs"]
    opener = ResponseOpener(LinkKey(raw(inputs["link_key"])), raw(inputs["request_nonce"]))
    content_type = inputs["content_type"]
    headers = httpx.Headers({} if content_type is None else {"content-type": content_type})
    return open_answer(Answer(inputs["outer_status"], headers, raw(inputs["body"])), opener)
