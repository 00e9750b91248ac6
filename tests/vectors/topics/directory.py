"""directory: what a client accepts, and what it then uses (section 11)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.vectors import reference, wire
from tests.vectors.material import KEYS, LINK, NOW, ROOTS, Recorded, Vector, drawn, flipped, invalid, valid
from tests.vectors.topics.keys import root_text

DAY = 86_400
ISSUED, EXPIRES = NOW - DAY, NOW + 6 * DAY
BASE: wire.Inner = {
    "serial": 7,
    "issued_at": ISSUED,
    "expires_at": EXPIRES,
    "path": "/_link",
    "stream_path": "",
    "max_request_bytes": 1_048_576,
    "links": [LINK, "https://gw2.example.com"],
}


@dataclass(frozen=True)
class Key:
    """An entry of a directory, as it should be."""

    name: str
    not_before: int = ISSUED
    not_after: int = EXPIRES + DAY

    def serialized(self) -> bytes:
        key = KEYS[self.name]
        return wire.gateway_key(key.key_id, key.kem_id, key.public, self.not_before, self.not_after)


XWING_FIRST = (Key("xwing-a"), Key("x25519-a"))
X25519_ALONE = (Key("x25519-a"),)


def serialized(changes: wire.Inner, keys: Sequence[Key | bytes] = X25519_ALONE) -> bytes:
    entries = [key if isinstance(key, bytes) else key.serialized() for key in keys]
    return wire.key_directory(BASE | changes, entries)


def signed(directory: bytes, *roots: str) -> bytes:
    message = reference.directory_message(directory)
    return wire.signed_directory(
        directory, [(reference.root_id(ROOTS[r]), reference.root_signature(ROOTS[r], message)) for r in roots]
    )


def accepted(serial: int, directory: bytes, *roots: str) -> list[Vector]:
    digest = hashlib.sha256(directory).digest()
    ids = (reference.root_id(ROOTS[root]) for root in roots)
    return [{"root_id": root_id, "serial": serial, "directory_sha256": digest} for root_id in ids]


def _inputs(body: bytes, now: int, known: list[Vector], roots: Sequence[str] = ("root-a",)) -> Vector:
    pinned = [root_text(ROOTS[root]) for root in roots]
    return {"roots": pinned, "link": LINK, "now": now, "accepted": known, "signed": body}


def directory(_recorded: Recorded) -> list[Vector]:
    return [*_good(), *_wrong_times_and_places(), *_rolled_back(), *_unsigned(), *_malformed()]


def _accepts(
    name: str,
    reason: str,
    keys: Sequence[Key | bytes] = X25519_ALONE,
    *,
    changes: wire.Inner | None = None,
    now: int = NOW,
    known: list[Vector] | None = None,
    signers: Sequence[str] = ("root-a",),
    uses: tuple[str | None, str | None] = ("x25519-a", None),
) -> Vector:
    raw = serialized(changes or {}, keys)
    serial = (BASE | (changes or {}))["serial"]
    message = reference.directory_message(raw)
    key, pq_key = (KEYS[name].key_id if name else None for name in uses)
    return valid(
        name,
        reason,
        _inputs(signed(raw, *signers), now, known or []),
        {"key_id": key, "require_pq_key_id": pq_key, "accepted": accepted(serial, raw, "root-a")},
        {
            "directory": raw,
            "signed_message": message,
            "signature": reference.root_signature(ROOTS["root-a"], message),
        },
    )


def _good() -> list[Vector]:
    raw, both = serialized({}), ("xwing-a", "xwing-a")
    unknown_kem = wire.gateway_key(drawn("unknown", 8), 0x0099, b"later", ISSUED, EXPIRES)
    return [
        _accepts("first", "the first that this client sees", XWING_FIRST, uses=both),
        _accepts(
            "preference", "X25519 first, X-Wing second", XWING_FIRST[::-1], uses=("x25519-a", "xwing-a")
        ),
        _accepts("no-pq", "no X-Wing key"),
        _accepts("same-again", "an equal serial with the same bytes", known=accepted(7, raw, "root-a")),
        _accepts("newer", "a higher serial", known=accepted(6, drawn("older"), "root-a")),
        _accepts(
            "other-roots-serial", "another root's serial counts for nothing", known=accepted(9, raw, "root-b")
        ),
        _accepts("issued-in-24-h", "the client's clock is 24 h behind", now=ISSUED - DAY, uses=(None, None)),
        _accepts("last-second", "the last second", now=EXPIRES - 1),
        _accepts("30-days", "a life of 30 days", changes={"expires_at": ISSUED + 30 * DAY}),
        _accepts("streams", "streamed requests are offered", changes={"stream_path": "/_link/stream"}),
        _accepts("another-signer", "a second root signs, not pinned here", signers=("root-b", "root-a")),
        _accepts("unknown-kem", "a key of an unknown KEM is passed over", [unknown_kem, *X25519_ALONE]),
        _accepts(
            "dates-of-keys",
            "the preferred key is not to be used yet, the next no more",
            [
                Key("xwing-a", NOW + 1),
                Key("x25519-b", ISSUED, NOW),
                Key("x25519-a", NOW, NOW + 1),
                Key("xwing-b"),
            ],
            uses=("x25519-a", "xwing-b"),
        ),
        _accepts("no-key-now", "no key's dates hold", [Key("x25519-a", NOW + 1)], uses=(None, None)),
        _accepts("no-keys", "no key at all", [], uses=(None, None)),
    ]


def _refused(
    name: str, reason: str, body: bytes, now: int = NOW, known: list[Vector] | None = None
) -> Vector:
    return invalid(name, reason, _inputs(body, now, known or []), "directory")


def _wrong_times_and_places() -> list[Vector]:
    good = signed(serialized({}), "root-a")
    changed: Mapping[str, tuple[str, wire.Inner]] = {
        "another-link": ("of another link under the same root", {"links": ["https://other.example.com"]}),
        "no-links": ("of no link", {"links": []}),
        "link-with-slash": ("links are compared exactly: a slash", {"links": [LINK + "/"]}),
        "link-with-port": ("links are compared exactly: the default port", {"links": [LINK + ":443"]}),
        "link-of-http": ("links are compared exactly: another scheme", {"links": ["http://gw.example.com"]}),
        "link-upper-case": (
            "links are compared exactly: another case",
            {"links": ["https://GW.example.com"]},
        ),
        "link-prefix": ("links are compared exactly: a longer name", {"links": [LINK + ".evil.example"]}),
        "31-days": ("a life of 30 days and a second", {"expires_at": ISSUED + 30 * DAY + 1}),
        "expires-when-issued": ("no life", {"expires_at": ISSUED, "issued_at": ISSUED}),
        "expires-before-issued": (
            "it expires before it is issued",
            {"issued_at": NOW + 2, "expires_at": NOW + 1},
        ),
        "never-issued": ("no issued_at", {"issued_at": 0}),
        "never-expires": ("no expires_at", {"expires_at": 0}),
        "no-path": ("no path", {"path": ""}),
        "path-without-slash": ("a path without a slash", {"path": "_link"}),
        "path-of-two-slashes": ("a path that is another host", {"path": "//evil.example/_link"}),
        "path-absolute": ("a path that is a URL", {"path": "https://evil.example/_link"}),
        "stream-path-of-two-slashes": (
            "a stream path that is another host",
            {"stream_path": "//evil.example"},
        ),
    }
    return [
        _refused("expired", "the second in which it expires", good, EXPIRES),
        _refused("long-expired", "long expired", good, EXPIRES + 365 * DAY),
        _refused("issued-too-far-ahead", "issued in 24 h and a second", good, ISSUED - DAY - 1),
        *(
            _refused(name, reason, signed(serialized(changes), "root-a"))
            for name, (reason, changes) in changed.items()
        ),
    ]


def _rolled_back() -> list[Vector]:
    raw = serialized({})
    good, other = signed(raw, "root-a"), serialized({"max_request_bytes": 1})
    return [
        _refused("rolled-back", "a lower serial", good, known=accepted(8, drawn("newer"), "root-a")),
        _refused(
            "equal-serial", "an equal serial with other bytes", good, known=accepted(7, other, "root-a")
        ),
        _refused(
            "equal-serial-unknown-field",
            "an equal serial with an unknown field added: other bytes",
            signed(raw + wire.field(900, 1), "root-a"),
            known=accepted(7, raw, "root-a"),
        ),
        _refused(
            "serial-0",
            "no serial, after one",
            signed(serialized({"serial": 0}), "root-a"),
            known=accepted(7, raw, "root-a"),
        ),
    ]


def _unsigned() -> list[Vector]:
    raw, other = serialized({}), serialized({"serial": 8})
    a, b = (reference.root_id(ROOTS[name]) for name in ("root-a", "root-b"))
    message = reference.directory_message(raw)
    right = reference.root_signature(ROOTS["root-a"], message)
    bad = {
        "unsigned": ("no signature", []),
        "empty-signature": ("an empty signature", [(a, b"")]),
        "root-not-pinned": (
            "another root's signature",
            [(b, reference.root_signature(ROOTS["root-b"], message))],
        ),
        "signature-flipped": ("a bit of the signature flipped", [(a, flipped(right, 0))]),
        "signature-cut": ("63 bytes of signature", [(a, right[:-1])]),
        "signature-extended": ("65 bytes of signature", [(a, right + b"\0")]),
        "without-context": (
            "signed without the context string",
            [(a, reference.root_signature(ROOTS["root-a"], raw))],
        ),
        "of-another-directory": (
            "the signature of another directory",
            [(a, reference.root_signature(ROOTS["root-a"], reference.directory_message(other)))],
        ),
        "under-another-id": ("the right signature under another root's id", [(b, right)]),
        "by-another-root": (
            "another root's signature under this one's id",
            [(a, reference.root_signature(ROOTS["root-b"], message))],
        ),
    }
    return [
        _refused(name, reason, wire.signed_directory(raw, signatures))
        for name, (reason, signatures) in bad.items()
    ]


def _malformed() -> list[Vector]:
    raw, key, other = serialized({}), KEYS["x25519-a"], KEYS["x25519-b"]
    right = signed(raw, "root-a")
    entries = {
        "key-under-another-id": (
            "a key under another key's id",
            wire.gateway_key(other.key_id, key.kem_id, key.public, ISSUED, EXPIRES),
        ),
        "key-of-31": (
            "31 bytes of X25519 key",
            wire.gateway_key(key.key_id, key.kem_id, key.public[:-1], ISSUED, EXPIRES),
        ),
        "key-of-another-kem": (
            "an X25519 key under X-Wing's id",
            wire.gateway_key(key.key_id, reference.XWING, key.public, ISSUED, EXPIRES),
        ),
        "key-without-id": (
            "a key without an id",
            wire.gateway_key(b"", key.kem_id, key.public, ISSUED, EXPIRES),
        ),
    }
    bodies = {
        "empty": ("an empty body", b""),
        "cut": ("the last byte cut", right[:-1]),
        "not-signed-at-all": ("a KeyDirectory that is not wrapped", raw),
        "not-protobuf": ("signed, and no KeyDirectory", signed(b"not a directory", "root-a")),
        "nothing-signed": ("signed, and empty", signed(b"", "root-a")),
        "directory-cut": ("signed, and cut", signed(raw[:-1], "root-a")),
        "html": ("a captive portal's page", b"<!doctype html><title>Log in</title>"),
    }
    return [
        *(
            _refused(name, reason, signed(serialized({}, [entry]), "root-a"))
            for name, (reason, entry) in entries.items()
        ),
        *(_refused(name, reason, body) for name, (reason, body) in bodies.items()),
    ]
