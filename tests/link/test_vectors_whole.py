"""whole: what seals rightly opens to the same message, and nothing else opens at all."""

from __future__ import annotations

from typing import TypeVar

import pytest

from extproc.errors import Code, LinkError
from extproc.link.envelope import LinkSecret, ResponseOpener, ResponseSealer, open_request, seal_request
from extproc.link.keys import LinkKey
from extproc.link.padding import Padding
from extproc.link.pb import privatelink_pb2 as pb
from tests.link.vectors import Vector, inner_request, inner_response, keyring, params, raw

M = TypeVar("M", pb.InnerRequest, pb.InnerResponse, pb.SealedRequest)


@pytest.mark.parametrize("vector", params("whole", "valid", direction="request"))
def test_requests_open(vector: Vector) -> None:
    inputs = vector["inputs"]
    opened = open_request(keyring(inputs["held"]), raw(inputs["body"]), inputs["now"])
    assert known(opened.inner) == inner_request(vector["output"]["inner"])
    assert opened.key_id == raw(vector["intermediates"]["key_id"])


@pytest.mark.parametrize("vector", params("whole", "valid", direction="request"))
def test_requests_seal_to_the_same_bytes(vector: Vector) -> None:
    steps = vector["intermediates"]
    inner = pb.InnerRequest.FromString(raw(steps["plaintext"]))
    link_key = LinkKey(raw(steps["link_key"]))
    secret = LinkSecret(raw(steps["key_id"]), raw(steps["encapsulation"]), link_key)
    padding = unpadded(vector, inner)
    body, _ = seal_request(secret, inner, nonce=raw(steps["nonce"]), padding=padding)
    sealed = pb.SealedRequest.FromString(body)
    assert sealed.ciphertext == raw(steps["ciphertext"])
    assert sealed == known(pb.SealedRequest.FromString(raw(vector["inputs"]["body"])))


@pytest.mark.parametrize("vector", params("whole", "invalid", direction="request"))
def test_requests_that_do_not_open(vector: Vector) -> None:
    inputs = vector["inputs"]
    with pytest.raises(LinkError) as raised:
        open_request(keyring(inputs["held"]), raw(inputs["body"]), inputs["now"])
    assert raised.value.code == vector["output"]["error"]


@pytest.mark.parametrize("vector", params("whole", "valid", direction="response"))
def test_responses_open(vector: Vector) -> None:
    opened = opener(vector).open(raw(vector["inputs"]["body"]))
    assert known(opened) == inner_response(vector["output"]["inner"])


@pytest.mark.parametrize("vector", params("whole", "valid", direction="response"))
def test_responses_seal_to_the_same_bytes(vector: Vector) -> None:
    inputs, steps = vector["inputs"], vector["intermediates"]
    sealer = ResponseSealer(LinkKey(raw(inputs["link_key"])), raw(inputs["request_nonce"]))
    inner = pb.InnerResponse.FromString(raw(steps["plaintext"]))
    body = sealer.seal(inner, nonce=raw(steps["nonce"]), padding=unpadded(vector, inner))
    assert pb.SealedResponse.FromString(body).ciphertext == raw(steps["ciphertext"])


@pytest.mark.parametrize("vector", params("whole", "invalid", direction="response"))
def test_responses_that_do_not_open(vector: Vector) -> None:
    with pytest.raises(LinkError) as raised:
        opener(vector).open(raw(vector["inputs"]["body"]))
    assert raised.value.code is Code.BAD_ENVELOPE


def opener(vector: Vector) -> ResponseOpener:
    inputs = vector["inputs"]
    return ResponseOpener(LinkKey(raw(inputs["link_key"])), raw(inputs["request_nonce"]))


def unpadded(vector: Vector, inner: pb.InnerRequest | pb.InnerResponse) -> Padding:
    """Takes away the padding that sealing is to put back, and says which."""
    if not vector["id"].endswith("-padded"):
        return "none"
    inner.ClearField("padding")
    return "padme"


def known(message: M) -> M:
    """The message without what a receiver ignores."""
    message.DiscardUnknownFields()
    if not isinstance(message, pb.SealedRequest):
        message.ClearField("padding")
    return message
