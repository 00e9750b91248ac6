"""cookies: a sealed cookie comes back to the requests that it is for, of the install that it was set for."""

from __future__ import annotations

import pytest

from extproc.link.cookies import Cookie, CookieKey, open_cookie, seal
from extproc.message import Headers
from extproc.policy.cookies import CookieContext, CookiePolicy, incoming
from tests.link.vectors import Vector, identify, load, params, raw

SEALINGS = [vector for vector in load("cookies") if "salt" in vector["inputs"]]
OPENINGS = [vector for vector in load("cookies") if "cookie" in vector["output"]]


@pytest.mark.parametrize("vector", SEALINGS, ids=identify)
def test_sealed(vector: Vector) -> None:
    inputs, output = vector["inputs"], vector["output"]
    key, binding = CookieKey(raw(inputs["cookie_key"])), raw(inputs["binding"])
    name, value = seal(key, binding, cookie_of(inputs["cookie"]), salt=raw(inputs["salt"]))
    assert (name, value) == (output["outer_name"], output["outer_value"])
    assert open_cookie([key], binding, name, value) == cookie_of(inputs["cookie"])


@pytest.mark.parametrize("vector", OPENINGS, ids=identify)
def test_opened(vector: Vector) -> None:
    cookie = cookie_of(vector["output"]["cookie"])
    inputs = vector["inputs"]
    keys = [CookieKey(raw(key)) for key in inputs["cookie_keys"]]
    name, value = inputs["outer_name"], inputs["outer_value"]
    assert open_cookie(keys, raw(inputs["binding"]), name, value) == cookie
    assert joined(vector) == cookie.name.encode() + b"=" + cookie.value


@pytest.mark.parametrize("vector", params("cookies", "invalid"))
def test_dropped(vector: Vector) -> None:
    assert joined(vector) is None


def joined(vector: Vector) -> bytes | None:
    """The `cookie` field of the inner request that the outer cookie has joined."""
    inputs, request = vector["inputs"], vector["inputs"]["request"]
    keys = tuple(CookieKey(raw(key)) for key in inputs["cookie_keys"])
    policy = CookiePolicy(mode="sealed", keys=keys, link_path="/_link")
    context = CookieContext(
        **request,
        outer_host="gw.example.com",
        binding=raw(inputs["binding"]),
        browser=True,
        now=inputs["now"],
    )
    outer = Headers([("cookie", f"{inputs['outer_name']}={inputs['outer_value']}".encode())])
    return incoming(policy, context, outer=outer, inner=Headers()).get("cookie")


def cookie_of(fields: Vector) -> Cookie:
    return Cookie(**fields | {"value": raw(fields["value"])})
