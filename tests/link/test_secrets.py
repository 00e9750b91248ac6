"""Secrets leave neither by a log line nor by a pickle.

Invariant: no text of a value that holds key material has that material in it, and no such value can be
pickled or copied.
"""

from __future__ import annotations

import base64
import copy
import pickle
from dataclasses import dataclass

import pytest

from extproc.link.cookies import Cookie, CookieKey
from extproc.link.envelope import LinkSecret, open_request, seal_request
from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import LinkKey, PrivateKey, RootPrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form, request_cipher
from extproc.link.suites import Kem

RAW = bytes(range(100, 132))
NOW = 1_800_000_000


@dataclass(frozen=True)
class Case:
    value: object
    secret: bytes  # what must not show


def cases() -> dict[str, Case]:
    found = {
        "LinkKey": Case(LinkKey(RAW), RAW),
        "CookieKey": Case(CookieKey(RAW), RAW),
        "SegmentCipher": Case(request_cipher(LinkKey(RAW), Form.WHOLE, bytes(16)), RAW),
    }
    root = RootPrivateKey.generate()
    found["RootPrivateKey"] = Case(root, root._key.private_bytes_raw())
    for kem in Kem:
        key = PrivateKey.generate(kem)
        secret = key._x25519.private_bytes_raw()
        keyring = Keyring([HeldKey(key, 0, NOW + 1)])
        link_secret = LinkSecret.draw(key.public, RAW)
        body, opener = seal_request(link_secret, pb.InnerRequest(body=RAW), nonce=bytes(16))
        link_key = link_secret.link_key.raw
        found |= {
            f"PrivateKey {kem.name}": Case(key, secret),
            f"HeldKey {kem.name}": Case(HeldKey(key, 0, 1), secret),
            f"Keyring {kem.name}": Case(keyring, secret),
            f"LinkSecret {kem.name}": Case(link_secret, link_key),
            f"ResponseOpener {kem.name}": Case(opener, link_key),
            f"ResponseSealer {kem.name}": Case(open_request(keyring, body, NOW).sealer, link_key),
            f"OpenedRequest {kem.name}": Case(open_request(keyring, body, NOW), RAW),
        }
    return found


CASES = cases()
EACH = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EACH
def test_no_text_shows_a_secret(case: Case) -> None:
    value, secret = case.value, case.secret
    for text in (repr(value), str(value), f"{value}", f"{value!r:>400}", repr([value]), repr({"key": value})):
        assert not shows(text, secret)


@EACH
def test_no_pickle_and_no_copy(case: Case) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(case.value, protocol)
    with pytest.raises((TypeError, pickle.PicklingError)):
        copy.deepcopy(case.value)


def test_the_value_of_a_cookie_does_not_show() -> None:
    cookie = Cookie("session", RAW, "shop.example.com", True, "/", True, 0)
    assert not shows(repr(cookie), RAW)


def shows(text: str, secret: bytes) -> bool:
    """Whether any 8 bytes of the secret stand in the text, in a form that a log would have."""
    parts = [secret[start : start + 8] for start in range(len(secret) - 7)]
    forms = [
        form
        for part in parts
        for form in (
            part.hex(),
            part.decode("latin-1"),
            repr(part)[2:-1],
            base64.b64encode(part[:6]).decode(),
            base64.urlsafe_b64encode(part[:6]).decode(),
            ", ".join(map(str, part)),
        )
    ]
    return any(form.lower() in text.lower() for form in forms)
