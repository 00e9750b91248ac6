"""What the vectors are made of: keys that follow from a label, and encapsulations that are recorded.

A key, nonce or secret is SHAKE-256 of its label, so that a vector hides nothing and stays as it is. Only
HPKE sealing draws randomness that can't be handed in: recorded.json keeps what came of it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors import reference

FOLDER = Path(__file__).parent
NOW = 1_800_000_000
NOW_MS = NOW * 1000
LINK = "https://gw.example.com"
Vector = dict[str, Any]


def drawn(label: str, length: int = 32) -> bytes:
    return hashlib.shake_256(b"privatelink/1 test vectors: " + label.encode()).digest(length)


def flipped(raw: bytes, index: int, bits: int = 1) -> bytes:
    changed = bytearray(raw)
    changed[index] ^= bits
    return bytes(changed)


def nonce(label: str) -> bytes:
    return drawn(f"nonce {label}", 16)


KEYS = {
    name: reference.GatewayKey(name, kem_id, drawn(f"gateway key {name}"))
    for name, kem_id in (
        ("x25519-a", reference.X25519),
        ("x25519-b", reference.X25519),
        ("xwing-a", reference.XWING),
        ("xwing-b", reference.XWING),
    )
}
ROOTS = {name: drawn(f"root key {name}") for name in ("root-a", "root-b")}
COOKIE_KEYS = {name: drawn(f"cookie key {name}") for name in ("cookie-a", "cookie-b")}


SEALED_TO = {
    "x25519-a 1": "x25519-a",
    "x25519-a 2": "x25519-a",
    "x25519-b": "x25519-b",
    "xwing-a 1": "xwing-a",
    "xwing-a 2": "xwing-a",
    "xwing-b": "xwing-b",
}


def hpke_info(key: reference.GatewayKey) -> bytes:
    return b"privatelink/1 secret" + b"\0" + reference.u16(key.kem_id) + key.key_id


def _seal(name: str) -> bytes:
    key = KEYS[SEALED_TO[name]]
    public: X25519PublicKey | hpke.MLKEM768X25519PublicKey
    public, kem = X25519PublicKey.from_public_bytes(key.public[-32:]), hpke.KEM.X25519
    if key.kem_id == reference.XWING:
        mlkem = MLKEM768PublicKey.from_public_bytes(key.public[:-32])
        public, kem = hpke.MLKEM768X25519PublicKey(mlkem, public), hpke.KEM.MLKEM768_X25519
    suite = hpke.Suite(kem, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    return suite.encrypt(drawn(f"link secret {name}"), public, info=hpke_info(key))


@dataclass
class Recorded:
    """The recorded encapsulations, and those that are new."""

    encapsulations: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path = FOLDER / "recorded.json") -> Recorded:
        entries = json.loads(path.read_text())["encapsulations"] if path.exists() else {}
        return cls({name: bytes.fromhex(entry) for name, entry in entries.items()})

    def __getitem__(self, name: str) -> bytes:
        if name not in self.encapsulations:
            self.encapsulations[name] = _seal(name)
        return self.encapsulations[name]

    def link_key(self, name: str) -> bytes:
        return reference.link_key(KEYS[SEALED_TO[name]], self[name]).link_key

    def resealed(self, name: str, *, info: bytes | None = None, aad: bytes = b"", aead_id: int = 2) -> bytes:
        """The same `enc`, with the secret sealed as a client that misread section 3 would seal it."""
        key, enc = KEYS[SEALED_TO[name]], self[name][:-48]
        shared_secret = reference.decap(key, enc)
        info = hpke_info(key) if info is None else info
        hpke_key, hpke_nonce = reference.hpke_keys(key.kem_id, shared_secret, info, aead_id)
        return enc + AESGCM(hpke_key).encrypt(hpke_nonce, drawn(f"link secret {name}"), aad)

    def content(self) -> Vector:
        return {
            "about": "Link secrets sealed by HPKE, once. material.py names secret and key.",
            "encapsulations": {name: self[name] for name in SEALED_TO},
        }


def valid(
    name: str, reason: str, inputs: Vector, output: Vector, intermediates: Vector | None = None
) -> Vector:
    """A vector to reproduce or to accept. `reason`: what it is there for."""
    return {
        "id": name,
        "result": "valid",
        "reason": reason,
        "inputs": inputs,
        **({"intermediates": intermediates} if intermediates else {}),
        "output": output,
    }


def invalid(
    name: str, reason: str, inputs: Vector, error: str, intermediates: Vector | None = None
) -> Vector:
    """A vector to refuse with `error`."""
    return {**valid(name, reason, inputs, {"error": error}, intermediates), "result": "invalid"}
