"""The envelope in its whole form.

Invariant: what opens is what was sealed. Any other bytes raise LinkError, BAD_ENVELOPE for all of them but a
key id that is not held, and no other exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from extproc.errors import Code, LinkError
from extproc.link.envelope import open_request
from extproc.link.keys import PrivateKey
from extproc.link.padding import Padding
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem
from tests.link.strategies import INNER_REQUESTS, INNER_RESPONSES, NONCES, NOW, Link, link

BOTH_KEMS = pytest.mark.parametrize("kem", Kem)
T = TypeVar("T")
PADDINGS = st.sampled_from(["none", "padme"])
REQUEST = pb.InnerRequest(method="POST", path="/orders", body=b"a secret order", exchange_id=bytes(16))
RESPONSE = pb.InnerResponse(status=200, body=b"a secret answer")


@BOTH_KEMS
@given(inner=INNER_REQUESTS, answer=INNER_RESPONSES, nonces=st.tuples(NONCES, NONCES), padding=PADDINGS)
def test_round_trip(
    kem: Kem, inner: pb.InnerRequest, answer: pb.InnerResponse, nonces: tuple[bytes, bytes], padding: Padding
) -> None:
    both = link(kem)
    body, opener = both.seal(inner, nonces[0])
    opened = open_request(both.keyring, body, NOW)
    assert opened.inner == inner
    assert opened.key_id == both.key.key_id
    sealed = opener.open(opened.sealer.seal(answer, nonce=nonces[1], padding=padding))
    sealed.ClearField("padding")
    assert sealed == answer


@given(answer=INNER_RESPONSES, nonce=NONCES)
def test_an_answer_is_as_protobuf_writes_it(answer: pb.InnerResponse, nonce: bytes) -> None:
    both = link(Kem.X25519)
    body = open_request(both.keyring, both.seal(REQUEST)[0], NOW).sealer.seal(answer, nonce=nonce)
    sealed = pb.SealedResponse.FromString(body)
    assert (sealed.nonce, sealed.SerializeToString()) == (nonce, body)


def test_a_request_is_answered_once() -> None:
    both = link(Kem.X25519)
    opened = open_request(both.keyring, both.seal(REQUEST)[0], NOW)
    opened.sealer.seal(RESPONSE, nonce=bytes(16), padding="none")
    with pytest.raises(RuntimeError, match="answered"):
        opened.sealer.seal(RESPONSE, nonce=bytes(16), padding="none")


def test_a_sealing_that_fails_is_not_repeated() -> None:
    """A second sealing could use the same keys for another plaintext."""
    both = link(Kem.X25519)
    opened = open_request(both.keyring, both.seal(REQUEST)[0], NOW)
    with pytest.raises(AttributeError):
        opened.sealer.seal(None, nonce=bytes(16))  # type: ignore[arg-type]  # a bug, as one would make it
    with pytest.raises(RuntimeError, match="answered"):
        opened.sealer.seal(RESPONSE, nonce=bytes(16))


@BOTH_KEMS
def test_every_bit_of_a_request_counts(kem: Kem) -> None:
    both = link(kem)
    body, _ = both.seal(REQUEST)
    step = 1 if kem is Kem.X25519 else 5  # of X-Wing's many bits, every fifth
    for bit in range(0, 8 * len(body), step):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        assert_refused(both, bytes(changed))


@BOTH_KEMS
def test_every_cut_of_a_request_shows(kem: Kem) -> None:
    both = link(kem)
    body, _ = both.seal(REQUEST)
    for length in range(len(body)):
        assert_refused(both, body[:length])


@BOTH_KEMS
@pytest.mark.parametrize("byte", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_every_byte_added_to_a_request_shows(kem: Kem, byte: int) -> None:
    both = link(kem)
    body, _ = both.seal(REQUEST)
    for index in range(0, len(body) + 1, 1 if kem is Kem.X25519 else 7):
        assert_refused(both, body[:index] + bytes([byte]) + body[index:])


@BOTH_KEMS
@given(data=st.data())
def test_what_opens_is_what_was_sealed(kem: Kem, data: st.DataObject) -> None:
    """Any part replaced by anything: it opens to the same request (a field was added), or not at all."""
    both = link(kem)
    body, _ = both.seal(REQUEST)
    changed = spliced(data, body)
    got = outcome(lambda: open_request(both.keyring, changed, NOW).inner)
    assert got == REQUEST or got is expected_code(both, changed)


@given(data=st.data())
def test_a_changed_response_shows(data: st.DataObject) -> None:
    both = link(Kem.X25519)
    request, opener = both.seal(REQUEST)
    body = open_request(both.keyring, request, NOW).sealer.seal(RESPONSE, nonce=bytes(16))
    got = outcome(lambda: opener.open(spliced(data, body)))
    assert got == RESPONSE or got is Code.BAD_ENVELOPE


def test_every_bit_and_every_cut_of_a_response_counts() -> None:
    both = link(Kem.X25519)
    request, opener = both.seal(REQUEST)
    body = open_request(both.keyring, request, NOW).sealer.seal(RESPONSE, nonce=bytes(16))
    changed = [body[:length] for length in range(len(body))]
    for bit in range(8 * len(body)):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        changed.append(bytes(flipped))
    for wrong in changed:
        with pytest.raises(LinkError) as raised:
            opener.open(wrong)
        assert raised.value.code is Code.BAD_ENVELOPE


@given(nonces=st.lists(NONCES, min_size=2, max_size=2, unique=True))
def test_a_response_opens_for_its_own_request_alone(nonces: list[bytes]) -> None:
    both = link(Kem.X25519)
    first, first_opener = both.seal(REQUEST, nonces[0])
    _, second_opener = both.seal(REQUEST, nonces[1])
    answer = open_request(both.keyring, first, NOW).sealer.seal(RESPONSE, nonce=bytes(16))
    assert first_opener.open(answer) == RESPONSE
    with pytest.raises(LinkError):
        second_opener.open(answer)


def test_another_gateway_key_does_not_open() -> None:
    both, other = link(Kem.X25519), PrivateKey.generate(Kem.X25519)
    body, _ = both.seal(REQUEST)
    sealed = pb.SealedRequest.FromString(body)
    with pytest.raises(LinkError) as raised:
        other.decapsulate(sealed.encapsulation)
    assert raised.value.code is Code.BAD_ENVELOPE


def assert_refused(both: Link, body: bytes) -> None:
    with pytest.raises(LinkError) as raised:
        open_request(both.keyring, body, NOW)
    assert raised.value.code == expected_code(both, body)


def outcome(opening: Callable[[], T]) -> T | Code:
    try:
        return opening()
    except LinkError as error:
        return error.code


def expected_code(both: Link, body: bytes) -> Code:
    """UNKNOWN_KEY for a well-formed envelope to a key that is not held, else BAD_ENVELOPE."""
    try:
        sealed = pb.SealedRequest.FromString(body)
    except DecodeError:
        return Code.BAD_ENVELOPE
    foreign = len(sealed.key_id) == 8 and sealed.key_id != both.key.key_id
    return Code.UNKNOWN_KEY if foreign and len(sealed.nonce) == 16 else Code.BAD_ENVELOPE


def spliced(data: st.DataObject, body: bytes) -> bytes:
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    return body[:start] + data.draw(st.binary(max_size=20)) + body[end:]
