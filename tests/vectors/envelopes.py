"""Whole messages as the vectors seal them, rightly and wrongly."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors import reference, wire
from tests.vectors.material import KEYS, NOW, NOW_MS, SEALED_TO, Recorded, Vector, drawn, nonce
from tests.vectors.reference import WHOLE

HOST = "shop.example.com"
GET: wire.Inner = {
    "method": "GET",
    "scheme": "https",
    "authority": HOST,
    "path": "/",
    "sent_at_ms": NOW_MS,
    "exchange_id": drawn("exchange get", 16),
}
POST: wire.Inner = {
    "method": "POST",
    "scheme": "https",
    "authority": f"{HOST}:8443",
    "path": "/orders?note=a%2Fb&x=%C3%A9",
    "headers": [
        ("content-type", b"application/json"),
        ("authorization", b"Bearer not-a-real-token"),
        ("cookie", b"session=1"),
        ("cookie", b"theme=dark"),
        ("x-empty", b""),
        ("x-latin-1", b"caf\xe9"),
    ],
    "body": b'{"item": 7}\x00\xff',
    "sent_at_ms": NOW_MS - 1500,
    "exchange_id": drawn("exchange post", 16),
    "accept_stream": True,
    "cookie_binding": drawn("binding 1"),
    "client": {
        "sdk": "test/1.0.0",
        "platform": "vectors",
        "app": "shop/2.1",
        "install_id": "i-1",
        "tags": {"channel": "北京"},
    },
}
OK: wire.Inner = {
    "status": 200,
    "headers": [
        ("content-type", b"text/plain"),
        ("set-cookie", b"a=1; HttpOnly"),
        ("set-cookie", b"b=2; Path=/cart"),
    ],
    "body": b"hello\x00\xff",
    "trailers": [("grpc-status", b"0")],
    "gateway_time_ms": NOW_MS + 20,
    "directory_serial": 3,
}
ENDS_WITH_ZERO = nonce("ends with zero")[:15] + b"\0"
HELD: list[Vector] = [{"key": name, "open_until": NOW + 86_400} for name in KEYS if name != "xwing-b"]


@dataclass(frozen=True)
class Request:
    """A whole request and all that its sealing goes through; every part can be made wrong."""

    recorded: Recorded
    secret: str = "x25519-a 1"
    plaintext: bytes = field(default_factory=lambda: wire.inner_request(GET))
    nonce: bytes = nonce("request 1")
    form: int = WHOLE
    index: int = 0
    aad: bytes = b"final"

    @property
    def key_id(self) -> bytes:
        return KEYS[SEALED_TO[self.secret]].key_id

    @property
    def encapsulation(self) -> bytes:
        return self.recorded[self.secret]

    @property
    def link_key(self) -> bytes:
        return self.recorded.link_key(self.secret)

    @property
    def keys(self) -> reference.MessageKeys:
        return reference.request_keys(self.link_key, self.form, self.nonce)

    @property
    def ciphertext(self) -> bytes:
        return seal(self.keys, self.plaintext, self.index, self.aad)

    @property
    def body(self) -> bytes:
        return wire.sealed_request(self.key_id, self.encapsulation, self.nonce, self.ciphertext)

    def intermediates(self) -> Vector:
        return {
            "key_id": self.key_id,
            "encapsulation": self.encapsulation,
            "link_key": self.link_key,
            "nonce": self.nonce,
            "key": self.keys.key,
            "base_nonce": self.keys.base_nonce,
            "aad": self.aad,
            "ciphertext": self.ciphertext,
            "plaintext": self.plaintext,
        }


@dataclass(frozen=True)
class Response:
    """A whole response; see Request."""

    link_key: bytes
    plaintext: bytes = field(default_factory=lambda: wire.inner_response(OK))
    request_nonce: bytes = nonce("request 1")
    nonce: bytes = nonce("response 1")
    form: int = WHOLE
    index: int = 0
    aad: bytes = b"final"

    @property
    def keys(self) -> reference.MessageKeys:
        return reference.response_keys(self.link_key, self.form, self.request_nonce, self.nonce)

    @property
    def ciphertext(self) -> bytes:
        return seal(self.keys, self.plaintext, self.index, self.aad)

    @property
    def body(self) -> bytes:
        return wire.sealed_response(self.nonce, self.ciphertext)

    def intermediates(self) -> Vector:
        return {
            "nonce": self.nonce,
            "key": self.keys.key,
            "base_nonce": self.keys.base_nonce,
            "aad": self.aad,
            "ciphertext": self.ciphertext,
            "plaintext": self.plaintext,
        }


def seal(keys: reference.MessageKeys, plaintext: bytes, index: int = 0, aad: bytes = b"final") -> bytes:
    return AESGCM(keys.key).encrypt(reference.segment_nonce(keys.base_nonce, index), plaintext, aad)


def padded(plaintext: bytes) -> bytes:
    """Filled as `padme` has it, one zero more at a time."""
    target = reference.padme(len(plaintext))
    if target == len(plaintext):
        return plaintext
    zeros = 0
    while len(plaintext + wire.padding(zeros)) < target:
        zeros += 1
    return plaintext + wire.padding(zeros)


def stream(preamble: bytes, keys: reference.MessageKeys, head: bytes) -> bytes:
    """Section 6's framing: a preamble, the head as segment 0, and an empty final segment."""
    segments = [seal(keys, head, 0, b""), seal(keys, b"", 1, b"final")]
    frames = [(len(s) | final << 31).to_bytes(4, "big") + s for final, s in enumerate(segments)]
    return wire.varint(len(preamble)) + preamble + b"".join(frames)
