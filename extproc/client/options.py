"""What a transport is told, checked once."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

import httpx

from extproc import __version__
from extproc.client.world import World
from extproc.link import base64url
from extproc.link.keys import PublicKey, RootPublicKey
from extproc.link.padding import Padding
from extproc.link.pb import privatelink_pb2 as pb
from extproc.link.suites import Kem

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_MAX_TAGS: Final = 16
_MAX_TAG_LENGTH: Final = 64


class Options(TypedDict, total=False):
    """What both transports take beside the link's origin. Either `roots` or `keys` is needed.

    roots: the pinned root keys, `ed25519:<base64url>`; a directory signed by any of them is trusted.
    keys: gateway keys pinned instead, `x25519:<base64url>` or `xwing:<base64url>`, in order of preference;
        nothing is fetched.
    require_pq: use X-Wing keys only.
    directory: a SignedKeyDirectory shipped with the app, so that the first request needs no fetch.
    cache: a file to remember the directory, the rollback floor and the cookie binding in. Without one
        they last as long as the transport.
    path: the link's path at the gateway; the directory is fetched from `<path>/keys`.
    padding: "none" or "padme" (docs/protocol.md, section 12).
    app, install_id, tags: what the gateway's logs and risk rules may know of the app; at most 16 tags of
        at most 64 characters.
    insecure_http: allow an http link off loopback. The seal holds over plain http as well, but then everyone
        on the way sees what TLS hides (sizes, timing, the gateway's name), and no `Secure` cookie is sent.
    world: clocks, randomness and sleep, for tests.
    """

    roots: Sequence[str]
    keys: Sequence[str]
    require_pq: bool
    directory: bytes | None
    cache: str | os.PathLike[str] | None
    path: str
    padding: Padding
    app: str
    install_id: str
    tags: Mapping[str, str]
    insecure_http: bool
    world: World


@dataclass(frozen=True, slots=True)
class Config:
    """Options, parsed."""

    link: str  # the origin, as the directory's `links` has it
    loopback: bool
    roots: tuple[RootPublicKey, ...]
    pinned: tuple[PublicKey, ...]
    require_pq: bool
    shipped: bytes | None
    cache: Path | None
    path: str
    padding: Padding
    client: pb.ClientInfo


def configure(link: str, options: Options) -> Config:
    """Raises ValueError, saying what was expected."""
    origin = _origin(link)
    loopback = _is_loopback(origin.host)
    if origin.scheme == "http" and not loopback and not options.get("insecure_http", False):
        raise ValueError(f"{link} is plain http off loopback: use https, or allow it by insecure_http")
    cache = options.get("cache")
    roots, pinned = _trust(options)
    return Config(
        link=f"{origin.scheme}://{origin.netloc.decode('ascii')}",
        loopback=loopback,
        roots=roots,
        pinned=pinned,
        require_pq=options.get("require_pq", False),
        shipped=options.get("directory"),
        cache=None if cache is None else Path(cache).expanduser(),
        path=_path(options.get("path", "/_link")),
        padding=options.get("padding", "none"),
        client=_client_info(options),
    )


def _origin(link: str) -> httpx.URL:
    try:
        url = httpx.URL(link)
        host = url.host  # decoded as it is read
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"{link!r} is no URL: {error}") from error
    is_origin = host and not url.userinfo and url.raw_path == b"/" and not url.fragment
    if url.scheme not in {"http", "https"} or not is_origin:
        raise ValueError(f'expected a link such as "https://gw.example.com", not {link!r}')
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _path(path: str) -> str:
    if not _PATH.fullmatch(path):
        raise ValueError(f'expected a path such as "/_link", not {path!r}')
    return path


def _trust(options: Options) -> tuple[tuple[RootPublicKey, ...], tuple[PublicKey, ...]]:
    roots = tuple(RootPublicKey.from_text(text) for text in options.get("roots", ()))
    pinned = tuple(_gateway_key(text) for text in options.get("keys", ()))
    if bool(roots) == bool(pinned):
        raise ValueError("expected roots to trust, or gateway keys to pin instead of them")
    if pinned and options.get("directory") is not None:
        raise ValueError("a directory is of no use beside pinned gateway keys")
    if pinned and options.get("require_pq", False) and all(key.kem is not Kem.XWING for key in pinned):
        raise ValueError("require_pq, but no pinned gateway key is X-Wing")
    return roots, pinned


def _gateway_key(text: str) -> PublicKey:
    name, _, encoded = text.partition(":")
    try:
        return PublicKey(Kem[name.upper()], base64url.decode(encoded))
    except (KeyError, ValueError) as error:
        expected = "x25519:<base64url> or xwing:<base64url>"
        raise ValueError(f"expected a gateway key as {expected}, not {text[:24]!r}") from error


def _client_info(options: Options) -> pb.ClientInfo:
    tags = dict(options.get("tags", {}))
    if len(tags) > _MAX_TAGS or any(max(len(k), len(v)) > _MAX_TAG_LENGTH for k, v in tags.items()):
        raise ValueError(f"expected at most {_MAX_TAGS} tags of at most {_MAX_TAG_LENGTH} characters")
    return pb.ClientInfo(
        sdk=f"python/{__version__}",
        platform=sys.implementation.name,
        app=options.get("app", ""),
        install_id=options.get("install_id", ""),
        tags=tags,
    )
