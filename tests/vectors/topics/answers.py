"""answers: what a client takes for the answer to a sealed request (sections 9 and 10)."""

from __future__ import annotations

from dataclasses import replace

from tests.vectors.envelopes import OK, Response
from tests.vectors.material import Recorded, Vector, invalid, valid


def answers(recorded: Recorded) -> list[Vector]:
    """`problem` names what an answer outside the seal claims, if that is known."""
    ok = Response(recorded.link_key("x25519-a 1"))
    sealed_type, problem_type = "application/privatelink", "application/problem+json"
    known = b'{"type":"urn:privatelink:problem:unknown-key"}'
    good = {
        "sealed": ("a sealed answer", sealed_type),
        "sealed-parameter": ("with a parameter", f"{sealed_type}; charset=binary"),
    }
    bad: dict[str, tuple[str, int, str | None, bytes, str | None]] = {
        "problem": ("a problem of the link", 400, problem_type, known, "unknown-key"),
        "problem-with-more": (
            "members beside the type are ignored",
            400,
            problem_type,
            known[:-1] + b',"a":1}',
            "unknown-key",
        ),
        "problem-unknown": (
            "a type that is none of the link's",
            400,
            problem_type,
            b'{"type":"about:blank"}',
            None,
        ),
        "problem-fault": (
            "a fault outside the seal",
            409,
            problem_type,
            known.replace(b"unknown-key", b"replayed"),
            None,
        ),
        "problem-no-type": ("no type", 400, problem_type, b"{}", None),
        "problem-not-json": ("no JSON", 400, problem_type, b"<html>", None),
        "envoy": ("Envoy's own answer", 503, "text/plain", b"upstream connect error", None),
        "html": ("a captive portal", 200, "text/html", b"<!doctype html>", None),
        "redirect": ("a redirect, not to be followed", 307, sealed_type, ok.body, None),
        "no-content": ("no content", 204, None, b"", None),
        "sealed-under-500": ("sealed, with an outer status that is not 200", 500, sealed_type, ok.body, None),
        "other-type": ("sealed, under another media type", 200, "text/plain", ok.body, None),
        "no-type": ("sealed, under none", 200, None, ok.body, None),
        "other-form": (
            "sealed whole, under the other form's media type",
            200,
            f"{sealed_type}-stream",
            ok.body,
            None,
        ),
        "does-not-open": (
            "sealed to another request",
            200,
            sealed_type,
            replace(ok, request_nonce=bytes(16)).body,
            None,
        ),
        "in-the-clear": ("an InnerResponse in the clear", 200, sealed_type, ok.plaintext, None),
        "empty": ("nothing", 200, sealed_type, b"", None),
    }

    def inputs(status: int, content_type: str | None, body: bytes) -> Vector:
        return {
            "link_key": ok.link_key,
            "request_nonce": ok.request_nonce,
            "outer_status": status,
            "content_type": content_type,
            "body": body,
        }

    vectors = [
        valid(name, reason, inputs(200, content_type, ok.body), {"inner": OK})
        for name, (reason, content_type) in good.items()
    ]
    for name, (reason, status, content_type, body, problem) in bad.items():
        vector = invalid(name, reason, inputs(status, content_type, body), "outcome-unknown")
        vectors.append({**vector, "output": {**vector["output"], "problem": problem}})
    return vectors
