"""whole, requests: what a gateway opens, and what it does not (section 6)."""

from __future__ import annotations

from dataclasses import replace

from tests.vectors import envelopes, reference, wire
from tests.vectors.envelopes import ENDS_WITH_ZERO, GET, HELD, POST, Request
from tests.vectors.material import KEYS, NOW, Recorded, Vector, drawn, flipped, invalid, nonce, valid
from tests.vectors.reference import STREAMED

Invalid = dict[str, tuple[str, bytes]]


def requests(recorded: Recorded) -> list[Vector]:
    return [*_good(recorded), *_wrong(recorded)]


def _inputs(body: bytes, now: int = NOW) -> Vector:
    return {"direction": "request", "held": HELD, "now": now, "body": body}


def _good(recorded: Recorded) -> list[Vector]:
    get, post = Request(recorded), Request(recorded, plaintext=wire.inner_request(POST))
    unknown = wire.field(900, b"later") + wire.field(901, 1)
    cases = {
        "get": ("the least that a request can be", get, GET),
        "post": ("every field", replace(post, nonce=nonce("request 2")), POST),
        "post-xwing": ("every field, X-Wing", replace(post, secret="xwing-a 1"), POST),
        "another-secret": ("another secret to the same key", replace(get, secret="x25519-a 2"), GET),
        "zero-nonce": ("a nonce of zeros", replace(get, nonce=bytes(16)), GET),
        "nonce-ends-with-zero": ("a nonce whose last byte is zero", replace(get, nonce=ENDS_WITH_ZERO), GET),
        "padded": ("padded as padme has it", replace(get, plaintext=envelopes.padded(get.plaintext)), GET),
        "padding-not-zero": (
            "padding is ignored",
            replace(get, plaintext=get.plaintext + wire.field(15, b"x")),
            GET,
        ),
        "unknown-inner-fields": (
            "unknown fields are ignored",
            replace(get, plaintext=get.plaintext + unknown),
            GET,
        ),
        "empty-plaintext": ("it opens; what it lacks is a bad-request", replace(get, plaintext=b""), {}),
    }
    vectors = [
        valid(f"request-{name}", reason, _inputs(made.body), {"inner": inner}, made.intermediates())
        for name, (reason, made, inner) in cases.items()
    ]
    bodies = {
        "unknown-outer-fields": ("unknown fields are ignored", get.body + unknown, NOW),
        "fields-out-of-order": (
            "Protocol Buffers has no order of fields",
            wire.field(4, get.ciphertext) + wire.field(3, get.nonce) + _head(get),
            NOW,
        ),
        "field-twice": ("the last one counts", wire.field(4, b"first") + get.body, NOW),
        "last-second": ("the key opens until its grace period ends", get.body, NOW + 86_399),
    }
    return vectors + [
        valid(f"request-{name}", reason, _inputs(body, now), {"inner": GET}, get.intermediates())
        for name, (reason, body, now) in bodies.items()
    ]


def _head(request: Request) -> bytes:
    return wire.field(2, request.encapsulation) + wire.field(1, request.key_id)


def _wrong(recorded: Recorded) -> list[Vector]:
    get = Request(recorded)
    closed = invalid(
        "request-key-closed",
        "the grace period has ended",
        _inputs(get.body, NOW + 86_400),
        "unknown-key",
    )
    unknown = {
        "key-not-held": replace(get, secret="xwing-b").body,
        "key-id-flipped": wire.sealed_request(
            flipped(get.key_id, 7), get.encapsulation, get.nonce, get.ciphertext
        ),
    }
    bad = _misread(get) | _tampered(get, recorded) | _misformed(get)
    return [
        closed,
        *(
            invalid(f"request-{name}", "no such key", _inputs(body), "unknown-key")
            for name, body in unknown.items()
        ),
        *(
            invalid(f"request-{name}", reason, _inputs(body), "bad-envelope")
            for name, (reason, body) in bad.items()
        ),
    ]


def _misread(get: Request) -> Invalid:
    """Sealed by a client that misread the page, and consistent in itself."""
    link_key, response_nonce = get.link_key, nonce("response 1")
    response_keys = reference.response_keys(link_key, get.form, get.nonce, response_nonce)
    streamed = replace(get, form=STREAMED)
    return {
        "nonce-of-15": ("sealed with a nonce of 15 bytes", replace(get, nonce=get.nonce[:15]).body),
        "nonce-of-17": ("sealed with a nonce of 17 bytes", replace(get, nonce=get.nonce + b"\0").body),
        "nonce-of-12": ("sealed with a nonce of 12 bytes", replace(get, nonce=get.nonce[:12]).body),
        "no-nonce": ("sealed with an empty nonce", replace(get, nonce=b"").body),
        "streamed-keys": ("sealed under the streamed form's keys", streamed.body),
        "form-0": ("sealed under keys of no form", replace(get, form=0).body),
        "not-final": ("sealed with the aad of a segment that is not final", replace(get, aad=b"").body),
        "other-aad": ("sealed with another aad", replace(get, aad=b"whole").body),
        "segment-1": ("sealed as segment 1", replace(get, index=1).body),
        "response-keys": ("sealed under a response's keys", _with(get, ciphertext=_seal(response_keys, get))),
        "link-key-itself": (
            "sealed under the link key itself",
            _with(get, ciphertext=_seal(reference.MessageKeys(b"", link_key, bytes(12)), get)),
        ),
        "streamed-segment-0": ("a streamed request's head, re-framed", replace(streamed, aad=b"").body),
        "streamed-body": (
            "the streamed form on the whole form's path",
            envelopes.stream(_with(get, ciphertext=b""), streamed.keys, get.plaintext),
        ),
        "not-protobuf": (
            "the plaintext is no InnerRequest",
            replace(get, plaintext=b"GET / HTTP/1.1\r\n\r\n").body,
        ),
        "not-utf-8": ("a method that is not UTF-8", replace(get, plaintext=wire.field(1, b"\xff")).body),
        "inner-cut": ("the InnerRequest ends too early", replace(get, plaintext=get.plaintext[:-1]).body),
    }


def _tampered(get: Request, recorded: Recorded) -> Invalid:
    """Sealed rightly, then changed on the way."""
    zero, c = replace(get, nonce=ENDS_WITH_ZERO), get.ciphertext
    return {
        "nonce-zero-added": ("a zero byte added to the nonce", _with(zero, nonce=ENDS_WITH_ZERO + b"\0")),
        "nonce-zero-cut": ("the nonce's last byte, a zero, cut", _with(zero, nonce=ENDS_WITH_ZERO[:-1])),
        "nonce-flipped": ("a bit of the nonce flipped", _with(get, nonce=flipped(get.nonce, 0))),
        "nonce-removed": ("no nonce", _with(get, nonce=b"")),
        "ciphertext-flipped": ("a bit of the ciphertext flipped", _with(get, ciphertext=flipped(c, 0))),
        "tag-flipped": ("a bit of the tag flipped", _with(get, ciphertext=flipped(c, -1))),
        "tag-cut": ("the tag's last byte cut", _with(get, ciphertext=c[:-1])),
        "ciphertext-extended": ("a zero byte added to the ciphertext", _with(get, ciphertext=c + b"\0")),
        "ciphertext-of-15": ("shorter than a tag", _with(get, ciphertext=c[:15])),
        "ciphertext-removed": ("no ciphertext", _with(get, ciphertext=b"")),
        "other-secret": ("another encapsulation", _with(get, encapsulation=recorded["x25519-a 2"])),
        "encapsulation-flipped": (
            "a bit of the encapsulation flipped",
            _with(get, encapsulation=flipped(get.encapsulation, 40)),
        ),
        "encapsulation-cut": ("79 bytes of encapsulation", _with(get, encapsulation=get.encapsulation[:-1])),
        "encapsulation-of-xwing": (
            "an X-Wing encapsulation",
            _with(get, encapsulation=recorded["xwing-a 1"]),
        ),
        "encapsulation-removed": ("no encapsulation", _with(get, encapsulation=b"")),
        "other-key-id": ("the id of another held key", _with(get, key_id=KEYS["x25519-b"].key_id)),
        "xwing-key-id": ("the id of a held X-Wing key", _with(get, key_id=KEYS["xwing-a"].key_id)),
        "key-id-of-7": ("7 bytes of key id", _with(get, key_id=get.key_id[:7])),
        "key-id-of-9": ("9 bytes of key id", _with(get, key_id=get.key_id + b"\0")),
        "key-id-removed": ("no key id", _with(get, key_id=b"")),
    }


def _misformed(get: Request) -> Invalid:
    """No SealedRequest."""
    return {
        "empty": ("an empty body", b""),
        "cut": ("the last byte cut", get.body[:-1]),
        "extended": ("a byte added", get.body + b"\0"),
        "text": ("not Protocol Buffers", b'{"key_id": ""}'),
        "random": ("random bytes", drawn("random body", 200)),
        "wire-type": ("a key id that is a number", wire.field(1, 7) + get.body[10:]),
        "length-of-2-63": ("a field that claims 2^63 bytes", b"\x0a" + wire.varint(2**63) + get.body[2:]),
        "varint-too-long": ("a length of eleven bytes", b"\x0a" + b"\xff" * 10 + b"\x01" + get.body[2:]),
        "group": ("a group that does not end", b"\x2b" + get.body),
        "wrapped": ("a SealedRequest inside a field", wire.field(1, get.body)),
        "response": ("a SealedResponse", wire.sealed_response(get.nonce, get.ciphertext)),
        "in-the-clear": ("an InnerRequest in the clear", get.plaintext),
    }


def _with(request: Request, **changes: bytes) -> bytes:
    parts = {name: getattr(request, name) for name in ("key_id", "encapsulation", "nonce", "ciphertext")}
    return wire.sealed_request(**parts | changes)


def _seal(keys: reference.MessageKeys, request: Request) -> bytes:
    return envelopes.seal(keys, request.plaintext)
