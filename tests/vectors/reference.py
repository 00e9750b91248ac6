"""The protocol a second time, in a straight line: docs/protocol.md read aloud.

Nothing here imports extproc. Hashes and HKDF are the standard library's; of `cryptography` only primitives
are used (X25519, ML-KEM-768, AES-256-GCM, Ed25519), not its HPKE. Names are the page's and RFC 9180's.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X25519 = 0x0020
XWING = 0x647A
WHOLE = 1
STREAMED = 2
XWING_LABEL = bytes.fromhex("5c2e2f2f5e5c")  # the draft draws it: \./ over /^\


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# RFC 5869


def hkdf_extract(salt: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    okm = block = b""
    counter = 1
    while len(okm) < length:
        block = hmac.digest(prk, block + info + bytes([counter]), "sha256")
        okm += block
        counter += 1
    return okm[:length]


def hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    return hkdf_expand(hkdf_extract(salt, ikm), info, length)


# Section 2: suites and keys


@dataclass(frozen=True)
class GatewayKey:
    """A gateway key pair. An X-Wing key is the 32-byte seed of draft-connolly-cfrg-xwing-kem, section 5.2."""

    name: str
    kem_id: int
    private: bytes

    @property
    def mlkem_seed(self) -> bytes:
        return hashlib.shake_256(self.private).digest(96)[:64] if self.kem_id == XWING else b""

    @property
    def x25519(self) -> bytes:
        return hashlib.shake_256(self.private).digest(96)[64:] if self.kem_id == XWING else self.private

    @property
    def public(self) -> bytes:
        x25519 = X25519PrivateKey.from_private_bytes(self.x25519).public_key().public_bytes_raw()
        if self.kem_id == X25519:
            return x25519
        return MLKEM768PrivateKey.from_seed_bytes(self.mlkem_seed).public_key().public_bytes_raw() + x25519

    @property
    def key_id(self) -> bytes:
        return sha256(u16(self.kem_id) + self.public)[:8]


# RFC 9180, and X-Wing


def labeled_extract(suite_id: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hkdf_extract(salt, b"HPKE-v1" + suite_id + label + ikm)


def labeled_expand(suite_id: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return hkdf_expand(prk, u16(length) + b"HPKE-v1" + suite_id + label + info, length)


def _x25519(private: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def dhkem_decap(private: bytes, public: bytes, enc: bytes) -> bytes:
    suite_id = b"KEM" + u16(X25519)
    eae_prk = labeled_extract(suite_id, b"", b"eae_prk", _x25519(private, enc))
    return labeled_expand(suite_id, eae_prk, b"shared_secret", enc + public, 32)


def xwing_decap(mlkem_seed: bytes, x25519: bytes, public: bytes, enc: bytes) -> bytes:
    ct_m, ct_x = enc[:1088], enc[1088:]
    ss_m = MLKEM768PrivateKey.from_seed_bytes(mlkem_seed).decapsulate(ct_m)
    ss_x = _x25519(x25519, ct_x)
    return hashlib.sha3_256(ss_m + ss_x + ct_x + public[1184:] + XWING_LABEL).digest()


def decap(key: GatewayKey, enc: bytes) -> bytes:
    if key.kem_id == X25519:
        return dhkem_decap(key.x25519, key.public, enc)
    return xwing_decap(key.mlkem_seed, key.x25519, key.public, enc)


def hpke_keys(kem_id: int, shared_secret: bytes, info: bytes, aead_id: int = 2) -> tuple[bytes, bytes]:
    """KeySchedule in base mode with HKDF-SHA256: the AEAD's key, and the base nonce."""
    suite_id = b"HPKE" + u16(kem_id) + u16(1) + u16(aead_id)
    psk_id_hash = labeled_extract(suite_id, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(suite_id, b"", b"info_hash", info)
    context = b"\0" + psk_id_hash + info_hash
    secret = labeled_extract(suite_id, shared_secret, b"secret", b"")
    return (
        labeled_expand(suite_id, secret, b"key", context, 16 if aead_id == 1 else 32),
        labeled_expand(suite_id, secret, b"base_nonce", context, 12),
    )


# Section 3: link secret


@dataclass(frozen=True)
class LinkKeySteps:
    info: bytes
    shared_secret: bytes
    hpke_key: bytes
    hpke_nonce: bytes
    secret: bytes
    salt: bytes
    link_key: bytes


def link_key(key: GatewayKey, encapsulation: bytes) -> LinkKeySteps:
    enc, ciphertext = encapsulation[:-48], encapsulation[-48:]
    info = b"privatelink/1 secret" + b"\0" + u16(key.kem_id) + key.key_id
    shared_secret = decap(key, enc)
    hpke_key, hpke_nonce = hpke_keys(key.kem_id, shared_secret, info)
    secret = AESGCM(hpke_key).decrypt(hpke_nonce, ciphertext, b"")
    salt = sha256(b"privatelink/1 context" + b"\0" + u16(key.kem_id) + key.key_id + encapsulation)
    return LinkKeySteps(
        info=info,
        shared_secret=shared_secret,
        hpke_key=hpke_key,
        hpke_nonce=hpke_nonce,
        secret=secret,
        salt=salt,
        link_key=hkdf(salt, secret, b"privatelink/1 link", 32),
    )


# Sections 4 and 5: message keys and segments


@dataclass(frozen=True)
class MessageKeys:
    info: bytes
    key: bytes
    base_nonce: bytes


def _message_keys(link_key: bytes, info: bytes) -> MessageKeys:
    okm = hkdf(b"", link_key, info, 44)
    return MessageKeys(info, okm[0:32], okm[32:44])


def request_keys(link_key: bytes, form: int, request_nonce: bytes) -> MessageKeys:
    return _message_keys(link_key, b"privatelink/1 request" + b"\0" + bytes([form]) + request_nonce)


def response_keys(link_key: bytes, form: int, request_nonce: bytes, response_nonce: bytes) -> MessageKeys:
    info = b"privatelink/1 response" + b"\0" + bytes([form]) + request_nonce + response_nonce
    return _message_keys(link_key, info)


def segment_nonce(base_nonce: bytes, index: int) -> bytes:
    counter = index.to_bytes(12, "big")
    return bytes(a ^ b for a, b in zip(base_nonce, counter, strict=True))


def seal_segment(keys: MessageKeys, index: int, plaintext: bytes, *, final: bool) -> bytes:
    nonce = segment_nonce(keys.base_nonce, index)
    return AESGCM(keys.key).encrypt(nonce, plaintext, b"final" if final else b"")


# Section 11: key directory


def root_public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def root_id(seed: bytes) -> bytes:
    return sha256(root_public(seed))[:8]


def directory_message(directory: bytes) -> bytes:
    return b"privatelink/1 directory" + b"\0" + directory


def root_signature(seed: bytes, message: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


# Section 12: padding (Nikitin et al., 2019, algorithm 1)


def padme(length: int) -> int:
    if length < 2:
        return length
    e = length.bit_length() - 1  # floor(log2 L)
    s = e.bit_length()  # floor(log2 E) + 1
    step = 1 << (e - s)
    return -(-length // step) * step


# Section 13: sealed cookies


def lp(part: bytes) -> bytes:
    return u16(len(part)) + part


def cookie_name_key(cookie_key: bytes) -> bytes:
    return hkdf(b"", cookie_key, b"privatelink/1 cookie name", 32)


def cookie_keys(cookie_key: bytes, salt: bytes, cookie_binding: bytes) -> tuple[bytes, bytes]:
    okm = hkdf(salt, cookie_key, b"privatelink/1 cookie" + b"\0" + cookie_binding, 44)
    return okm[:32], okm[32:]
