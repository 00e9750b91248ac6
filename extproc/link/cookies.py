"""Sealed cookies (section 13): one cookie, sealed to the install that it was set for."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from extproc.link import base64url
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.secret import Secret
from extproc.link.suites import hkdf

PREFIX: Final = "__Secure-pl-"
BINDING_LENGTH: Final = 32
SALT_LENGTH: Final = 16
_ID_LENGTH: Final = 4


@final
class CookieKey(Secret):
    """32 bytes that cookies are sealed with. Its id is the first 4 bytes of its SHA-256."""

    __slots__ = ("_name_key", "id", "raw")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != 32:
            raise ValueError(f"expected 32 bytes of cookie key, not {len(raw)}")
        self.raw = raw
        self.id = hashlib.sha256(raw).digest()[:_ID_LENGTH]
        self._name_key = hkdf(salt=b"", ikm=raw, info=b"privatelink/1 cookie name", length=32)

    def __repr__(self) -> str:
        return f"CookieKey({self.id.hex()})"

    @classmethod
    def generate(cls) -> Self:
        return cls(os.urandom(32))

    def outer_name(self, binding: bytes, domain: str, path: str, name: str) -> str:
        """The opaque name under which a browser stores the cookie."""
        message = b"".join(
            len(part).to_bytes(2, "big") + part
            for part in (binding, domain.encode(), path.encode(), name.encode())
        )
        digest = hmac.digest(self._name_key, message, "sha256")
        return PREFIX + base64url.encode(digest[:12])

    def aead(self, binding: bytes, salt: bytes) -> tuple[AESGCM, bytes]:
        """The cipher and nonce of the cookie with this salt."""
        okm = hkdf(salt=salt, ikm=self.raw, info=b"privatelink/1 cookie\x00" + binding, length=44)
        return AESGCM(okm[:32]), okm[32:]


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie as RFC 6265, 5.3 stores it. `expires_at` in Unix seconds, 0 for a session's."""

    name: str
    value: bytes = field(repr=False)
    domain: str
    host_only: bool
    path: str
    secure: bool
    expires_at: int


def seal(key: CookieKey, binding: bytes, cookie: Cookie, *, salt: bytes) -> tuple[str, str]:
    """The outer name and value. `salt`: 16 random bytes."""
    name = key.outer_name(binding, cookie.domain, cookie.path, cookie.name)
    aead, nonce = key.aead(binding, salt)
    message = pb.SealedCookie(
        name=cookie.name,
        value=cookie.value,
        domain=cookie.domain,
        host_only=cookie.host_only,
        path=cookie.path,
        secure=cookie.secure,
        expires_at=cookie.expires_at,
    )
    sealed = aead.encrypt(nonce, message.SerializeToString(), name.encode())
    return name, base64url.encode(key.id + salt + sealed)


def open_cookie(keys: Sequence[CookieKey], binding: bytes, name: str, value: str) -> Cookie | None:
    """The cookie inside, or None: a copied, changed or foreign cookie is as good as none."""
    message = pb.SealedCookie()
    try:
        raw = base64url.decode(value)
        key = next((key for key in keys if key.id == raw[:_ID_LENGTH]), None)
        if key is None or len(binding) != BINDING_LENGTH:
            return None
        aead, nonce = key.aead(binding, raw[_ID_LENGTH : _ID_LENGTH + SALT_LENGTH])
        message.ParseFromString(aead.decrypt(nonce, raw[_ID_LENGTH + SALT_LENGTH :], name.encode()))
    except (InvalidTag, ValueError, DecodeError):
        return None
    return Cookie(
        name=message.name,
        value=message.value,
        domain=message.domain,
        host_only=message.host_only,
        path=message.path,
        secure=message.secure,
        expires_at=message.expires_at,
    )
