"""Inner requests to let through: what each changes in one that is good already (section 7)."""

from __future__ import annotations

from tests.vectors import wire
from tests.vectors.envelopes import HOST, POST
from tests.vectors.material import NOW_MS, drawn

Cases = dict[str, tuple[str, wire.Inner]]
BASE: wire.Inner = {
    "method": "POST",
    "scheme": "https",
    "authority": HOST,
    "path": "/orders",
    "headers": [("accept", b"*/*")],
    "body": b"12345",
    "sent_at_ms": NOW_MS,
    "exchange_id": drawn("exchange validation", 16),
}


def header(name: str, value: bytes) -> wire.Inner:
    return {"headers": [(name, value)]}


def lines() -> Cases:
    methods = (
        "GET",
        "HEAD",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "M-SEARCH",
        "!#$%&'*+-.^_`|~9",
        "M" * 32,
    )
    authorities = (
        "localhost",
        "shop.example.com:1",
        "shop.example.com:65535",
        "SHOP.example.com",
        "192.0.2.7:8080",
        "[::1]",
        "[2001:db8::7]:8443",
        "xn--hxajbheg2az3al.example",
        "99999",
        "a" * 255,
    )
    return (
        {f"method-{method}": ("a token", {"method": method}) for method in methods}
        | {f"authority-{name}": ("a host, or host:port", {"authority": name}) for name in authorities}
        | {"post": ("every field", POST), "scheme-http": ("the other scheme", {"scheme": "http"})}
    )


def headers() -> Cases:
    return {
        "no-headers": ("none", {"headers": []}),
        "value-empty": ("an empty value", header("x-a", b"")),
        "value-inner-space": ("spaces and tabs inside", header("x-a", b"a \t b")),
        "value-latin-1": ("bytes above 0x7F", header("x-a", b"\x80\xff")),
        "value-all-visible": ("every visible character", header("x-a", bytes(range(0x21, 0x7F)))),
        "name-all-tchar": ("every lower-case token character but _", header("!#$%&'*+-.^`|~09az", b"a")),
        "host-equal": ("host is the authority", header("host", HOST.encode())),
        "content-length-equal": ("content-length is the body's", header("content-length", b"5")),
        "content-length-0": ("of an empty body", {"body": b"", **header("content-length", b"0")}),
        "cookie-twice": ("cookie may be several", {"headers": [("cookie", b"a=1"), ("cookie", b"b=2")]}),
        "accept-twice": ("so may a list", {"headers": [("accept", b"a/b"), ("accept", b"c/d")]}),
        "x-link": ("not the link's own prefix", header("x-link", b"1")),
        "x-linked": ("not the link's own prefix", header("x-linked-to", b"1")),
        "proxy": ("not proxy-*", header("proxy", b"1")),
        "like-connection": ("not connection", header("connection-id", b"1")),
        "single-fields-once": (
            "each of those that may not occur twice, once",
            {"headers": [(name, b"a") for name in ("content-type", "authorization", "origin", "referer")]},
        ),
    }


def rest() -> Cases:
    tags = {f"{i:02}" + "t" * 62: "\U0001f600" * 64 for i in range(16)}
    return {
        "binding-of-32": ("a cookie binding", {"cookie_binding": drawn("binding 1")}),
        "binding-empty": ("no cookie binding", {"cookie_binding": b""}),
        "tags-at-bound": ("16 tags of 64 characters, counted as code points", {"client": {"tags": tags}}),
        "no-body": ("no body", {"body": b""}),
    }
