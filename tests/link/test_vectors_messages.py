"""message-keys, segments, padding and media-types."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from extproc.errors import Code, LinkError
from extproc.link.envelope import media_form
from extproc.link.keys import LinkKey
from extproc.link.padding import pad, padme
from extproc.link.segments import Form, SegmentCipher, request_cipher, response_cipher
from tests.link.vectors import Vector, params, raw


def message_cipher(inputs: Vector) -> SegmentCipher:
    link_key, form = LinkKey(raw(inputs["link_key"])), Form(inputs["form"])
    request_nonce = raw(inputs["request_nonce"])
    if inputs["direction"] == "request":
        return request_cipher(link_key, form, request_nonce)
    return response_cipher(link_key, form, request_nonce, raw(inputs["response_nonce"]))


@pytest.mark.parametrize("vector", params("message-keys", "valid"))
def test_message_keys(vector: Vector) -> None:
    """A cipher shows no keys: what it seals shows that it has the right ones."""
    key, base_nonce = (raw(vector["output"][name]) for name in ("key", "base_nonce"))
    sealed = message_cipher(vector["inputs"]).seal(0, b"a probe", final=True)
    assert sealed == AESGCM(key).encrypt(base_nonce, b"a probe", b"final")


@pytest.mark.parametrize("vector", params("message-keys", "invalid"))
def test_nonces_of_another_length_give_no_keys(vector: Vector) -> None:
    with pytest.raises(ValueError, match="nonces of 16 bytes"):
        message_cipher(vector["inputs"])


def segment_cipher(vector: Vector) -> SegmentCipher:
    return SegmentCipher(raw(vector["inputs"]["key"]), raw(vector["inputs"]["base_nonce"]))


@pytest.mark.parametrize("vector", params("segments", "valid"))
def test_segments(vector: Vector) -> None:
    cipher, index, final = segment_cipher(vector), vector["inputs"]["index"], vector["inputs"]["final"]
    plaintext, ciphertext = raw(vector["inputs"]["plaintext"]), raw(vector["output"]["ciphertext"])
    assert cipher.seal(index, plaintext, final=final) == ciphertext
    assert cipher.open(index, ciphertext, final=final) == plaintext


@pytest.mark.parametrize("vector", params("segments", "invalid"))
def test_segments_that_do_not_open(vector: Vector) -> None:
    inputs = vector["inputs"]
    with pytest.raises(LinkError) as raised:
        segment_cipher(vector).open(inputs["index"], raw(inputs["ciphertext"]), final=inputs["final"])
    assert raised.value.code is Code.BAD_ENVELOPE


@pytest.mark.parametrize("vector", params("padding"))
def test_padding(vector: Vector) -> None:
    length, steps = vector["inputs"]["length"], vector["intermediates"]
    assert padme(length) == steps["padme_length"]
    padded = pad(b"x" * length, "padme")
    assert len(padded) == vector["output"]["padded_length"]
    assert padded[length:] == raw(steps["field_header"]) + bytes(steps["zeros"] or 0)
    assert pad(b"x" * length, "none") == b"x" * length


@pytest.mark.parametrize("vector", params("media-types"))
def test_media_types(vector: Vector) -> None:
    form = media_form(vector["inputs"]["content_type"])
    assert form == vector["output"].get("form")
