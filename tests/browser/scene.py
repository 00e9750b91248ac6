"""The scene of the JavaScript SDK's tests: a real gateway, real upstreams, and pages of other origins.

    python -m tests.browser.scene [--plain] [--mode sealed|plain|inside] [--serve PREFIX=FOLDER] ...

It prints one line of JSON once everything listens, and stays until its standard input ends:

    gateway      the link's origin           roots        the root keys to pin
    page         an origin that the gateway allows         stranger    one that it does not
    shop         the inner origin of the demo's shop       upstream    and of tests/e2e/upstream.py
    ca           the authority, PEM          spki         its leaf's pin, for a browser's command line
    certificate, private_key                 of 127.0.0.1, PEM, for servers that the tests themselves run
    admin        Envoy's admin page          config       gateway.yaml        access_log   a line a request
    directories  by name, good ones and bad ones: files of signed key directories

The gateway takes plain requests for the shop, too, on its own origin. With --plain all is http, and the files
of TLS are null. With `--serve /sdk/=sdk/js/dist` both page servers serve that folder.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from extproc.config.keystore import load_keys
from extproc.config.rootkey import load_root
from extproc.demo.endpoints import Shop
from extproc.demo.shop import ShopServer
from extproc.demo.site import Site, policy
from extproc.link.directory import Directory, sign
from extproc.link.keys import RootPrivateKey
from tests.e2e.stack import Stack, configuration, free_port, running
from tests.e2e.upstream import Upstream

HOST: Final = "127.0.0.1"
SHOP: Final = "shop.example.com"
UPSTREAM: Final = "upstream.example.com"
_PAGES: Final = Path(__file__).parent / "pages"


class Tls:
    """An authority of its own, and a certificate for 127.0.0.1, as files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.certificate, self.private_key = (
            folder / f"{name}.pem" for name in ("ca", "cert", "key")
        )
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        issued = authority.issue_cert(HOST, "localhost")
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        self.private_key.touch(mode=0o600)
        issued.private_key_pem.write_to_path(self.private_key)

    @property
    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.private_key)
        return context

    @property
    def spki(self) -> str:
        """Base64 of the SHA-256 of the certificate's SubjectPublicKeyInfo."""
        key = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_key()
        info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(info).digest()).decode()


@contextmanager
def scene(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """All of it, until the block ends: what is printed."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="extproc-scene-")))
        tls = None if options.plain else Tls(folder)
        shop = stack.enter_context(ShopServer(Shop()).running())
        upstream = stack.enter_context(Upstream())
        page, stranger = (
            stack.enter_context(Site(_folders(options), tls.server if tls else None).running())
            for _ in range(2)
        )
        gateway = f"{'https' if tls else 'http'}://{HOST}:{free_port()}"
        # A page asks for the inner origins where its service worker takes the requests.
        page.policy = stranger.policy = policy(
            gateway, *options.link, f"https://{SHOP}", f"https://{UPSTREAM}"
        )
        config = _configuration(options, upstream, gateway=gateway, shop=shop.authority, page=page.origin)
        if tls:
            config["tls"] = {"certificate": str(tls.certificate), "private_key": str(tls.private_key)}
        running_now = stack.enter_context(running(folder, upstream, config))
        yield {
            "gateway": gateway,
            "roots": [running_now.root],
            "page": page.origin,
            "stranger": stranger.origin,
            "shop": f"https://{SHOP}",
            "upstream": f"https://{UPSTREAM}",
            "ca": tls and str(tls.ca),
            "spki": tls and tls.spki,
            "certificate": tls and str(tls.certificate),
            "private_key": tls and str(tls.private_key),
            "admin": running_now.admin,
            "config": str(folder / "gateway.yaml"),
            "access_log": str(folder / "access.log"),
            "directories": _directories(running_now),
        }


def _configuration(
    options: argparse.Namespace, upstream: Upstream, *, gateway: str, shop: str, page: str
) -> dict[str, Any]:
    main = {"endpoints": [f"{HOST}:{upstream.port}"]}
    others = [
        {"host": UPSTREAM, "upstream": "main"},
        {"host": HOST, "upstream": "shop", "access": "any"},
    ]
    return configuration(
        upstream,
        listen=gateway.rpartition("/")[2],
        link={"origins": [gateway, *options.link]},
        upstreams={"shop": {"endpoints": [shop], "health_check": "/healthz"}, "main": main},
        routes=[
            {"host": SHOP, "prefix": "/events", "upstream": "shop", "live": True},
            {"host": SHOP, "upstream": "shop"},
            *(others if options.mode != "plain" else []),  # which takes one host
        ],
        cors={"origins": [page], "credentials": True, "expose": ["x-request-id"]},
        cookies={"mode": options.mode},
        rate_limits=[],
        drain="1s",
        log={"level": "warning", "access": "access.log"},
    )


def _directories(stack: Stack) -> dict[str, str]:
    """What a gateway, or who stands in its place, may answer at /_link/keys: a file each."""
    root, other = load_root(stack.folder / "root.pem"), RootPrivateKey.generate()
    good, now = load_keys(stack.folder / "keys").decoded, int(time.time())
    past = replace(good, issued_at=now - 86_400, expires_at=now - 60)
    made: dict[str, tuple[Directory, list[RootPrivateKey]]] = {
        "good": (good, [root]),
        "newer": (replace(good, serial=good.serial + 1), [root]),
        "brief": (replace(good, serial=good.serial + 2, expires_at=now + 60), [root]),
        "rolled_back": (replace(good, serial=good.serial - 1), [root]),
        "unsigned": (good, []),
        "expired": (past, [root]),
        "other_root": (good, [other]),
        "other_link": (replace(good, links=("https://elsewhere.example.com",)), [root]),
    }
    files = {name: stack.folder / f"{name}.directory" for name in made}
    for name, (directory, roots) in made.items():
        files[name].write_bytes(sign(directory, *roots))
    return {name: str(file) for name, file in files.items()}


def _folders(options: argparse.Namespace) -> dict[str, Path]:
    served = {prefix: Path(folder) for prefix, _, folder in (text.partition("=") for text in options.serve)}
    return {**served, "/": _PAGES}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.scene", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--plain", action="store_true", help="http instead of https")
    parser.add_argument("--mode", choices=["sealed", "plain", "inside"], default="sealed", help="of cookies")
    parser.add_argument("--serve", action="append", default=[], metavar="PREFIX=FOLDER")
    parser.add_argument("--link", action="append", default=[], metavar="ORIGIN", help="another of the link's")
    with scene(parser.parse_args()) as facts:
        print(json.dumps(facts), flush=True)
        while os.read(sys.stdin.fileno(), 1024):
            pass


if __name__ == "__main__":
    main()
