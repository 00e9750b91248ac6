"""key-ids, root-keys and link-key: sections 2, 3 and 11."""

from __future__ import annotations

import base64
from dataclasses import asdict

from tests.vectors import reference
from tests.vectors.material import (
    KEYS,
    ROOTS,
    SEALED_TO,
    Recorded,
    Vector,
    flipped,
    hpke_info,
    invalid,
    valid,
)


def private_parts(key: reference.GatewayKey) -> Vector:
    """A private key as an SDK may load it: X-Wing as its seed, and as the two keys that it expands to."""
    if key.kem_id == reference.X25519:
        return {"x25519_private_key": key.x25519}
    return {
        "xwing_seed": key.private,
        "mlkem768_seed": key.mlkem_seed,
        "x25519_private_key": key.x25519,
    }


def key_ids(_recorded: Recorded) -> list[Vector]:
    vectors = [
        valid(
            key.name,
            "a gateway key; other files name it",
            {**private_parts(key), "kem_id": key.kem_id, "public_key": key.public},
            {"key_id": key.key_id},
            {"hashed": reference.u16(key.kem_id) + key.public},
        )
        for key in KEYS.values()
    ]
    x25519, xwing = KEYS["x25519-a"].public, KEYS["xwing-a"].public
    wrong = {
        "x25519-short": ("31 bytes", reference.X25519, x25519[:-1]),
        "x25519-long": ("33 bytes", reference.X25519, x25519 + b"\0"),
        "x25519-empty": ("no bytes", reference.X25519, b""),
        "xwing-short": ("1,215 bytes", reference.XWING, xwing[:-1]),
        "xwing-long": ("1,217 bytes", reference.XWING, xwing + b"\0"),
        "xwing-without-x25519": ("the ML-KEM-768 half alone", reference.XWING, xwing[:1184]),
        "x25519-as-xwing": ("an X25519 key under X-Wing's id", reference.XWING, x25519),
        "xwing-as-x25519": ("an X-Wing key under X25519's id", reference.X25519, xwing),
        "unknown-kem": ("a KEM that is none of the suite's, P-256's id", 0x0010, x25519),
    }
    return vectors + [
        invalid(name, reason, {"kem_id": kem_id, "public_key": raw}, "public-key")
        for name, (reason, kem_id, raw) in wrong.items()
    ]


def root_keys(_recorded: Recorded) -> list[Vector]:
    texts = {name: root_text(seed) for name, seed in ROOTS.items()}
    vectors = [
        valid(
            name,
            "a root key; other files name it",
            {"ed25519_private_key": seed, "text": texts[name]},
            {"public_key": reference.root_public(seed), "root_id": reference.root_id(seed)},
        )
        for name, seed in ROOTS.items()
    ]
    text = texts["root-a"]
    encoded = text.removeprefix("ed25519:")
    lax = "_-" + encoded[2:]
    wrong = {
        "empty": ("no text", ""),
        "no-prefix": ("no ed25519:", encoded),
        "other-prefix": ("another algorithm", "ed448:" + encoded),
        "upper-case-prefix": ("the prefix in upper case", "ED25519:" + encoded),
        "padding": ("padding", text + "="),
        "standard-alphabet": ("the alphabet of base64, not of base64url", "ed25519:/+" + lax[2:]),
        "white-space": ("a space at the end", text + " "),
        "line-break": ("a line break inside", text[:30] + "\n" + text[30:]),
        "short": ("31 bytes", "ed25519:" + _base64url(reference.root_public(ROOTS["root-a"])[:31])),
        "long": ("33 bytes", "ed25519:" + _base64url(reference.root_public(ROOTS["root-a"]) + b"\0")),
        "trailing-bits": ("bits set after the last byte", text[:-1] + _next_character(text[-1])),
        "not-ascii": ("a character outside ASCII", text[:-1] + "é"),
    }
    return vectors + [
        invalid(name, reason, {"text": given}, "root-key") for name, (reason, given) in wrong.items()
    ]


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def root_text(seed: bytes) -> str:
    return "ed25519:" + _base64url(reference.root_public(seed))


def _next_character(character: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(character) + 1]


def link_key(recorded: Recorded) -> list[Vector]:
    vectors = []
    for name, key_name in SEALED_TO.items():
        key, encapsulation = KEYS[key_name], recorded[name]
        steps = asdict(reference.link_key(key, encapsulation))
        vectors.append(
            valid(
                name.replace(" ", "-"),
                "a link secret, encapsulated once; other files name it",
                {"key": key_name, "encapsulation": encapsulation},
                {"link_key": steps.pop("link_key")},
                {"key_id": key.key_id, "enc": encapsulation[:-48], **steps},
            )
        )
    return vectors + [
        invalid(name, reason, {"key": key_name, "encapsulation": encapsulation}, "bad-envelope")
        for name, (reason, key_name, encapsulation) in _wrong_encapsulations(recorded).items()
    ]


def _wrong_encapsulations(recorded: Recorded) -> dict[str, tuple[str, str, bytes]]:
    x25519, xwing = recorded["x25519-a 1"], recorded["xwing-a 1"]
    wrong: dict[str, tuple[str, str, bytes]] = {}
    for key, good in (("x25519-a", x25519), ("xwing-a", xwing)):
        cases = {
            "empty": ("nothing", b""),
            "cut": ("the last byte cut", good[:-1]),
            "extended": ("a zero byte added", good + b"\0"),
            "enc-alone": ("no ciphertext", good[:-48]),
            "enc-flipped": ("a bit of enc flipped", flipped(good, 0)),
            "enc-top-bit": ("the top bit flipped that X25519 ignores", flipped(good, -49, 0x80)),
            "secret-flipped": ("a bit of the sealed secret flipped", flipped(good, -48)),
            "tag-flipped": ("a bit of the tag flipped", flipped(good, -1)),
            "zero": ("zeros of the right length", bytes(len(good))),
            "of-low-order": ("an X25519 point of low order", good[:-80] + bytes(32) + good[-48:]),
        }
        wrong |= {f"{key}-{name}": (reason, key, raw) for name, (reason, raw) in cases.items()}
    other = KEYS["x25519-b"]
    return wrong | {
        "another-key": ("encapsulated to another key of the same KEM", "x25519-b", x25519),
        "x25519-to-xwing": ("an X25519 encapsulation for an X-Wing key", "xwing-a", x25519),
        "xwing-to-x25519": ("an X-Wing encapsulation for an X25519 key", "x25519-a", xwing),
        "xwing-ml-kem-swapped": (
            "the ML-KEM half of one encapsulation, the rest of another",
            "xwing-a",
            xwing[:1088] + recorded["xwing-a 2"][1088:],
        ),
        "secrets-swapped": (
            "enc of one, ciphertext of another",
            "x25519-a",
            x25519[:32] + recorded["x25519-a 2"][32:],
        ),
        "info-of-another-key": (
            "info names another key",
            "x25519-a",
            recorded.resealed("x25519-a 1", info=hpke_info(other)),
        ),
        "info-of-ohttp": (
            "info is Oblivious HTTP's",
            "x25519-a",
            recorded.resealed("x25519-a 1", info=b"message/bhttp request\0"),
        ),
        "no-info": ("info is empty", "x25519-a", recorded.resealed("x25519-a 1", info=b"")),
        "with-aad": ("sealed with aad", "x25519-a", recorded.resealed("x25519-a 1", aad=b"final")),
        "xwing-with-aad": ("sealed with aad", "xwing-a", recorded.resealed("xwing-a 1", aad=b"final")),
        "aes-128-gcm": ("AES-128-GCM", "x25519-a", recorded.resealed("x25519-a 1", aead_id=1)),
    }
