"""From gateway.yaml and keys to what an exchange needs.

Invariant: every setting that an exchange must hold to arrives there, and in the order of the file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from extproc.config import keymaker
from extproc.config.assembly import gateway, streams_per_worker
from extproc.config.keystore import KeyStore, Layout, load_keys
from extproc.config.load import load
from extproc.config.rotation import Terms
from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.exchange.gateway import Gateway, Paths
from extproc.link.keys import RootPrivateKey
from extproc.message import Request

NOW = 1_800_000_000.0
FILE = """\
listen: 127.0.0.1:8443
link:
  origins: ["https://gw.example.com"]
  path: /x/link
  max_request: 1KiB
  max_response: 2KiB
  whole_limit: 1KiB
  padding: padme
  allow_encoded_slash: true
upstreams:
  shop: { endpoints: ["shop:8080"] }
cors:
  origins: ["https://*.example.com"]
  headers: [X-Trace]
  expose: [x-total]
  credentials: true
  max_age: 10m
cookies: { mode: sealed, same_site: Strict }
routes:
  - { host: shop.example.com, prefix: /admin, upstream: shop, origins: ["https://admin.example.com"] }
  - { host: "*.example.com", upstream: shop }
"""


def read(folder: Path, text: str = FILE) -> tuple[Settings, KeyStore]:
    (folder / "gateway.yaml").write_text(text)
    settings = load(folder / "gateway.yaml")
    keys = settings.path(settings.link.keys)
    if not keys.exists():
        keymaker.init(keys, Terms.of(settings), NOW, roots=[RootPrivateKey.generate()])
    return settings, load_keys(keys, NOW)


def assembled(folder: Path) -> Gateway:
    return gateway(*read(folder))


def test_everything_arrives(tmp_path: Path) -> None:
    _, keys = read(tmp_path)
    made = assembled(tmp_path)
    assert made.paths == Paths(
        whole="/x/link", stream="/x/link/stream", keys="/x/link/keys", health="/x/link/health"
    )
    assert (made.max_request, made.max_response, made.whole_limit) == (1024, 2048, 1024)
    assert made.padding == "padme"
    assert (made.rules.link_path, made.rules.allow_encoded_slash) == ("/x/link", True)
    assert made.cors.headers == ("x-trace",)
    assert made.cors.expose == ("x-total",)
    assert (made.cors.credentials, made.cors.max_age_s) == (True, 600)
    assert (made.cookies.mode, made.cookies.same_site, made.cookies.link_path) == (
        "sealed",
        "Strict",
        "/x/link",
    )
    assert [key.raw for key in made.cookies.keys] == [key.raw for key in keys.cookies]
    assert made.directory == keys.directory
    assert made.directory_serial == keys.decoded.serial
    assert made.directory_expires_at == keys.decoded.expires_at
    assert made.keyring.can_open(int(NOW))


def test_what_is_answered_whole_is_never_more_than_what_is_collected(tmp_path: Path) -> None:
    """Where only `max_response` is written, and is small."""
    assert gateway(*read(tmp_path, FILE.replace("  whole_limit: 1KiB\n", ""))).whole_limit == 2048


@pytest.mark.parametrize(
    ("streams", "workers", "share"), [(1024, 2, 512), (1024, 3, 342), (1, 64, 1), (5, 5, 1), (6, 5, 2)]
)
def test_the_workers_share_the_streams(tmp_path: Path, streams: int, workers: int, share: int) -> None:
    text = FILE.replace("  padding: padme\n", f"  max_streams: {streams}\n") + f"workers: {workers}\n"
    settings, _ = read(tmp_path, text)
    assert streams_per_worker(settings) == share


@pytest.mark.parametrize(
    ("host", "path", "origin", "permitted"),
    [
        ("shop.example.com", "/admin/x", "https://admin.example.com", True),
        ("shop.example.com", "/admin/x", "https://shop.example.com", False),
        ("shop.example.com", "/orders", "https://shop.example.com", True),
        ("other.example.com", "/admin/x", "https://shop.example.com", True),
    ],
)
def test_a_route_narrows_the_origins(
    tmp_path: Path, host: str, path: str, origin: str, permitted: bool
) -> None:
    request = Request("GET", "https", host, path)
    assert assembled(tmp_path).permits(request, origin) is permitted


def test_sealed_cookies_need_a_cookie_key(tmp_path: Path) -> None:
    settings, keys = read(tmp_path)
    Layout(settings.path(settings.link.keys)).cookie_key(keys.cookies[0].id).unlink()
    with pytest.raises(UserError, match="sealed needs a cookie key; make one: extproc keys rotate cookie"):
        gateway(*read(tmp_path))
    inside = FILE.replace("{ mode: sealed, same_site: Strict }", "{ mode: inside }")
    assert gateway(*read(tmp_path, inside)).cookies.keys == ()
