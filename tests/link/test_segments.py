"""Segments: each opens in its own place of its own message, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.link.keys import LinkKey
from extproc.link.segments import Form, SegmentCipher, request_cipher, response_cipher
from tests.link.strategies import NONCES

KEYS = st.binary(min_size=32, max_size=32)
BASE_NONCES = st.binary(min_size=12, max_size=12)
INDICES = st.integers(0, 2**32 - 1)


@given(KEYS, BASE_NONCES, INDICES, st.binary(), st.booleans())
def test_round_trip(key: bytes, base_nonce: bytes, index: int, plaintext: bytes, final: bool) -> None:
    cipher = SegmentCipher(key, base_nonce)
    sealed = cipher.seal(index, plaintext, final=final)
    assert len(sealed) == len(plaintext) + 16
    assert cipher.open(index, sealed, final=final) == plaintext


@given(KEYS, BASE_NONCES, st.tuples(INDICES, st.booleans()), st.tuples(INDICES, st.booleans()))
def test_a_segment_opens_in_its_own_place_alone(
    key: bytes, base_nonce: bytes, sealed_as: tuple[int, bool], opened_as: tuple[int, bool]
) -> None:
    assume(sealed_as != opened_as)
    cipher = SegmentCipher(key, base_nonce)
    sealed = cipher.seal(sealed_as[0], b"text", final=sealed_as[1])
    with pytest.raises(LinkError) as raised:
        cipher.open(opened_as[0], sealed, final=opened_as[1])
    assert raised.value.code is Code.BAD_ENVELOPE


@given(
    st.lists(KEYS, min_size=2, max_size=2, unique=True), st.lists(NONCES, min_size=4, max_size=4, unique=True)
)
def test_every_message_has_keys_of_its_own(link_keys: list[bytes], nonces: list[bytes]) -> None:
    """The link key, the direction, the form and each nonce lead to other keys: nothing opens across."""
    ciphers = [
        cipher
        for raw in link_keys
        for form in Form
        for request_nonce in nonces[:2]
        for cipher in (
            request_cipher(LinkKey(raw), form, request_nonce),
            *(response_cipher(LinkKey(raw), form, request_nonce, nonce) for nonce in nonces[2:]),
        )
    ]
    sealed = [cipher.seal(0, b"text", final=True) for cipher in ciphers]
    assert len(set(sealed)) == len(ciphers) == 24


@pytest.mark.parametrize("index", [-1, 2**32])
def test_indices_have_an_end(index: int) -> None:
    with pytest.raises(ValueError, match="below 2\\^32"):
        SegmentCipher(bytes(32), bytes(12)).seal(index, b"", final=False)


@pytest.mark.parametrize("length", [0, 12, 15, 17, 32])
def test_nonces_have_16_bytes(length: int) -> None:
    """Else a byte could move from one nonce to the other, and two messages would share their keys."""
    with pytest.raises(ValueError, match="16 bytes"):
        request_cipher(LinkKey(bytes(32)), Form.WHOLE, bytes(length))
    for nonces in ((bytes(length), bytes(16)), (bytes(16), bytes(length))):
        with pytest.raises(ValueError, match="16 bytes"):
            response_cipher(LinkKey(bytes(32)), Form.WHOLE, *nonces)
