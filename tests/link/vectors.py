"""The files of tests/vectors/ as tests take them: parameters, keys by name, messages from their JSON."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from extproc.link.keyring import HeldKey, Keyring
from extproc.link.keys import PrivateKey
from extproc.link.pb import privatelink_pb2 as pb

FOLDER = Path(__file__).parent.parent / "vectors"
Vector = dict[str, Any]


@cache
def load(topic: str) -> tuple[Vector, ...]:
    return tuple(json.loads((FOLDER / f"{topic}.json").read_text())["vectors"])


def params(topic: str, result: str | None = None, **inputs: object) -> list[ParameterSet]:
    """The vectors of a topic with that result and those inputs, each named by its id."""
    chosen = [
        pytest.param(vector, id=identify(vector))
        for vector in load(topic)
        if result in {None, vector.get("result")}
        and all(vector["inputs"].get(name) == value for name, value in inputs.items())
    ]
    assert chosen, f"no such vectors in {topic}"
    return chosen


def identify(vector: Vector) -> str:
    return str(vector["id"])


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


@cache
def gateway_key(name: str) -> PrivateKey:
    """A key of key-ids.json."""
    inputs = next(vector["inputs"] for vector in load("key-ids") if vector["id"] == name)
    mlkem_seed = inputs.get("mlkem768_seed")
    return PrivateKey(
        X25519PrivateKey.from_private_bytes(raw(inputs["x25519_private_key"])),
        MLKEM768PrivateKey.from_seed_bytes(raw(mlkem_seed)) if mlkem_seed else None,
    )


def keyring(held: list[Vector]) -> Keyring:
    return Keyring(HeldKey(gateway_key(entry["key"]), 0, entry["open_until"]) for entry in held)


def _headers(pairs: list[tuple[str, str]]) -> list[pb.Header]:
    return [pb.Header(name=name, value=raw(value)) for name, value in pairs]


def inner_request(inner: Vector) -> pb.InnerRequest:
    fields = dict(inner)
    filler = fields.pop("filler", None)
    headers = _headers(fields.pop("headers", []))
    if filler is not None:
        value = b"a" * filler["value_length"]
        headers += [pb.Header(name=filler["name"], value=value)] * filler["count"]
    for name in ("body", "exchange_id", "cookie_binding"):
        fields[name] = raw(fields.get(name, ""))
    client = pb.ClientInfo(**fields.pop("client", {}))
    message = pb.InnerRequest(**fields, headers=headers)
    if client != pb.ClientInfo():
        message.client.CopyFrom(client)
    return message


def inner_response(inner: Vector) -> pb.InnerResponse:
    fields = dict(inner)
    headers, trailers = (_headers(fields.pop(name, [])) for name in ("headers", "trailers"))
    return pb.InnerResponse(
        **fields | {"body": raw(fields.get("body", ""))}, headers=headers, trailers=trailers
    )


def words(text: str) -> bytes:
    """Words of hexadecimal; `61*65536` is one of them, that many times."""
    parts = (word.partition("*") for word in text.split())
    return b"".join(raw(word) * int(times or 1) for word, _, times in parts)


def streamed_body(inputs: Vector) -> bytes:
    """A streamed body: as it is written there, or made by its recipe."""
    if "body" in inputs:
        return raw(inputs["body"])
    recipe = inputs["recipe"]
    key, base_nonce = AESGCM(raw(recipe["key"])), int(recipe["base_nonce"], 16)
    body = raw(recipe["preamble"])
    for index, segment in enumerate(recipe["segments"]):
        aad = b"final" if segment["final"] else b""
        sealed = key.encrypt((base_nonce ^ index).to_bytes(12, "big"), words(segment["plaintext"]), aad)
        body += (len(sealed) | segment["final"] << 31).to_bytes(4, "big") + sealed
    assert (len(body), hashlib.sha256(body).hexdigest()) == (recipe["length"], recipe["sha256"])
    return body
