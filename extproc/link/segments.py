"""Message keys (section 4) and segments (section 5)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from extproc.errors import Code, LinkError
from extproc.link.keys import LinkKey
from extproc.message import Buffer

NONCE_LENGTH: Final = 16
TAG_LENGTH: Final = 16
_FINAL: Final = b"final"
_INDEX_END: Final = 2**32


class Form(IntEnum):
    """How a message is framed (section 6); part of its keys, so that one can't be passed off as the other."""

    WHOLE = 1
    STREAMED = 2


@final
class SegmentCipher:
    """Seals or opens the segments of one message. Its keys are never used for another."""

    __slots__ = ("_aead", "_base_nonce")

    def __init__(self, key: bytes, base_nonce: bytes) -> None:
        self._aead = AESGCM(key)
        self._base_nonce = int.from_bytes(base_nonce, "big")

    def seal(self, index: int, plaintext: bytes, *, final: bool) -> bytes:
        """Segment `index` (below 2^32): ciphertext and tag."""
        return self._aead.encrypt(self._nonce(index), plaintext, _FINAL if final else None)

    def open(self, index: int, ciphertext: Buffer, *, final: bool) -> bytes:
        """The plaintext of segment `index`. Raises LinkError(BAD_ENVELOPE)."""
        try:
            return self._aead.decrypt(self._nonce(index), ciphertext, _FINAL if final else None)
        except (InvalidTag, ValueError) as error:
            raise LinkError(Code.BAD_ENVELOPE, f"segment {index} does not open") from error

    def _nonce(self, index: int) -> bytes:
        if not 0 <= index < _INDEX_END:
            raise ValueError(f"expected a segment below 2^32, not {index}")
        return (self._base_nonce ^ index).to_bytes(12, "big")


def request_cipher(link_key: LinkKey, form: Form, request_nonce: bytes) -> SegmentCipher:
    return _cipher(link_key, b"privatelink/1 request\x00" + form.to_bytes(), request_nonce)


def response_cipher(
    link_key: LinkKey, form: Form, request_nonce: bytes, response_nonce: bytes
) -> SegmentCipher:
    return _cipher(link_key, b"privatelink/1 response\x00" + form.to_bytes(), request_nonce, response_nonce)


def _cipher(link_key: LinkKey, info: bytes, *nonces: bytes) -> SegmentCipher:
    for nonce in nonces:
        if len(nonce) != NONCE_LENGTH:  # else bytes could move between two nonces
            raise ValueError(f"expected nonces of {NONCE_LENGTH} bytes")
        info += nonce
    okm = link_key.expand(info, 44)
    return SegmentCipher(okm[:32], okm[32:])
