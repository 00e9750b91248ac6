"""The envelope in its whole form (section 6): one SealedRequest in, one SealedResponse out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self, final

from google.protobuf.message import DecodeError, Message

from extproc.errors import Code, LinkError
from extproc.link import segments
from extproc.link.keyring import Keyring
from extproc.link.keys import KEY_ID_LENGTH, LinkKey, PublicKey
from extproc.link.padding import Padding, pad
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form, request_cipher, response_cipher

MEDIA_WHOLE: Final = "application/privatelink"
MEDIA_STREAM: Final = "application/privatelink-stream"
MEDIA_KEYS: Final = "application/privatelink-keys"
NONCE_LENGTH: Final = segments.NONCE_LENGTH

_FORMS: Final = {MEDIA_WHOLE: Form.WHOLE, MEDIA_STREAM: Form.STREAMED}


def media_form(content_type: str | None) -> Form | None:
    """The form that a content type names, compared exactly, parameters apart."""
    return _FORMS.get((content_type or "").partition(";")[0].strip(" \t"))


@final
class ResponseSealer:
    """Seals the one response of a request that has opened."""

    __slots__ = ("_link_key", "_request_nonce")

    def __init__(self, link_key: LinkKey, request_nonce: bytes) -> None:
        self._link_key: LinkKey | None = link_key
        self._request_nonce = request_nonce

    def seal(self, inner: pb.InnerResponse, *, nonce: bytes, padding: Padding = "none") -> bytes:
        """The outer body. `nonce`: 16 random bytes. A second call is a bug: RuntimeError."""
        if self._link_key is None:
            raise RuntimeError("this request has been answered")
        cipher = response_cipher(self._link_key, Form.WHOLE, self._request_nonce, nonce)
        self._link_key = None
        plaintext = pad(inner.SerializeToString(), padding)
        sealed = pb.SealedResponse(nonce=nonce, ciphertext=cipher.seal(0, plaintext, final=True))
        return sealed.SerializeToString()


@dataclass(frozen=True, slots=True)
class OpenedRequest:
    """An inner request as it came out of its envelope, not yet validated, and the sealer of its answer."""

    inner: pb.InnerRequest = field(repr=False)
    key_id: bytes
    sealer: ResponseSealer


def open_request(keyring: Keyring, body: bytes, now: int) -> OpenedRequest:
    """Open a SealedRequest; `now` in Unix seconds. Raises LinkError(UNKNOWN_KEY or BAD_ENVELOPE)."""
    sealed = pb.SealedRequest()
    _parse(sealed, body)
    if len(sealed.key_id) != KEY_ID_LENGTH or len(sealed.nonce) != NONCE_LENGTH:
        raise LinkError(Code.BAD_ENVELOPE, "a key id or nonce of the wrong length")
    link_key = keyring.link_key(sealed.key_id, sealed.encapsulation, now)
    plaintext = request_cipher(link_key, Form.WHOLE, sealed.nonce).open(0, sealed.ciphertext, final=True)
    inner = pb.InnerRequest()
    _parse(inner, plaintext)
    return OpenedRequest(inner, sealed.key_id, ResponseSealer(link_key, sealed.nonce))


@dataclass(frozen=True, slots=True)
class LinkSecret:
    """A secret that a client has drawn and encapsulated, once, to one gateway key."""

    key_id: bytes
    encapsulation: bytes = field(repr=False)
    link_key: LinkKey

    @classmethod
    def draw(cls, public_key: PublicKey, secret: bytes) -> Self:
        """`secret`: 32 random bytes, used for nothing else."""
        encapsulation, link_key = public_key.encapsulate(secret)
        return cls(public_key.key_id, encapsulation, link_key)


@final
class ResponseOpener:
    """Opens the response to one sealed request."""

    __slots__ = ("_link_key", "_request_nonce")

    def __init__(self, link_key: LinkKey, request_nonce: bytes) -> None:
        self._link_key = link_key
        self._request_nonce = request_nonce

    def open(self, body: bytes) -> pb.InnerResponse:
        """Raises LinkError(BAD_ENVELOPE) for anything that does not parse or open."""
        sealed = pb.SealedResponse()
        _parse(sealed, body)
        if len(sealed.nonce) != NONCE_LENGTH:
            raise LinkError(Code.BAD_ENVELOPE, "a nonce of the wrong length")
        cipher = response_cipher(self._link_key, Form.WHOLE, self._request_nonce, sealed.nonce)
        inner = pb.InnerResponse()
        _parse(inner, cipher.open(0, sealed.ciphertext, final=True))
        return inner


def seal_request(
    secret: LinkSecret, inner: pb.InnerRequest, *, nonce: bytes, padding: Padding = "none"
) -> tuple[bytes, ResponseOpener]:
    """The outer body of one request, and the opener of its answer. `nonce`: 16 random bytes."""
    plaintext = pad(inner.SerializeToString(), padding)
    sealed = pb.SealedRequest(
        key_id=secret.key_id,
        encapsulation=secret.encapsulation,
        nonce=nonce,
        ciphertext=request_cipher(secret.link_key, Form.WHOLE, nonce).seal(0, plaintext, final=True),
    )
    return sealed.SerializeToString(), ResponseOpener(secret.link_key, nonce)


def _parse(message: Message, serialized: bytes) -> None:
    try:
        message.ParseFromString(serialized)
    except DecodeError as error:
        raise LinkError(Code.BAD_ENVELOPE, f"not a {message.DESCRIPTOR.name}") from error
