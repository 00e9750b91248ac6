"""base64url without padding (RFC 4648, section 5): every value has one text, and a text at most one value."""

from __future__ import annotations

import base64
import binascii


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Raises ValueError for any text that `encode` does not give."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode(raw) != text:  # padding, the other alphabet, or bits after the last byte
        raise ValueError("not canonical base64url without padding")
    return raw
