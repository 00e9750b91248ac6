"""freshness, origins and errors: sections 8 and 9."""

from __future__ import annotations

from dataclasses import replace

from tests.vectors import wire
from tests.vectors.envelopes import GET, HELD, Request, Response
from tests.vectors.material import NOW, NOW_MS, Recorded, Vector, drawn, invalid, nonce, valid

SEEN_MS = NOW_MS + 1000


def freshness(recorded: Recorded) -> list[Vector]:
    return [*_clocks(), *_settled(), *_replays(recorded)]


def _clocks() -> list[Vector]:
    offsets = {
        "now": (0, True),
        "120-s-ago": (-120_000, True),
        "120-s-and-1-ms-ago": (-120_001, False),
        "in-30-s": (30_000, True),
        "in-30-s-and-1-ms": (30_001, False),
        "a-day-ago": (-86_400_000, False),
        "in-a-day": (86_400_000, False),
        "never": (-NOW_MS, False),
        "in-seconds": (NOW - NOW_MS, False),
        "in-microseconds": (NOW_MS * 999, False),
    }
    vectors = []
    for name, (offset, fresh) in offsets.items():
        inputs = {"rule": "clock", "sent_at_ms": NOW_MS + offset, "now_ms": NOW_MS}
        if fresh:
            vectors.append(valid(f"clock-{name}", "within the bounds", inputs, {}))
        else:
            vectors.append(invalid(f"clock-{name}", "beyond the bounds", inputs, "clock-skew"))
    return vectors


def _settled() -> list[Vector]:
    def inputs(sent_after_ms: int, key_created_at: int, created: int = NOW_MS + 250) -> Vector:
        return {
            "rule": "new-store",
            "sent_at_ms": created + sent_after_ms,
            "store_created_at_ms": created,
            "key_created_at": key_created_at,
        }

    return [
        valid("store-30-s-old", "sent 30 s after the store began empty", inputs(30_000, NOW - 60), {}),
        valid("store-made-with-the-key", "no older store can have seen it", inputs(0, NOW, NOW_MS), {}),
        valid("store-older-than-the-key", "no older store can have seen it", inputs(29_999, NOW + 2), {}),
        invalid("store-too-new", "sent 29.999 s after", inputs(29_999, NOW - 60), "unavailable"),
        invalid("store-just-made", "sent when it was made", inputs(0, NOW), "unavailable"),
        invalid("store-made-later", "sent before it was made", inputs(-120_000, NOW - 60), "unavailable"),
        invalid("store-and-a-key-of-no-date", "nothing is known of the key", inputs(0, 0), "unavailable"),
    ]


def _replays(recorded: Recorded) -> list[Vector]:
    first = Request(recorded)
    other_id = wire.inner_request(GET | {"exchange_id": drawn("exchange other", 16)})
    other_path = wire.inner_request(GET | {"path": "/other", "sent_at_ms": NOW_MS + 900})
    again = nonce("request again")
    seen = {
        "same-bytes": ("the same envelope", first),
        "other-nonce": ("the same exchange_id under another nonce", replace(first, nonce=again)),
        "other-secret": ("under another secret", replace(first, secret="x25519-a 2", nonce=again)),
        "other-key": ("under another key", replace(first, secret="x25519-b", nonce=again)),
        "other-kem": ("under a key of another KEM", replace(first, secret="xwing-a 1", nonce=again)),
        "other-request": ("with another request in it", replace(first, plaintext=other_path, nonce=again)),
    }

    def inputs(second: Request, now_ms: int = SEEN_MS) -> Vector:
        return {
            "rule": "replay",
            "held": HELD,
            "seen": {"body": first.body, "now_ms": NOW_MS},
            "body": second.body,
            "now_ms": now_ms,
        }

    fresh = replace(first, plaintext=other_id, nonce=again)
    late = wire.inner_request(GET | {"sent_at_ms": NOW_MS + 299_000})
    return [
        valid("replay-other-exchange", "another exchange_id under the same secret", inputs(fresh), {}),
        *(
            invalid(f"replay-{name}", reason, inputs(second), "replayed")
            for name, (reason, second) in seen.items()
        ),
        invalid(
            "replay-after-299-s",
            "the store remembers for 300 s, and the clock does not lead past it",
            inputs(replace(first, plaintext=late, nonce=again), NOW_MS + 299_000),
            "replayed",
        ),
    ]


def origins(_recorded: Recorded) -> list[Vector]:
    app, other, foreign = "https://app.example.com", "https://admin.example.com", "https://evil.example"
    cases = {
        "none": ("no origin: not a browser", None, None, None),
        "outer": ("the page's origin, outside", app, None, None),
        "inner": ("the page's origin, inside", None, app, None),
        "both": ("the same inside and outside", app, app, None),
        "apart": ("inner and outer origin differ, both allowed", app, other, "not-permitted"),
        "inner-foreign": ("the inner origin is allowed nowhere", None, foreign, "not-permitted"),
        "inner-null": ("null is never allowed", None, "null", "not-permitted"),
        "outer-foreign": ("the outer origin is allowed nowhere", foreign, None, "origin"),
        "outer-foreign-inner-allowed": ("the outer origin is allowed nowhere", foreign, app, "origin"),
        "outer-null": ("null is never allowed", "null", None, "origin"),
        "outer-upper-case": ("origins are compared exactly", "https://APP.example.com", None, "origin"),
        "outer-slash": ("origins are compared exactly", app + "/", None, "origin"),
        "outer-port": ("origins are compared exactly", app + ":8443", None, "origin"),
        "outer-http": ("origins are compared exactly", "http://app.example.com", None, "origin"),
        "outer-suffix": ("origins are compared exactly", app + ".evil.example", None, "origin"),
        "outer-empty": ("an empty origin", "", None, "origin"),
    }
    vectors = []
    for name, (reason, outer, inner, error) in cases.items():
        inputs = {"allowed": [app, other], "outer_origin": outer, "inner_origin": inner}
        vectors.append(invalid(name, reason, inputs, error) if error else valid(name, reason, inputs, {}))
    return vectors


PROBLEMS = {
    "unknown-key": 400,
    "bad-envelope": 400,
    "too-large": 413,
    "media-type": 415,
    "method": 405,
    "origin": 403,
}
FAULTS = {
    "clock-skew": 400,
    "replayed": 409,
    "bad-request": 400,
    "not-permitted": 403,
    "response-too-large": 502,
    "unavailable": 503,
}


def errors(recorded: Recorded) -> list[Vector]:
    link_key = recorded.link_key("x25519-a 1")
    problems = [
        valid(
            f"problem-{name}",
            "before a request has opened: its type and no more",
            {"error": name},
            {
                "kind": "problem",
                "outer_status": status,
                "content_type": "application/problem+json",
                "body": f'{{"type":"urn:privatelink:problem:{name}"}}',
            },
        )
        for name, status in PROBLEMS.items()
    ]
    return problems + [_fault(link_key, name, status) for name, status in FAULTS.items()]


def _fault(link_key: bytes, name: str, status: int) -> Vector:
    inner: wire.Inner = {
        "status": status,
        "fault": name,
        "gateway_time_ms": NOW_MS + 5,
        "directory_serial": 3,
    }
    made = Response(link_key, wire.inner_response(inner), nonce=nonce(f"fault {name}"))
    return valid(
        f"fault-{name}",
        "after it has opened: sealed",
        {
            "error": name,
            "link_key": link_key,
            "request_nonce": made.request_nonce,
            "response_nonce": made.nonce,
            "gateway_time_ms": NOW_MS + 5,
            "directory_serial": 3,
        },
        {
            "kind": "fault",
            "outer_status": 200,
            "content_type": "application/privatelink",
            "body": made.body,
            "inner": inner,
        },
        made.intermediates(),
    )
