"""Gateway keys, root keys and the link key that a secret leads to (sections 2 and 3)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final, Self, final

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from extproc.errors import Code, LinkError
from extproc.link import base64url
from extproc.link.secret import Secret
from extproc.link.suites import HPKE, Kem, expand, extract, hkdf

KEY_ID_LENGTH: Final = 8
_MLKEM768_PUBLIC_LENGTH: Final = 1184
_PEM_BLOCK: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n?", re.DOTALL)
_ROOT_PREFIX: Final = "ed25519:"
_ROOT_KEY_LENGTH: Final = 32


@final
@dataclass(frozen=True, slots=True, repr=False)
class LinkKey(Secret):
    """32 bytes that every message key of one link secret is derived from. Never printed."""

    raw: bytes
    _prk: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        # HKDF's first step (RFC 5869, 2.2) is the same for all messages.
        object.__setattr__(self, "_prk", extract(salt=b"", ikm=self.raw))

    def expand(self, info: bytes, length: int) -> bytes:
        """`length` bytes for one use, which `info` names."""
        return expand(self._prk, info=info, length=length)

    def __repr__(self) -> str:
        return "LinkKey(hidden)"


def _load_pem(pem: bytes) -> PrivateKeyTypes:
    """One PEM block. Raises ValueError, also for a key that is encrypted or of an unknown kind."""
    try:
        return load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("expected a private key in PEM, not encrypted") from error


def _key_context(kem: Kem, key_id: bytes) -> bytes:
    return kem.to_bytes(2, "big") + key_id


def _hpke_info(kem: Kem, key_id: bytes) -> bytes:
    return b"privatelink/1 secret\x00" + _key_context(kem, key_id)


def _derive_link_key(kem: Kem, key_id: bytes, encapsulation: bytes, secret: bytes) -> LinkKey:
    context = b"privatelink/1 context\x00" + _key_context(kem, key_id) + encapsulation
    salt = hashlib.sha256(context).digest()
    return LinkKey(hkdf(salt=salt, ikm=secret, info=b"privatelink/1 link", length=32))


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a gateway key. Raises ValueError when `raw` has the wrong length."""

    kem: Kem
    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != self.kem.public_key_length:
            raise ValueError(
                f"expected {self.kem.public_key_length} bytes of public key, not {len(self.raw)}"
            )

    @property
    def key_id(self) -> bytes:
        digest = hashlib.sha256(self.kem.to_bytes(2, "big") + self.raw).digest()
        return digest[:KEY_ID_LENGTH]

    def encapsulate(self, secret: bytes) -> tuple[bytes, LinkKey]:
        """Seal a fresh 32-byte link secret to this key: the encapsulation, and the link key it leads to.

        Raises ValueError when `raw` is of the right length but no key of its KEM, a point of low order say.
        """
        key_id = self.key_id
        encapsulation = HPKE[self.kem].encrypt(secret, self._hpke_key(), info=_hpke_info(self.kem, key_id))
        return encapsulation, _derive_link_key(self.kem, key_id, encapsulation, secret)

    def _hpke_key(self) -> X25519PublicKey | MLKEM768X25519PublicKey:
        if self.kem is Kem.X25519:
            return X25519PublicKey.from_public_bytes(self.raw)
        mlkem = MLKEM768PublicKey.from_public_bytes(self.raw[:_MLKEM768_PUBLIC_LENGTH])
        return MLKEM768X25519PublicKey(
            mlkem, X25519PublicKey.from_public_bytes(self.raw[_MLKEM768_PUBLIC_LENGTH:])
        )


@final
class PrivateKey(Secret):
    """A gateway key pair: X25519, or X-Wing as its ML-KEM-768 and X25519 parts."""

    __slots__ = ("_hpke_key", "_mlkem", "_x25519", "key_id", "public")

    def __init__(self, x25519: X25519PrivateKey, mlkem: MLKEM768PrivateKey | None = None) -> None:
        self._x25519, self._mlkem = x25519, mlkem
        x25519_public = x25519.public_key().public_bytes_raw()
        self._hpke_key: X25519PrivateKey | MLKEM768X25519PrivateKey
        if mlkem is None:
            self.public = PublicKey(Kem.X25519, x25519_public)
            self._hpke_key = x25519
        else:
            self.public = PublicKey(Kem.XWING, mlkem.public_key().public_bytes_raw() + x25519_public)
            self._hpke_key = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.key_id = self.public.key_id

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.kem.name}, {self.key_id.hex()})"

    @classmethod
    def generate(cls, kem: Kem) -> Self:
        mlkem = MLKEM768PrivateKey.generate() if kem is Kem.XWING else None
        return cls(X25519PrivateKey.generate(), mlkem)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read PKCS#8 blocks: X25519, or ML-KEM-768 and then X25519. Raises ValueError."""
        parts = [_load_pem(block) for block in _PEM_BLOCK.findall(pem)]
        match parts:
            case [X25519PrivateKey() as x25519]:
                return cls(x25519)
            case [MLKEM768PrivateKey() as mlkem, X25519PrivateKey() as x25519]:
                return cls(x25519, mlkem)
        raise ValueError(
            "expected an X25519 private key, or an ML-KEM-768 and then an X25519 private key, in PEM"
        )

    def to_pem(self) -> bytes:
        parts: list[MLKEM768PrivateKey | X25519PrivateKey] = [self._x25519]
        if self._mlkem is not None:
            parts.insert(0, self._mlkem)
        return b"".join(
            part.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for part in parts
        )

    def decapsulate(self, encapsulation: bytes) -> LinkKey:
        """The link key behind an encapsulation to this key. Raises LinkError(BAD_ENVELOPE)."""
        kem = self.public.kem
        if len(encapsulation) != kem.encapsulation_length:
            raise LinkError(Code.BAD_ENVELOPE, f"encapsulation of {len(encapsulation)} bytes for {kem.name}")
        try:  # a secret of another length would make another length of encapsulation
            info = _hpke_info(kem, self.key_id)
            secret = HPKE[kem].decrypt(encapsulation, self._hpke_key, info=info)
        except (InvalidTag, ValueError) as error:
            raise LinkError(Code.BAD_ENVELOPE, "the encapsulation does not open") from error
        return _derive_link_key(kem, self.key_id, encapsulation, secret)


@final
@dataclass(frozen=True, slots=True)
class RootPublicKey:
    """What a client pins: an Ed25519 public key, written `ed25519:<base64url>`.

    Raises ValueError when `raw` has the wrong length.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _ROOT_KEY_LENGTH:
            raise ValueError(f"expected {_ROOT_KEY_LENGTH} bytes of root key, not {len(self.raw)}")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ValueError, saying what was expected."""
        try:
            if not text.startswith(_ROOT_PREFIX):
                raise ValueError("not an Ed25519 key")
            return cls(base64url.decode(text.removeprefix(_ROOT_PREFIX)))
        except ValueError as error:
            raise ValueError(
                f"expected a root key such as {_ROOT_PREFIX}<43 characters of base64url>, not {text!r}"
            ) from error

    def __str__(self) -> str:
        return _ROOT_PREFIX + base64url.encode(self.raw)

    @property
    def root_id(self) -> bytes:
        return hashlib.sha256(self.raw).digest()[:8]

    def verify(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@final
class RootPrivateKey(Secret):
    """An Ed25519 key pair that signs key directories; it stays off-line."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = RootPublicKey(key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"RootPrivateKey({self.public})"

    @classmethod
    def generate(cls) -> Self:
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Raises ValueError."""
        key = _load_pem(pem)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("expected an Ed25519 private key in PEM")
        return cls(key)

    def to_pem(self) -> bytes:
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)
