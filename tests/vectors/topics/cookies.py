"""cookies: sealing a cookie, and giving it back to the right request only (section 13)."""

from __future__ import annotations

import base64
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors import reference, wire
from tests.vectors.material import COOKIE_KEYS, NOW, Recorded, Vector, drawn, flipped, invalid, valid

BINDING, OTHER_BINDING = drawn("binding 1"), drawn("binding 2")
SESSION: wire.Inner = {
    "name": "session",
    "value": b"s%3Aabc.def",
    "domain": "shop.example.com",
    "host_only": True,
    "path": "/",
    "secure": True,
    "expires_at": 0,
}
SHOP: wire.Inner = {"scheme": "https", "host": "shop.example.com", "path": "/orders/7"}


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Sealing:
    """A cookie on its way out, step by step."""

    def __init__(
        self, cookie: wire.Inner, *, key: str = "cookie-a", binding: bytes = BINDING, name: str | None = None
    ) -> None:
        raw = COOKIE_KEYS[key]
        self.cookie_key_id = reference.sha256(raw)[:4]
        self.salt = drawn(f"cookie salt {cookie['name']} {key}", 16)
        self.name_key = reference.cookie_name_key(raw)
        parts = (cookie["domain"], cookie["path"], cookie["name"])
        self.named = reference.lp(binding) + b"".join(reference.lp(part.encode()) for part in parts)
        self.name_hmac = hmac.digest(self.name_key, self.named, "sha256")
        self.outer_name = name or "__Secure-pl-" + base64url(self.name_hmac[:12])
        self.key, self.nonce = reference.cookie_keys(raw, self.salt, binding)
        self.plaintext = wire.sealed_cookie(cookie)
        self.sealed = AESGCM(self.key).encrypt(self.nonce, self.plaintext, self.outer_name.encode())
        self.raw = self.cookie_key_id + self.salt + self.sealed
        self.outer_value = base64url(self.raw)

    def intermediates(self) -> Vector:
        names = ("cookie_key_id", "name_key", "named", "name_hmac", "key", "nonce", "plaintext", "sealed")
        return {name: getattr(self, name) for name in names}


def cookies(_recorded: Recorded) -> list[Vector]:
    return [*_sealings(), *_openings(), *_not_for_this_request(), *_not_openable()]


def _sealings() -> list[Vector]:
    cases: dict[str, tuple[str, wire.Inner]] = {
        "session": ("a session cookie of one host", {}),
        "domain": (
            "of a domain, with an expiry",
            {"domain": "example.com", "host_only": False, "expires_at": NOW + 60},
        ),
        "path": ("the same name and domain, another path: another outer name", {"path": "/orders"}),
        "other-domain": (
            "the same name and path, another domain: another outer name",
            {"domain": "cart.example.com"},
        ),
        "empty-value": ("no value", {"value": b""}),
        "not-secure": ("not Secure", {"secure": False}),
        "bytes": ("a value that is not UTF-8", {"value": b"caf\xe9"}),
        "unicode-name": ("lengths are of bytes, not characters", {"name": "größe"}),
    }
    return [
        _sealed(f"seal-{name}", reason, SESSION | changes) for name, (reason, changes) in cases.items()
    ] + [
        _sealed("seal-other-binding", "another install: another outer name", SESSION, binding=OTHER_BINDING),
        _sealed("seal-other-key", "another key: another outer name", SESSION, key="cookie-b"),
    ]


def _sealed(
    name: str, reason: str, cookie: wire.Inner, *, key: str = "cookie-a", binding: bytes = BINDING
) -> Vector:
    made = Sealing(cookie, key=key, binding=binding)
    inputs = {"cookie_key": COOKIE_KEYS[key], "binding": binding, "salt": made.salt, "cookie": cookie}
    output = {"outer_name": made.outer_name, "outer_value": made.outer_value}
    return valid(name, reason, inputs, output, made.intermediates())


def _inputs(name: str, value: str, binding: bytes = BINDING, request: wire.Inner = SHOP) -> Vector:
    return {
        "cookie_keys": list(COOKIE_KEYS.values()),
        "binding": binding,
        "outer_name": name,
        "outer_value": value,
        "now": NOW,
        "request": request,
    }


def _openings() -> list[Vector]:
    expiring = {"expires_at": NOW + 1}
    of_domain = {"domain": "example.com", "host_only": False}
    cases: dict[str, tuple[str, wire.Inner, str, wire.Inner]] = {
        "session": ("a session cookie", {}, "cookie-a", {}),
        "older-key": ("sealed with the key before this one", {}, "cookie-b", {}),
        "not-yet-expired": ("its last second", expiring, "cookie-a", {}),
        "same-host": ("its own host", {}, "cookie-a", {"path": "/"}),
        "subdomain": ("a host below its domain", of_domain, "cookie-a", {}),
        "path-itself": ("its own path", {"path": "/orders"}, "cookie-a", {"path": "/orders"}),
        "path-below": ("a path below its own", {"path": "/orders"}, "cookie-a", {}),
        "path-with-slash": ("a path that ends with a slash", {"path": "/orders/"}, "cookie-a", {}),
        "http": ("not Secure, and http", {"secure": False}, "cookie-a", {"scheme": "http"}),
    }
    vectors = []
    for name, (reason, changes, key, request) in cases.items():
        made = Sealing(SESSION | changes, key=key)
        inputs = _inputs(made.outer_name, made.outer_value, request=SHOP | request)
        output = {"cookie": SESSION | changes}
        vectors.append(valid(f"open-{name}", reason, inputs, output, made.intermediates()))
    return vectors


def _not_for_this_request() -> list[Vector]:
    of_domain = {"domain": "example.com", "host_only": False}
    cases: dict[str, tuple[str, wire.Inner, wire.Inner]] = {
        "expired": ("it has expired", {"expires_at": NOW - 1}, {}),
        "other-host": ("another host", {}, {"host": "cart.example.com"}),
        "host-below": ("a host below the one that alone may have it", {}, {"host": "a.shop.example.com"}),
        "host-above": ("the host above", {}, {"host": "example.com"}),
        "domain-suffix": ("a host that only ends like its domain", of_domain, {"host": "badexample.com"}),
        "domain-of-address": (
            "an address below a domain",
            {"domain": "0.0.1", "host_only": False},
            {"host": "127.0.0.1"},
        ),
        "other-path": ("another path", {"path": "/cart"}, {}),
        "path-prefix": ("a path that only begins like its own", {"path": "/ord"}, {}),
        "path-above": ("the path above", {"path": "/orders/7/items"}, {}),
        "http": ("Secure, and http", {}, {"scheme": "http"}),
    }
    vectors = []
    for name, (reason, changes, request) in cases.items():
        made = Sealing(SESSION | changes)
        inputs = _inputs(made.outer_name, made.outer_value, request=SHOP | request)
        vectors.append(invalid(f"drop-{name}", reason, inputs, "dropped", made.intermediates()))
    return vectors


def _not_openable() -> list[Vector]:
    made, other = Sealing(SESSION), Sealing(SESSION | {"name": "theme"})
    name, value, raw = made.outer_name, made.outer_value, made.raw
    plain = Sealing(SESSION, name="session")
    bare = Sealing(SESSION, binding=b"")
    cases = {
        "another-binding": ("copied to another install", name, value, OTHER_BINDING),
        "no-binding": ("the request has no binding", name, value, b""),
        "sealed-without-binding": (
            "sealed without a binding, asked without one",
            bare.outer_name,
            bare.outer_value,
            b"",
        ),
        "another-name": ("under another cookie's outer name", other.outer_name, value, BINDING),
        "another-value": ("with another cookie's value", name, other.outer_value, BINDING),
        "name-lower-case": ("the name is compared exactly", name.lower(), value, BINDING),
        "no-prefix": ("under a name that is not sealed", "session", plain.outer_value, BINDING),
        "unknown-key": ("sealed with a key that is not held", name, base64url(flipped(raw, 0)), BINDING),
        "other-key-id": (
            "sealed with one key, under another's id",
            name,
            base64url(reference.sha256(COOKIE_KEYS["cookie-b"])[:4] + raw[4:]),
            BINDING,
        ),
        "salt-flipped": ("a bit of the salt flipped", name, base64url(flipped(raw, 4)), BINDING),
        "sealed-flipped": ("a bit of the ciphertext flipped", name, base64url(flipped(raw, 20)), BINDING),
        "tag-flipped": ("a bit of the tag flipped", name, base64url(flipped(raw, -1)), BINDING),
        "cut": ("the last byte cut", name, base64url(raw[:-1]), BINDING),
        "extended": ("a byte added", name, base64url(raw + b"\0"), BINDING),
        "empty": ("no value", name, "", BINDING),
        "key-id-alone": ("a key id and no more", name, base64url(raw[:4]), BINDING),
        "salt-cut": ("a salt of 15 bytes", name, base64url(raw[:19]), BINDING),
        "no-ciphertext": ("a key id and a salt", name, base64url(raw[:20]), BINDING),
        "padding": ("base64url with padding", name, value + "=" * (-len(value) % 4 or 4), BINDING),
        "standard-alphabet": (
            "base64, not base64url",
            name,
            value.replace("-", "+").replace("_", "/"),
            BINDING,
        ),
        "not-base64url": ("a character of no base64", name, value[:-1] + "!", BINDING),
        "quoted": ("in quotes", name, f'"{value}"', BINDING),
    }
    return [
        invalid(f"drop-{case}", reason, _inputs(outer_name, outer_value, binding), "dropped")
        for case, (reason, outer_name, outer_value, binding) in cases.items()
    ]
