"""whole, responses: what a client opens, and what it does not (section 6)."""

from __future__ import annotations

from dataclasses import replace

from tests.vectors import envelopes, wire
from tests.vectors.envelopes import ENDS_WITH_ZERO, OK, Request, Response
from tests.vectors.material import NOW, Recorded, Vector, flipped, invalid, nonce, valid
from tests.vectors.reference import STREAMED


def responses(recorded: Recorded) -> list[Vector]:
    return [*_good(recorded), *_wrong(recorded)]


def _inputs(response: Response, body: bytes | None = None) -> Vector:
    return {
        "direction": "response",
        "link_key": response.link_key,
        "request_nonce": response.request_nonce,
        "body": response.body if body is None else body,
    }


def _good(recorded: Recorded) -> list[Vector]:
    ok = Response(recorded.link_key("x25519-a 1"))
    empty: wire.Inner = {"status": 204}
    fault: wire.Inner = {"status": 503, "fault": "unavailable", "gateway_time_ms": NOW * 1000}
    unknown = wire.field(900, b"later")
    cases = {
        "ok": ("every field but fault", ok, OK),
        "xwing": (
            "a secret sealed to an X-Wing key",
            replace(ok, link_key=recorded.link_key("xwing-a 1")),
            OK,
        ),
        "no-content": ("a status alone", replace(ok, plaintext=wire.inner_response(empty)), empty),
        "fault": ("the gateway's own refusal", replace(ok, plaintext=wire.inner_response(fault)), fault),
        "zero-nonce": ("a nonce of zeros", replace(ok, nonce=bytes(16)), OK),
        "padded": ("padded as padme has it", replace(ok, plaintext=envelopes.padded(ok.plaintext)), OK),
        "unknown-inner-fields": (
            "unknown fields are ignored",
            replace(ok, plaintext=ok.plaintext + unknown),
            OK,
        ),
    }
    return [
        valid(f"response-{name}", reason, _inputs(made), {"inner": inner}, made.intermediates())
        for name, (reason, made, inner) in cases.items()
    ] + [
        valid(
            "response-unknown-outer-fields",
            "unknown fields are ignored",
            _inputs(ok, ok.body + unknown),
            {"inner": OK},
            ok.intermediates(),
        )
    ]


def _wrong(recorded: Recorded) -> list[Vector]:
    ok = Response(recorded.link_key("x25519-a 1"))
    request = Request(recorded)
    zero, c = replace(ok, nonce=ENDS_WITH_ZERO), ok.ciphertext
    sealed = wire.sealed_response
    bad: dict[str, tuple[str, bytes]] = {
        "other-request": (
            "the answer to another request",
            replace(ok, request_nonce=nonce("request 2")).body,
        ),
        "other-secret": ("under another secret", replace(ok, link_key=recorded.link_key("x25519-a 2")).body),
        "streamed-keys": ("sealed under the streamed form's keys", replace(ok, form=STREAMED).body),
        "streamed-segment-0": (
            "a streamed response's head, re-framed",
            replace(ok, form=STREAMED, aad=b"").body,
        ),
        "streamed-body": (
            "the streamed form under the whole form's media type",
            envelopes.stream(sealed(ok.nonce, b""), replace(ok, form=STREAMED).keys, ok.plaintext),
        ),
        "not-final": ("sealed with the aad of a segment that is not final", replace(ok, aad=b"").body),
        "segment-1": ("sealed as segment 1", replace(ok, index=1).body),
        "request-keys": (
            "sealed under the request's keys",
            sealed(ok.nonce, envelopes.seal(request.keys, ok.plaintext)),
        ),
        "request-reflected": (
            "the request's own nonce and ciphertext",
            sealed(request.nonce, request.ciphertext),
        ),
        "request": ("the request itself", request.body),
        "nonces-swapped": (
            "sealed with the two nonces swapped",
            sealed(ok.nonce, replace(ok, nonce=ok.request_nonce, request_nonce=ok.nonce).ciphertext),
        ),
        "nonce-of-15": ("sealed with a nonce of 15 bytes", replace(ok, nonce=ok.nonce[:15]).body),
        "nonce-of-17": ("sealed with a nonce of 17 bytes", replace(ok, nonce=ok.nonce + b"\0").body),
        "no-nonce": ("sealed with an empty nonce", replace(ok, nonce=b"").body),
        "nonce-zero-added": (
            "a zero byte added to the nonce",
            sealed(ENDS_WITH_ZERO + b"\0", zero.ciphertext),
        ),
        "nonce-zero-cut": (
            "the nonce's last byte, a zero, cut",
            sealed(ENDS_WITH_ZERO[:-1], zero.ciphertext),
        ),
        "nonce-flipped": ("a bit of the nonce flipped", sealed(flipped(ok.nonce, 15), c)),
        "ciphertext-flipped": ("a bit of the ciphertext flipped", sealed(ok.nonce, flipped(c, 0))),
        "tag-flipped": ("a bit of the tag flipped", sealed(ok.nonce, flipped(c, -1))),
        "tag-cut": ("the tag's last byte cut", sealed(ok.nonce, c[:-1])),
        "ciphertext-removed": ("no ciphertext", sealed(ok.nonce, b"")),
        "empty": ("an empty body", b""),
        "cut": ("the last byte cut", ok.body[:-1]),
        "extended": ("a byte added", ok.body + b"\0"),
        "in-the-clear": ("an InnerResponse in the clear", ok.plaintext),
        "not-protobuf": ("the plaintext is no InnerResponse", replace(ok, plaintext=b"HTTP/1.1 200 OK").body),
    }
    return [
        invalid(f"response-{name}", reason, _inputs(ok, body), "bad-envelope")
        for name, (reason, body) in bad.items()
    ]
