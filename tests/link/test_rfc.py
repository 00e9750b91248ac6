"""The RFCs' own vectors, for the primitives that the protocol uses and for the second reading of it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from extproc.link.keys import PrivateKey, RootPrivateKey
from extproc.link.suites import HPKE, Kem, hkdf
from tests.link.vectors import Vector, identify, load, raw
from tests.vectors import reference
from tests.vectors.reference import GatewayKey


@pytest.mark.parametrize("vector", load("rfc/rfc5869"), ids=identify)
def test_hkdf(vector: Vector) -> None:
    salt, ikm, info = (raw(vector[name]) for name in ("salt", "ikm", "info"))
    assert hkdf(salt=salt, ikm=ikm, info=info, length=vector["length"]) == raw(vector["okm"])
    assert reference.hkdf_extract(salt, ikm) == raw(vector["prk"])
    assert reference.hkdf(salt, ikm, info, vector["length"]) == raw(vector["okm"])


@pytest.mark.parametrize("vector", load("rfc/rfc8032"), ids=identify)
def test_ed25519(vector: Vector) -> None:
    root = RootPrivateKey(Ed25519PrivateKey.from_private_bytes(raw(vector["private_key"])))
    message, signature = raw(vector["message"]), raw(vector["signature"])
    assert root.public.raw == raw(vector["public_key"])
    assert root.sign(message) == signature
    assert root.public.verify(signature, message)
    assert not root.public.verify(signature, message + b"\0")
    # S + L instead of S: the same equation, another signature. RFC 8032, 5.1.7, has it refused.
    order = 2**252 + 27742317777372353535851937790883648493
    high = int.from_bytes(signature[32:], "little") + order
    assert not root.public.verify(signature[:32] + high.to_bytes(32, "little"), message)


@pytest.mark.parametrize("vector", load("rfc/rfc9180"), ids=identify)
def test_hpke_with_x25519(vector: Vector) -> None:
    key = GatewayKey("rfc9180", reference.X25519, raw(vector["skRm"]))
    assert key.public == raw(vector["pkRm"])
    check_reference(key, vector)
    private = X25519PrivateKey.from_private_bytes(key.x25519)
    assert PrivateKey(private).public.raw == raw(vector["pkRm"])
    assert library_opens(HPKE[Kem.X25519], private, vector)


@pytest.mark.parametrize("vector", load("rfc/hpke-pq"), ids=identify)
def test_hpke_with_xwing(vector: Vector) -> None:
    """The drafts have no X-Wing suite with AES-256-GCM: the KEM and the key schedule are the same."""
    key = GatewayKey("hpke-pq", reference.XWING, raw(vector["skRm"]))
    assert key.public == raw(vector["pkRm"])
    check_reference(key, vector)
    mlkem, x25519 = parts(key)
    assert PrivateKey(x25519, mlkem).public.raw == raw(vector["pkRm"])
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
    assert library_opens(suite, hpke.MLKEM768X25519PrivateKey(mlkem, x25519), vector)


@pytest.mark.parametrize("vector", load("rfc/xwing"), ids=identify)
def test_xwing(vector: Vector) -> None:
    key = GatewayKey("xwing", reference.XWING, raw(vector["seed"]))
    mlkem, x25519 = parts(key)
    assert PrivateKey(x25519, mlkem).public.raw == key.public == raw(vector["public_key"])
    assert reference.decap(key, raw(vector["enc"])) == raw(vector["shared_secret"])


def parts(key: GatewayKey) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    return MLKEM768PrivateKey.from_seed_bytes(key.mlkem_seed), X25519PrivateKey.from_private_bytes(key.x25519)


def check_reference(key: GatewayKey, vector: Vector) -> None:
    shared_secret = reference.decap(key, raw(vector["enc"]))
    assert shared_secret == raw(vector["shared_secret"])
    keys = reference.hpke_keys(vector["kem_id"], shared_secret, raw(vector["info"]), vector["aead_id"])
    assert keys == (raw(vector["key"]), raw(vector["base_nonce"]))
    if vector["aead_id"] == 2:
        for sealed in vector["encryptions"]:
            opened = AESGCM(keys[0]).decrypt(raw(sealed["nonce"]), raw(sealed["ct"]), raw(sealed["aad"]))
            assert opened == raw(sealed["pt"])


def library_opens(
    suite: hpke.Suite, key: X25519PrivateKey | hpke.MLKEM768X25519PrivateKey, vector: Vector
) -> bool:
    """Every vector has an `aad`, which the library's public `decrypt` does not take."""
    first = vector["encryptions"][0]
    sealed, info, aad = raw(vector["enc"] + first["ct"]), raw(vector["info"]), raw(first["aad"])
    return openssl.hpke._decrypt_with_aad(suite, sealed, key, info, aad) == raw(first["pt"])
