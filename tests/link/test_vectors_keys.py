"""key-ids, root-keys and link-key: every key gives the id and the link key that the page computes."""

from __future__ import annotations

import pytest

from extproc.errors import Code, LinkError
from extproc.link.keys import PublicKey, RootPublicKey
from extproc.link.suites import Kem
from tests.link.vectors import Vector, gateway_key, params, raw


@pytest.mark.parametrize("vector", params("key-ids", "valid"))
def test_key_ids(vector: Vector) -> None:
    inputs = vector["inputs"]
    public = PublicKey(Kem(inputs["kem_id"]), raw(inputs["public_key"]))
    assert public == gateway_key(vector["id"]).public
    assert public.key_id == raw(vector["output"]["key_id"])


@pytest.mark.parametrize("vector", params("key-ids", "invalid"))
def test_what_is_no_public_key(vector: Vector) -> None:
    inputs = vector["inputs"]
    with pytest.raises(ValueError, match=r"public key|not a valid Kem"):
        PublicKey(Kem(inputs["kem_id"]), raw(inputs["public_key"]))


@pytest.mark.parametrize("vector", params("root-keys", "valid"))
def test_root_keys(vector: Vector) -> None:
    key = RootPublicKey.from_text(vector["inputs"]["text"])
    assert key.raw == raw(vector["output"]["public_key"])
    assert key.root_id == raw(vector["output"]["root_id"])
    assert str(key) == vector["inputs"]["text"]


@pytest.mark.parametrize("vector", params("root-keys", "invalid"))
def test_what_is_no_root_key(vector: Vector) -> None:
    with pytest.raises(ValueError, match="expected a root key such as ed25519:"):
        RootPublicKey.from_text(vector["inputs"]["text"])


@pytest.mark.parametrize("vector", params("link-key", "valid"))
def test_link_keys(vector: Vector) -> None:
    key = gateway_key(vector["inputs"]["key"])
    assert key.decapsulate(raw(vector["inputs"]["encapsulation"])).raw == raw(vector["output"]["link_key"])


@pytest.mark.parametrize("vector", params("link-key", "invalid"))
def test_what_is_no_encapsulation(vector: Vector) -> None:
    with pytest.raises(LinkError) as raised:
        gateway_key(vector["inputs"]["key"]).decapsulate(raw(vector["inputs"]["encapsulation"]))
    assert raised.value.code is Code.BAD_ENVELOPE
