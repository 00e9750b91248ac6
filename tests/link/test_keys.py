"""Keys: PEM there and back, and nothing else taken for a key; what two implementations make of one secret."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from extproc.link.keys import PrivateKey, PublicKey, RootPrivateKey, RootPublicKey
from extproc.link.suites import Kem
from tests.vectors import reference

SECRETS = st.binary(min_size=32, max_size=32)
UNKNOWN_ALGORITHM = b"-----BEGIN PRIVATE KEY-----\nMAsCAQAwBgYEKgMEBQQA\n-----END PRIVATE KEY-----\n"
AnyPrivateKey = (
    Ed25519PrivateKey | MLKEM768PrivateKey | X25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
)


def pem(key: AnyPrivateKey, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


X25519, MLKEM, ED25519 = (
    X25519PrivateKey.generate(),
    MLKEM768PrivateKey.generate(),
    Ed25519PrivateKey.generate(),
)
LOCKED = BestAvailableEncryption(b"password")


@pytest.mark.parametrize("kem", Kem)
def test_pem_there_and_back(kem: Kem) -> None:
    key = PrivateKey.generate(kem)
    again = PrivateKey.from_pem(key.to_pem())
    assert (again.public, again.key_id, again.to_pem()) == (key.public, key.key_id, key.to_pem())
    encapsulation, link_key = key.public.encapsulate(bytes(32))
    assert again.decapsulate(encapsulation) == link_key


@pytest.mark.parametrize("kem", Kem)
def test_every_key_is_another(kem: Kem) -> None:
    assert PrivateKey.generate(kem).key_id != PrivateKey.generate(kem).key_id


WRONG_GATEWAY_KEYS = {
    "nothing": b"",
    "text": b"not a key",
    "ML-KEM alone": pem(MLKEM),
    "the other order": pem(X25519) + pem(MLKEM),
    "two X25519 keys": pem(X25519) * 2,
    "three keys": pem(MLKEM) + pem(X25519) * 2,
    "Ed25519": pem(ED25519),
    "P-256": pem(ec.generate_private_key(ec.SECP256R1())),
    "encrypted": pem(X25519, LOCKED),
    "cut": pem(X25519)[:-40],
    "not DER": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "an unknown algorithm": UNKNOWN_ALGORITHM,
}


@pytest.mark.parametrize("text", WRONG_GATEWAY_KEYS.values(), ids=WRONG_GATEWAY_KEYS)
def test_what_is_no_gateway_key(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        PrivateKey.from_pem(text)


def test_root_pem_there_and_back() -> None:
    root = RootPrivateKey.generate()
    again = RootPrivateKey.from_pem(root.to_pem())
    assert again.public == root.public
    assert root.public.verify(again.sign(b"message"), b"message")


WRONG_ROOT_KEYS = {
    "nothing": b"",
    "text": b"not a key",
    "X25519": pem(X25519),
    "encrypted": pem(ED25519, LOCKED),
    "cut": pem(ED25519)[:-40],
    "an unknown algorithm": UNKNOWN_ALGORITHM,
}


@pytest.mark.parametrize("text", WRONG_ROOT_KEYS.values(), ids=WRONG_ROOT_KEYS)
def test_what_is_no_root_key(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        RootPrivateKey.from_pem(text)


@given(st.binary(max_size=64))
def test_a_root_key_has_32_bytes(raw: bytes) -> None:
    if len(raw) == 32:
        assert RootPublicKey.from_text(str(RootPublicKey(raw))).raw == raw
    else:
        with pytest.raises(ValueError, match="32 bytes of root key"):
            RootPublicKey(raw)


@given(st.binary(max_size=80), st.binary(max_size=40))
def test_no_other_signature_verifies(signature: bytes, message: bytes) -> None:
    assert not RootPrivateKey(ED25519).public.verify(signature, message)


@pytest.mark.parametrize("kem", Kem)
@given(secret=SECRETS)
def test_the_second_reading_of_the_page_opens_what_the_first_seals(kem: Kem, secret: bytes) -> None:
    seed = secret[::-1]
    key = reference.GatewayKey("drawn", int(kem), seed)
    public = PublicKey(kem, key.public)
    encapsulation, link_key = public.encapsulate(secret)
    assert len(encapsulation) == kem.encapsulation_length
    steps = reference.link_key(key, encapsulation)
    assert (steps.secret, steps.link_key) == (secret, link_key.raw)


@pytest.mark.parametrize(
    "public",
    [
        PublicKey(Kem.X25519, bytes(32)),
        PublicKey(Kem.XWING, b"\xff" * 1216),
        PublicKey(Kem.XWING, MLKEM.public_key().public_bytes_raw() + bytes(32)),
    ],
    ids=["a point of low order", "no ML-KEM key", "X-Wing with a point of low order"],
)
def test_nothing_is_sealed_to_a_key_that_is_none(public: PublicKey) -> None:
    with pytest.raises(ValueError, match=r"."):
        public.encapsulate(bytes(32))
