"""The keyring: keys serve until their time, and link keys are remembered, so many and no more."""

from __future__ import annotations

import pytest

from extproc.errors import Code, LinkError
from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import LinkKey, PrivateKey
from extproc.link.suites import Kem

NOW = 1_800_000_000
KEY, OTHER = PrivateKey.generate(Kem.X25519), PrivateKey.generate(Kem.X25519)
SECRETS = [KEY.public.encapsulate(bytes([i]) * 32) for i in range(6)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The encapsulations that were really opened, in order: what is not among them was remembered."""
    seen: list[bytes] = []
    decapsulate = PrivateKey.decapsulate

    def observed(key: PrivateKey, encapsulation: bytes) -> LinkKey:
        seen.append(encapsulation)
        return decapsulate(key, encapsulation)

    monkeypatch.setattr(PrivateKey, "decapsulate", observed)
    return seen


def test_a_link_key_is_opened_once(opened: list[bytes]) -> None:
    keyring = Keyring([HeldKey(KEY, NOW, NOW + 60)])
    encapsulation, link_key = SECRETS[0]
    assert [keyring.link_key(KEY.key_id, encapsulation, NOW) for _ in range(3)] == [link_key] * 3
    assert opened == [encapsulation]


def test_the_least_recently_used_goes_first(opened: list[bytes]) -> None:
    keyring = Keyring([HeldKey(KEY, NOW, NOW + 60)], cache_size=2)
    first, second, third = (encapsulation for encapsulation, _ in SECRETS[:3])
    for encapsulation in (first, second, first, third):  # second is now the oldest, and goes
        keyring.link_key(KEY.key_id, encapsulation, NOW)
    opened.clear()
    for encapsulation in (first, third):
        keyring.link_key(KEY.key_id, encapsulation, NOW)
    assert opened == []
    keyring.link_key(KEY.key_id, second, NOW)
    assert opened == [second]


@pytest.mark.parametrize("size", [0, 1, 3])
def test_no_more_are_remembered_than_may_be(opened: list[bytes], size: int) -> None:
    keyring = Keyring([HeldKey(KEY, NOW, NOW + 60)], cache_size=size)
    everything = [encapsulation for encapsulation, _ in SECRETS]
    for encapsulation in everything:
        keyring.link_key(KEY.key_id, encapsulation, NOW)
    opened.clear()
    for encapsulation in reversed(everything):
        keyring.link_key(KEY.key_id, encapsulation, NOW)
    assert len(opened) == len(everything) - size


def test_what_does_not_open_is_not_remembered(opened: list[bytes]) -> None:
    keyring = Keyring([HeldKey(KEY, NOW, NOW + 60)])
    for _ in range(2):
        with pytest.raises(LinkError) as raised:
            keyring.link_key(KEY.key_id, bytes(80), NOW)
        assert raised.value.code is Code.BAD_ENVELOPE
    assert opened == [bytes(80)] * 2


def test_a_key_serves_until_its_time() -> None:
    keyring = Keyring([HeldKey(KEY, NOW, NOW + 60), HeldKey(OTHER, NOW + 1, NOW + 30)])
    encapsulation, link_key = SECRETS[0]
    assert keyring.link_key(KEY.key_id, encapsulation, NOW + 59) == link_key
    assert keyring.can_open(NOW + 59)
    with pytest.raises(LinkError) as raised:
        keyring.link_key(KEY.key_id, encapsulation, NOW + 60)  # though it is remembered
    assert raised.value.code is Code.UNKNOWN_KEY
    assert not keyring.can_open(NOW + 60)
    assert (keyring.created_at(KEY.key_id), keyring.created_at(OTHER.key_id)) == (NOW, NOW + 1)


def test_a_key_that_is_not_held_is_unknown() -> None:
    for held in ([], [HeldKey(OTHER, NOW, NOW + 60)]):
        with pytest.raises(LinkError) as raised:
            Keyring(held).link_key(KEY.key_id, SECRETS[0][0], NOW)
        assert raised.value.code is Code.UNKNOWN_KEY
    assert not Keyring([]).can_open(NOW)


def test_what_is_remembered_for_one_key_is_not_anothers() -> None:
    keyring = Keyring([HeldKey(KEY, NOW, NOW + 60), HeldKey(OTHER, NOW, NOW + 60)])
    encapsulation, _ = SECRETS[0]
    keyring.link_key(KEY.key_id, encapsulation, NOW)
    with pytest.raises(LinkError) as raised:
        keyring.link_key(OTHER.key_id, encapsulation, NOW)
    assert raised.value.code is Code.BAD_ENVELOPE
