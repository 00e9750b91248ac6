"""`gateway.yaml` and the keys on disk, put together as what an exchange needs."""

from __future__ import annotations

import math
from typing import Final

from extproc.config.keystore import KeyStore
from extproc.config.settings import Route, Settings
from extproc.errors import UserError
from extproc.exchange.gateway import Gateway, Paths, RoutePolicy
from extproc.link.keyring import Keyring
from extproc.link.validation import ValidationRules
from extproc.policy.cookies import CookiePolicy
from extproc.policy.cors import CorsPolicy, matcher

_BESIDE_BODY: Final = 2**20  # bytes of a message: headers, attributes
_LEAST_MESSAGE: Final = 16 * 2**20


def gateway(settings: Settings, keys: KeyStore) -> Gateway:
    """Raises UserError when the keys do not suffice for the settings."""
    link = settings.link
    return Gateway(
        paths=paths(settings),
        keyring=Keyring(keys.held()),
        directory=keys.directory,
        directory_serial=keys.decoded.serial,
        directory_expires_at=keys.decoded.expires_at,
        cors=_cors(settings),
        cookies=_cookies(settings, keys),
        rules=ValidationRules(link_path=link.path, allow_encoded_slash=link.allow_encoded_slash),
        routes=tuple(_route(route) for route in settings.routes),
        max_request=link.max_request,
        max_response=link.max_response,
        whole_limit=min(link.whole_limit, link.max_response),  # the default may be over a small max_response
        padding=link.padding,
    )


def largest_message(settings: Settings) -> int:
    """Bytes of the largest message that Envoy may send to a worker.

    A piece of a streamed body can be a little larger than the buffer that it comes from.
    """
    link = settings.link
    return max(_LEAST_MESSAGE, link.max_request, link.max_response, 2 * link.stream_buffer) + _BESIDE_BODY


def paths(settings: Settings) -> Paths:
    """The link's own paths (section 10)."""
    link = settings.link
    return Paths(
        whole=link.path, stream=link.stream_path, keys=f"{link.path}/keys", health=f"{link.path}/health"
    )


def streams_per_worker(settings: Settings) -> int:
    """Each worker's share of `link.max_streams`, rounded up."""
    return math.ceil(settings.link.max_streams / settings.workers)


def _cors(settings: Settings) -> CorsPolicy:
    cors = settings.cors
    return CorsPolicy(
        origins=cors.origins,
        headers=cors.headers,
        expose=cors.expose,
        credentials=cors.credentials,
        max_age_s=int(cors.max_age.total_seconds()),
    )


def _cookies(settings: Settings, keys: KeyStore) -> CookiePolicy:
    cookies = settings.cookies
    if cookies.mode == "sealed" and not keys.cookies:
        raise UserError("cookies.mode: sealed needs a cookie key; make one: extproc keys rotate cookie")
    return CookiePolicy(
        mode=cookies.mode,
        link_path=settings.link.path,
        keys=keys.cookies,
        same_site=cookies.same_site,
        secure=cookies.secure,
    )


def _route(route: Route) -> RoutePolicy:
    allows = None if route.origins is None else matcher(route.origins)
    return RoutePolicy(host=route.host.lower(), prefix=route.prefix, allows=allows)
