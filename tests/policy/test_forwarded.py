"""Who sent the request, as the upstream is told.

Invariant: whatever the fields claim, the upstream sees the peer and nothing else about the way here.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from extproc.message import Headers
from extproc.policy.headers import to_upstream

PEER = "203.0.113.7"

FORGED = [
    ("Forwarded", b"for=10.0.0.1;host=admin.example.com"),
    ("X-Forwarded-For", b"127.0.0.1"),
    ("x-forwarded-for", b"10.0.0.1"),
    ("x-forwarded-host", b"admin.example.com"),
    ("x-forwarded-proto", b"https"),
    ("x-forwarded-port", b"443"),
    ("x-forwarded-prefix", b"/admin"),
    ("x-forwarded-client-cert", b"By=spiffe://admin"),
    ("x-original-forwarded-for", b"10.0.0.1"),
    ("x-real-ip", b"127.0.0.1"),
    ("x-client-ip", b"127.0.0.1"),
    ("true-client-ip", b"127.0.0.1"),
    ("cf-connecting-ip", b"127.0.0.1"),
    ("x-envoy-original-path", b"/admin"),
    ("x-envoy-external-address", b"127.0.0.1"),
    ("x-envoy-internal", b"true"),
    ("x-envoy-retry-on", b"5xx"),
]


def test_every_claim_goes_and_the_peer_stands_alone() -> None:
    headers = Headers([("accept", b"*/*"), *FORGED, ("x-forward-me", b"1")])
    assert to_upstream(headers, PEER, "https") == [
        ("accept", b"*/*"),
        ("x-forward-me", b"1"),
        ("x-forwarded-for", b"203.0.113.7"),
        ("x-forwarded-proto", b"https"),
    ]


def test_the_scheme_is_the_one_that_is_given() -> None:
    fields = to_upstream(Headers(FORGED), "2001:db8::7", "http")
    assert fields == [("x-forwarded-for", b"2001:db8::7"), ("x-forwarded-proto", b"http")]


NAMES = st.sampled_from([name for name, _ in FORGED]) | st.from_regex(
    r"(x-forwarded|x-envoy|x-app)-[a-z-]{1,9}", fullmatch=True
)


@given(st.lists(st.tuples(NAMES, st.binary())))
def test_nothing_but_the_peer_and_the_scheme_is_said_of_the_way_here(fields: list[tuple[str, bytes]]) -> None:
    *rest, peer, scheme = to_upstream(Headers(fields), PEER, "https")
    assert (peer, scheme) == (("x-forwarded-for", PEER.encode()), ("x-forwarded-proto", b"https"))
    assert rest == [pair for pair in fields if pair[0].startswith("x-app-")]
    again = Headers([*rest, peer, scheme])
    assert to_upstream(again, PEER, "https") == list(again)
