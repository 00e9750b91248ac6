"""Bytes of all kinds, into everything that reads a peer's bytes.

Invariant: a peer's bytes raise LinkError or DirectoryError, with a code of their place, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from extproc.errors import Code, DirectoryError, LinkError
from extproc.link import directory
from extproc.link.cookies import CookieKey, open_cookie
from extproc.link.envelope import open_request, seal_request
from extproc.link.keys import RootPrivateKey, RootPublicKey
from extproc.link.padding import pad
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.segments import Form, request_cipher, response_cipher
from extproc.link.suites import Kem
from extproc.link.validation import ValidationRules, validate_request, validate_trailers
from tests.link.strategies import HEADERS, INNER_REQUESTS, NOW, PROTOBUF_LIKE, link
from tests.link.streamed import DIRECTIONS, forged, parts, read, start

RULES = ValidationRules("/_link")
ROOT = RootPrivateKey.generate()
MANY = settings(max_examples=300)


@contextmanager
def only(*codes: Code) -> Iterator[None]:
    """Nothing is raised, or LinkError with one of these codes."""
    try:
        yield
    except LinkError as error:
        if error.code not in codes:
            raise


@MANY
@given(PROTOBUF_LIKE)
def test_envelopes(body: bytes) -> None:
    with pytest.raises(LinkError) as raised:
        open_request(link(Kem.X25519).keyring, body, NOW)
    assert raised.value.code in {Code.BAD_ENVELOPE, Code.UNKNOWN_KEY}


@MANY
@given(PROTOBUF_LIKE, st.sampled_from(Kem))
def test_envelopes_with_parts_of_any_kind(part: bytes, kem: Kem) -> None:
    """Each field in turn is anything, and the others are right."""
    both = link(kem)
    body, _ = both.seal(pb.InnerRequest(path="/"), b"a nonce of its own"[:16])
    for name in ("key_id", "encapsulation", "nonce", "ciphertext"):
        sealed = pb.SealedRequest.FromString(body)
        setattr(sealed, name, part)
        with pytest.raises(LinkError) as raised:
            open_request(both.keyring, sealed.SerializeToString(), NOW)
        assert raised.value.code in {Code.BAD_ENVELOPE, Code.UNKNOWN_KEY}


@MANY
@given(PROTOBUF_LIKE)
def test_inner_requests(plaintext: bytes) -> None:
    """A client with a key may seal anything at all."""
    both, nonce = link(Kem.X25519), bytes(16)
    body, _ = both.seal(pb.InnerRequest(), nonce)
    sealed = pb.SealedRequest.FromString(body)
    sealed.ciphertext = request_cipher(both.secret.link_key, Form.WHOLE, nonce).seal(0, plaintext, final=True)
    with only(Code.BAD_ENVELOPE, Code.BAD_REQUEST):
        validate_request(open_request(both.keyring, sealed.SerializeToString(), NOW).inner, RULES)


@MANY
@given(INNER_REQUESTS)
def test_inner_requests_that_parse(inner: pb.InnerRequest) -> None:
    with only(Code.BAD_REQUEST):
        validate_request(inner, RULES)


@MANY
@given(PROTOBUF_LIKE)
def test_responses(body: bytes) -> None:
    both, nonce = link(Kem.X25519), bytes(16)
    _, opener = seal_request(both.secret, pb.InnerRequest(), nonce=nonce)
    cipher = response_cipher(both.secret.link_key, Form.WHOLE, nonce, nonce)
    inside = pb.SealedResponse(nonce=nonce, ciphertext=cipher.seal(0, body, final=True)).SerializeToString()
    for answer in (body, inside):
        with only(Code.BAD_ENVELOPE):
            opener.open(answer)


@MANY
@given(st.sampled_from(DIRECTIONS), st.lists(st.binary(max_size=90) | PROTOBUF_LIKE, max_size=6))
def test_streams(direction: str, pieces: list[bytes]) -> None:
    """Also after a preamble that is right."""
    begun = start(direction)
    for before in ([], parts(begun.head)[:1], [begun.head]):
        assert read(begun.new_reader(), [*before, *pieces]).code in {Code.BAD_ENVELOPE, Code.UNKNOWN_KEY}


@MANY
@given(st.sampled_from(DIRECTIONS), st.lists(PROTOBUF_LIKE, min_size=1, max_size=4))
def test_streams_with_segments_of_any_kind(direction: str, plaintexts: list[bytes]) -> None:
    """A peer with the keys may seal anything at all."""
    for segments in (plaintexts, [b"", *plaintexts]):
        assert read(start(direction).new_reader(), [forged(direction, segments)]).code in {
            None,
            Code.BAD_ENVELOPE,
        }


@MANY
@given(HEADERS)
def test_trailers(trailers: list[pb.Header]) -> None:
    with only(Code.BAD_REQUEST):
        validate_trailers(trailers)


@MANY
@given(PROTOBUF_LIKE, st.booleans())
def test_directories(body: bytes, signed: bool) -> None:
    """Also what a root has signed may be anything."""
    message = b"privatelink/1 directory\0" + body
    signature = pb.Signature(root_id=ROOT.public.root_id, signature=ROOT.sign(message))
    wrapped = pb.SignedKeyDirectory(directory=body, signatures=[signature]).SerializeToString()
    given_bytes = wrapped if signed else body
    with suppress(DirectoryError):
        directory.decode(given_bytes)
    with suppress(DirectoryError):
        verify(given_bytes, ROOT.public)


def verify(body: bytes, root: RootPublicKey) -> directory.Verified:
    return directory.verify(body, roots=[root], link="https://gw.example.com", now=NOW, accepted={})


@MANY
@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*", fullmatch=True), st.binary(max_size=40), st.text())
def test_cookies(value: str, binding: bytes, name: str) -> None:
    assert open_cookie([CookieKey(bytes(32))], binding, name, value) is None


@MANY
@given(st.text(), st.binary(max_size=80))
def test_root_keys(text: str, raw: bytes) -> None:
    for wrong in (text, "ed25519:" + text, "ed25519:" + raw.hex()):
        with suppress(ValueError):
            assert str(RootPublicKey.from_text(wrong)) == wrong


@MANY
@given(PROTOBUF_LIKE)
def test_padding_is_no_part_of_a_message(serialized: bytes) -> None:
    """Whatever parsed before parses to the same after, but for the padding."""
    message, padded = pb.InnerResponse(), pb.InnerResponse()
    try:
        message.ParseFromString(serialized)
    except DecodeError:
        return
    padded.ParseFromString(pad(serialized, "padme"))
    for parsed in (message, padded):
        parsed.ClearField("padding")
    assert padded == message
