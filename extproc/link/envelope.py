"""The envelope (section 6): sealing and opening requests and responses, each whole or as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self, final

from extproc.errors import Code, LinkError
from extproc.link import segments
from extproc.link.keyring import Keyring
from extproc.link.keys import KEY_ID_LENGTH, LinkKey, PublicKey
from extproc.link.messages import parse, varint
from extproc.link.padding import Padding, pad
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form, SegmentCipher, request_cipher, response_cipher
from extproc.link.streams import Chunk, StreamReader, StreamWriter, serialized_head
from extproc.message import Buffer, value

MEDIA_WHOLE: Final = "application/privatelink"
MEDIA_STREAM: Final = "application/privatelink-stream"
MEDIA_KEYS: Final = "application/privatelink-keys"
NONCE_LENGTH: Final = segments.NONCE_LENGTH

# Of a SealedResponse, which is written by hand: protobuf would copy the ciphertext twice.
_NONCE: Final = b"\x0a\x10"
_CIPHERTEXT: Final = b"\x12"

_FORMS: Final = {MEDIA_WHOLE: Form.WHOLE, MEDIA_STREAM: Form.STREAMED}


def media_form(content_type: str | None) -> Form | None:
    """The form that a content type names, compared exactly, parameters apart."""
    return _FORMS.get((content_type or "").partition(";")[0].strip(" \t"))


@final
class ResponseSealer:
    """Seals the one response of a request that has opened: whole, or as a stream. A second one is a bug."""

    __slots__ = ("_link_key", "_request_nonce")

    def __init__(self, link_key: LinkKey, request_nonce: bytes) -> None:
        self._link_key: LinkKey | None = link_key
        self._request_nonce = request_nonce

    def seal(self, inner: pb.InnerResponse, *, nonce: bytes, padding: Padding = "none") -> bytes:
        """The outer body. `nonce`: 16 random bytes. Raises RuntimeError when there is an answer already."""
        cipher = self._cipher(Form.WHOLE, nonce)
        ciphertext = cipher.seal(0, pad(inner.SerializeToString(), padding), final=True)
        return b"".join((_NONCE, nonce, _CIPHERTEXT, varint(len(ciphertext)), ciphertext))

    def stream(
        self, inner: pb.InnerResponse, *, nonce: bytes, padding: Padding = "none"
    ) -> tuple[bytes, StreamWriter]:
        """The start of the outer body, which holds `inner` (without a body), and the writer of its rest.

        Raises ValueError when `inner` does not fit into a segment, and the response may still be another.
        """
        serialized = serialized_head(inner)  # before the key is spent
        writer = StreamWriter(self._cipher(Form.STREAMED, nonce), padding)
        return writer.head(pb.SealedResponse(nonce=nonce).SerializeToString(), serialized), writer

    def _cipher(self, form: Form, nonce: bytes) -> SegmentCipher:
        if self._link_key is None:
            raise RuntimeError("this request has been answered")
        cipher = response_cipher(self._link_key, form, self._request_nonce, nonce)
        self._link_key = None
        return cipher


@value
class OpenedRequest:
    """An inner request as it came out of its envelope, not yet validated, and the sealer of its answer."""

    inner: pb.InnerRequest = field(repr=False)
    key_id: bytes
    sealer: ResponseSealer


def open_request(keyring: Keyring, body: bytes, now: int) -> OpenedRequest:
    """Open a SealedRequest; `now` in Unix seconds. Raises LinkError(UNKNOWN_KEY or BAD_ENVELOPE)."""
    sealed, link_key = _addressed(keyring, body, now)
    nonce = sealed.nonce
    plaintext = request_cipher(link_key, Form.WHOLE, nonce).open(0, sealed.ciphertext, final=True)
    inner = pb.InnerRequest()
    parse(inner, plaintext)
    return OpenedRequest(inner, sealed.key_id, ResponseSealer(link_key, nonce))


@final
class RequestReader:
    """Opens a streamed request as its bytes come; `now` in Unix seconds."""

    def __init__(self, keyring: Keyring, now: int) -> None:
        self._keyring = keyring
        self._now = now
        self._inner = pb.InnerRequest()
        self._reader = StreamReader(self._inner, self._cipher)
        self._opened: OpenedRequest | None = None

    @property
    def opened(self) -> OpenedRequest | None:
        """The request without its body, once segment 0 has opened."""
        return self._opened if self._reader.has_head else None

    def receive(self, data: Buffer) -> Iterator[Chunk]:
        """As StreamReader's. Raises LinkError(UNKNOWN_KEY or BAD_ENVELOPE)."""
        return self._reader.receive(data)

    def end(self) -> None:
        """As StreamReader's."""
        self._reader.end()

    def _cipher(self, preamble: bytes) -> SegmentCipher:
        sealed, link_key = _addressed(self._keyring, preamble, self._now)
        _check_preamble(sealed)
        self._opened = OpenedRequest(self._inner, sealed.key_id, ResponseSealer(link_key, sealed.nonce))
        return request_cipher(link_key, Form.STREAMED, sealed.nonce)


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


ResponseReader = StreamReader[pb.InnerResponse]


@final
class ResponseOpener:
    """Opens the response to one sealed request, in the form that its content type names."""

    __slots__ = ("_link_key", "_request_nonce")

    def __init__(self, link_key: LinkKey, request_nonce: bytes) -> None:
        self._link_key = link_key
        self._request_nonce = request_nonce

    def open(self, body: bytes) -> pb.InnerResponse:
        """Raises LinkError(BAD_ENVELOPE) for anything that does not parse or open."""
        sealed = _answered(body)
        cipher = response_cipher(self._link_key, Form.WHOLE, self._request_nonce, sealed.nonce)
        inner = pb.InnerResponse()
        parse(inner, cipher.open(0, sealed.ciphertext, final=True))
        return inner

    def stream(self) -> ResponseReader:
        """Opens a streamed response as its bytes come."""
        return StreamReader(pb.InnerResponse(), self._cipher)

    def _cipher(self, preamble: bytes) -> SegmentCipher:
        sealed = _answered(preamble)
        _check_preamble(sealed)
        return response_cipher(self._link_key, Form.STREAMED, self._request_nonce, sealed.nonce)


def seal_request(
    secret: LinkSecret, inner: pb.InnerRequest, *, nonce: bytes, padding: Padding = "none"
) -> tuple[bytes, ResponseOpener]:
    """The outer body of one request, and the opener of its answer. `nonce`: 16 random bytes."""
    plaintext = pad(inner.SerializeToString(), padding)
    sealed = _request(secret, nonce)
    sealed.ciphertext = request_cipher(secret.link_key, Form.WHOLE, nonce).seal(0, plaintext, final=True)
    return sealed.SerializeToString(), ResponseOpener(secret.link_key, nonce)


def seal_stream(
    secret: LinkSecret, inner: pb.InnerRequest, *, nonce: bytes, padding: Padding = "none"
) -> tuple[bytes, StreamWriter, ResponseOpener]:
    """The start of the outer body of one request, which holds `inner` (without a body); the writer of its
    rest; and the opener of its answer. Raises ValueError when `inner` does not fit into a segment.
    """
    writer = StreamWriter(request_cipher(secret.link_key, Form.STREAMED, nonce), padding)
    head = writer.head(_request(secret, nonce).SerializeToString(), serialized_head(inner))
    return head, writer, ResponseOpener(secret.link_key, nonce)


def _request(secret: LinkSecret, nonce: bytes) -> pb.SealedRequest:
    return pb.SealedRequest(key_id=secret.key_id, encapsulation=secret.encapsulation, nonce=nonce)


def _addressed(keyring: Keyring, serialized: bytes, now: int) -> tuple[pb.SealedRequest, LinkKey]:
    """A SealedRequest, and the secret that came with it."""
    sealed = pb.SealedRequest()
    parse(sealed, serialized)
    key_id = sealed.key_id
    if len(key_id) != KEY_ID_LENGTH or len(sealed.nonce) != NONCE_LENGTH:
        raise LinkError(Code.BAD_ENVELOPE, "a key id or nonce of the wrong length")
    return sealed, keyring.link_key(key_id, sealed.encapsulation, now)


def _answered(serialized: bytes) -> pb.SealedResponse:
    sealed = pb.SealedResponse()
    parse(sealed, serialized)
    if len(sealed.nonce) != NONCE_LENGTH:
        raise LinkError(Code.BAD_ENVELOPE, "a nonce of the wrong length")
    return sealed


def _check_preamble(sealed: pb.SealedRequest | pb.SealedResponse) -> None:
    if sealed.ciphertext:
        raise LinkError(Code.BAD_ENVELOPE, "ciphertext in a preamble")
