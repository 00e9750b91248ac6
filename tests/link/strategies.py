"""What Hypothesis draws from: messages of every shape, and envelopes that are sealed already."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from hypothesis import strategies as st

from extproc.link.envelope import LinkSecret, ResponseOpener, ResponseSealer, open_request, seal_request
from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem

NOW = 1_800_000_000
UINT64 = st.integers(0, 2**64 - 1)
HEADERS = st.lists(st.builds(pb.Header, name=st.text(), value=st.binary()), max_size=5)
CLIENTS = st.builds(
    pb.ClientInfo, sdk=st.text(), app=st.text(), tags=st.dictionaries(st.text(), st.text(), max_size=3)
)
INNER_REQUESTS = st.builds(
    pb.InnerRequest,
    method=st.text(),
    scheme=st.text(),
    authority=st.text(),
    path=st.text(),
    headers=HEADERS,
    body=st.binary(),
    sent_at_ms=UINT64,
    exchange_id=st.binary(),
    accept_stream=st.booleans(),
    cookie_binding=st.binary(),
    client=CLIENTS,
)
INNER_RESPONSES = st.builds(
    pb.InnerResponse,
    status=st.integers(0, 2**32 - 1),
    headers=HEADERS,
    body=st.binary(),
    trailers=HEADERS,
    fault=st.text(),
    gateway_time_ms=UINT64,
    directory_serial=UINT64,
)
NONCES = st.binary(min_size=16, max_size=16)


@dataclass(frozen=True)
class Link:
    """Both ends of a link, with a secret drawn."""

    key: PrivateKey
    keyring: Keyring
    secret: LinkSecret

    def seal(self, inner: pb.InnerRequest, nonce: bytes = bytes(16)) -> tuple[bytes, ResponseOpener]:
        return seal_request(self.secret, inner, nonce=nonce)

    def sealer(self) -> tuple[ResponseSealer, ResponseOpener]:
        """Of one response: the gateway's end, and the client's."""
        body, opener = self.seal(pb.InnerRequest(path="/"))
        return open_request(self.keyring, body, NOW).sealer, opener


@cache
def link(kem: Kem) -> Link:
    key = PrivateKey.generate(kem)
    return Link(
        key, Keyring([HeldKey(key, NOW - 60, NOW + 60)]), LinkSecret.draw(key.public, bytes(range(32)))
    )


# Anything that a parser of Protocol Buffers could take for a message, and some things that it could not.


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, wire_type: int, payload: bytes, claimed: int | None) -> bytes:
    tag = _varint(number << 3 | wire_type)
    if wire_type == 2:
        return tag + _varint(len(payload) if claimed is None else claimed) + payload
    return tag + payload


_LEAVES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([8, 12, 16, 17, 80, 1168]).map(bytes),
    st.integers(0, 2**64).map(_varint),
    st.just(b"\xff" * 11),
)


def _messages(payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    lies = st.none() | st.integers(0, 2**64)
    numbers = st.integers(0, 16) | st.integers(0, 2**29)
    return st.lists(st.builds(_field, numbers, st.integers(0, 7), payloads, lies), max_size=6).map(b"".join)


PROTOBUF_LIKE = st.recursive(_LEAVES, _messages, max_leaves=12)


# Bytes as they come over a wire: in pieces.


def cut(body: bytes, step: int) -> list[bytes]:
    return [body[start : start + step] for start in range(0, len(body), step)]


@st.composite
def cuts(draw: st.DrawFn, body: bytes) -> list[bytes]:
    """The body in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(body)), max_size=12)))
    return [body[start:end] for start, end in pairwise([0, *places, len(body)])]
