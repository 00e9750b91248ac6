"""The suite: KDF HKDF-SHA256, AEAD AES-256-GCM, and a KEM that is the key's own (section 2)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

SECRET_LENGTH: Final = 32
_HASH: Final = SHA256()
_TAG_LENGTH: Final = 16


class Kem(IntEnum):
    """A KEM by its id in RFC 9180's registry."""

    X25519 = 0x0020
    XWING = 0x647A

    @property
    def public_key_length(self) -> int:
        return 32 if self is Kem.X25519 else 1216

    @property
    def encapsulation_length(self) -> int:
        """Bytes of an encapsulated link secret: HPKE's `enc`, then its ciphertext."""
        enc = 32 if self is Kem.X25519 else 1120
        return enc + SECRET_LENGTH + _TAG_LENGTH


HPKE: Final = {
    Kem.X25519: hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
    Kem.XWING: hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
}


def hkdf(*, salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869), extract and expand."""
    return HKDF(algorithm=_HASH, length=length, salt=salt, info=info).derive(ikm)


def extract(*, salt: bytes, ikm: bytes) -> bytes:
    """HKDF-SHA256's first step: a pseudorandom key."""
    return HKDF.extract(_HASH, salt, ikm)


def expand(prk: bytes, *, info: bytes, length: int) -> bytes:
    """HKDF-SHA256's second step."""
    return HKDFExpand(_HASH, length, info).derive(prk)
