"""Two jars: the transport's for the link's own cookies, the client's for the upstream's.

Invariant: a sealed cookie goes back to the link it came from and nowhere else; a cookie of the caller's goes
inside the seal and nowhere else.
"""

from __future__ import annotations

import httpx
import pytest

from extproc.client import LinkTransport
from extproc.link import cookies
from extproc.link.pb import privatelink_pb2 as pb
from tests.client.conftest import Opening
from tests.client.gateway import LINK, SHOP, Clock, Gateway

SESSION = cookies.Cookie("sid", b"s3cret", "shop.example.com", True, "/", True, 0)


def sealed_line(gateway: Gateway, binding: bytes) -> str:
    name, value = cookies.seal(gateway.cookie_key, binding, SESSION, salt=bytes(16))
    return f"{name}={value}; Path=/_link; Secure; HttpOnly; SameSite=Lax"


def came_back(gateway: Gateway) -> list[cookies.Cookie | None]:
    """The cookies of the last outer request, opened with the binding that was sealed with it."""
    line = gateway.posts[-1].headers.get("cookie", "")
    pairs = [pair.partition("=") for pair in line.split("; ") if pair]
    binding = gateway.ran[-1].cookie_binding
    return [cookies.open_cookie([gateway.cookie_key], binding, name, value) for name, _, value in pairs]


def test_a_sealed_cookie_comes_back_under_the_same_binding(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    call("GET", SHOP)
    gateway.set_cookies = [sealed_line(gateway, gateway.ran[0].cookie_binding), "plain=1; Path=/"]
    response = call("GET", SHOP)
    assert "set-cookie" not in response.headers, "an outer cookie is none of the client's"
    gateway.set_cookies = []
    call("GET", "https://other.example.com/")
    assert came_back(gateway) == [SESSION, None]
    call("GET", SHOP)
    assert came_back(gateway) == [SESSION, None]
    assert gateway.fetches[0].headers.get("cookie") is None


def test_a_deletion_is_heeded(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    call("GET", SHOP)
    line = sealed_line(gateway, gateway.ran[0].cookie_binding)
    for lines in ([line], [f"{line}; Max-Age=0"], []):
        gateway.set_cookies = lines
        call("GET", SHOP)
    assert came_back(gateway) == []


def test_only_an_authentic_answer_sets_cookies(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    planted = httpx.Response(503, headers={"set-cookie": "a=b; Path=/"})
    gateway.script.append(lambda _: planted)
    with pytest.raises(httpx.TransportError):
        call("GET", SHOP)
    call("GET", SHOP)
    assert came_back(gateway) == []


@pytest.mark.parametrize(
    ("link", "comes_back"),
    [
        ("https://gw.example.com", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080", True),
        ("http://gw.example.com", False),
    ],
)
def test_secure_over_plain_http(connect: Opening, gateway: Gateway, link: str, comes_back: bool) -> None:
    """`Secure` means a channel that nobody listens on: TLS, or a machine's own loopback."""
    gateway.directories.append(lambda _: gateway.keys_answer(gateway.signed(links=(link,))))
    call = connect(link, insecure_http=True)
    call("GET", SHOP)
    gateway.set_cookies = [sealed_line(gateway, gateway.ran[0].cookie_binding)]
    call("GET", SHOP)
    call("GET", SHOP)
    assert came_back(gateway) == ([SESSION] if comes_back else [])


def test_inner_cookies_are_the_clients(connect: Opening, gateway: Gateway) -> None:
    lines = (b"a=1; Path=/; HttpOnly", b"b=2; Path=/orders; Secure")
    headers = [pb.Header(name="set-cookie", value=line) for line in lines]
    gateway.upstream = lambda _: pb.InnerResponse(status=200, headers=headers)
    call = connect()
    response = call("GET", SHOP)
    assert dict(response.cookies) == {"a": "1", "b": "2"}
    call("GET", f"{SHOP}/orders/7")
    call("GET", f"{SHOP}/cart")
    call("GET", "https://other.example.com/")
    sent = [
        [header.value for header in inner.headers if header.name == "cookie"] for inner in gateway.ran[1:]
    ]
    assert sent == [[b"b=2; a=1"], [b"a=1"], []]
    assert all("cookie" not in outer.headers for outer in gateway.posts)


def names_sent(gateway: Gateway) -> list[str]:
    line = gateway.posts[-1].headers.get("cookie", "")
    return [pair.partition("=")[0] for pair in line.split("; ") if pair]


def test_the_outer_jar_has_a_bound(connect: Opening, gateway: Gateway) -> None:
    """Who adds lines to an authentic answer can push cookies out, as he could delete them; no more."""
    call = connect()
    for lines in ([f"c{n}=1; Path=/" for n in range(60)], ["c10=2; Path=/", "new=1; Path=/"], []):
        gateway.set_cookies = lines
        call("GET", SHOP)
    assert set(names_sent(gateway)) == {"c10", "new", *(f"c{n}" for n in range(12, 60))}
    assert "c10=2" in gateway.posts[-1].headers["cookie"]


def test_the_outer_jar_stays_small_enough_to_be_sent(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    gateway.set_cookies = [f"c{n}={'x' * 4000}; Path=/" for n in range(20)]
    call("GET", SHOP)
    gateway.set_cookies = []
    call("GET", SHOP)
    assert names_sent(gateway) == [f"c{n}" for n in range(12, 20)]


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("a=" + "x" * 4094, True),
        ("a=" + "x" * 4095 + "; Path=/", False),
        ("a=1; Comment=" + "x" * 1024, False),
        ("a=\u00e9", False),
    ],
    ids=["4096 bytes", "4097 bytes", "long attributes", "not ASCII"],
)
def test_an_outer_cookie_that_could_not_be_sent_back(
    connect: Opening, gateway: Gateway, line: str, is_kept: bool
) -> None:
    call = connect()
    gateway.set_cookies = [line, "b=2; Path=/"]
    call("GET", SHOP)
    gateway.set_cookies = []
    assert call("GET", SHOP).status_code == 200
    assert set(names_sent(gateway)) == ({"a", "b"} if is_kept else {"b"})


def test_a_cookie_that_was_deleted_makes_room(connect: Opening, gateway: Gateway) -> None:
    call = connect()
    first = [f"c{n}=1; Path=/" for n in range(50)]
    for lines in (first, ["c7=; Path=/; Max-Age=0"], ["new=1; Path=/"], []):
        gateway.set_cookies = lines
        call("GET", SHOP)
    assert set(names_sent(gateway)) == {"new", *(f"c{n}" for n in range(50) if n != 7)}


def test_the_outer_jar_can_be_emptied(gateway: Gateway, clock: Clock) -> None:
    wire = httpx.MockTransport(gateway.handle)
    transport = LinkTransport(LINK, roots=[str(gateway.root.public)], transport=wire, world=clock.world)
    gateway.set_cookies = ["a=1; Path=/"]
    client = httpx.Client(transport=transport)
    client.get(SHOP)
    assert dict(transport.cookies) == {"a": "1"}
    transport.cookies.clear()
    client.get(SHOP)
    assert "cookie" not in gateway.posts[1].headers


def test_each_transport_has_a_binding_of_its_own(connect: Opening, gateway: Gateway) -> None:
    one, other = connect(), connect()
    for call in (one, other, one):
        call("GET", SHOP)
    first, second, third = (inner.cookie_binding for inner in gateway.ran)
    assert first == third != second
