"""What must hold between several values of `gateway.yaml`.

Each function returns its problems: where, below the value at hand, and a sentence. `None` stands for a value
that is itself wrong: it has been reported, and nothing is said of what depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from extproc.config.fields import Address, Loc, is_loopback
from extproc.policy.cors import matcher

if TYPE_CHECKING:
    from extproc.config.settings import Cookies, Cors, Link, Processor, RateLimit, Route, Upstream

Found = list[tuple[Loc, str]]


def repeated(values: Sequence[str]) -> Found:
    return [
        ((place,), f'"{value}" is listed twice')
        for place, value in enumerate(values)
        if value in values[:place]
    ]


def admin(address: Address, listen: Address | None) -> None:
    """Envoy's admin page can stop Envoy and shows its memory: raises ValueError for one that others reach."""
    if not address.is_loopback:
        raise ValueError('expected a loopback address such as "127.0.0.1:9901" (the page has no password)')
    if address == listen and address.port:
        raise ValueError("expected another address than listen")


def whole_limit(limit: int, max_response: int | None) -> None:
    """What is answered whole is collected first: raises ValueError for more than may be."""
    if max_response is not None and limit > max_response:
        raise ValueError(f"expected at most max_response ({max_response} bytes)")


def stream_buffer(size: int) -> None:
    """Raises ValueError for less than a segment holds, and for more than bounds anything."""
    if not 2**16 <= size <= 2**24:
        raise ValueError('expected a size from "64KiB" to "16MiB"')


def replay(link: Link, workers: int | None) -> Found:
    if link.replay == "memory" and workers is not None and workers > 1:
        text = f'expected lmdb, or "workers: 1": {workers} workers do not share their memory'
        return [(("replay",), text)]
    return []


def processor(processor: Processor) -> Found:
    found: Found = [
        (("cores", place), f'expected the number of a core, from 0, not "{core}"')
        for place, core in enumerate(processor.cores)
        if core < 0
    ]
    if processor.listen == "unix":
        unused = [name for name in ("dial", "tls") if getattr(processor, name) is not None]
        nothing = 'expected nothing, since only a TCP "listen" has a {}'
        return [*found, *(((name,), nothing.format(name)) for name in unused)]
    if processor.listen.port == 0:
        found.append((("listen",), f'expected a port, not "{processor.listen}": Envoy has to know it'))
    if processor.listen.is_wildcard and processor.dial is None:
        text = f'expected the host by which Envoy reaches workers that listen on "{processor.listen}"'
        found.append((("dial",), text))
    hosts = [processor.listen.host, processor.dial or processor.listen.host]
    if processor.tls is not None and processor.is_wire:
        found.append((("transport",), "expected auto or grpcio, since only grpcio has TLS"))
    if processor.tls is None and not processor.plain_tcp and not all(map(is_loopback, hosts)):
        text = "expected a loopback address, tls, or plain_tcp: true (inner requests cross this hop)"
        found.append((("listen",), text))
    return found


def ports(processor: Processor, workers: int | None) -> Found:
    if processor.listen == "unix" or workers is None or processor.listen.port + workers - 1 <= 65535:
        return []
    return [(("listen",), f"expected a lower port, since {workers} workers take as many in a row")]


def upstream(upstream: Upstream) -> Found:
    default = type(upstream).model_fields
    alone = [name for name in ("sni", "ca") if getattr(upstream, name) != default[name].default]
    if alone and not upstream.tls:
        return [((name,), 'expected "tls: true" beside it') for name in alone]
    return [
        (("endpoints", place), f'expected a port from 1 to 65535, not "{endpoint}"')
        for place, endpoint in enumerate(upstream.endpoints)
        if endpoint.port == 0
    ]


def route(route: Route) -> Found:
    if route.websocket and route.access == "sealed":
        return [(("websocket",), 'expected "access: any" beside it, since a WebSocket can not be sealed')]
    if route.live and route.idle_timeout is not None:
        return [(("idle_timeout",), 'expected nothing, since "live: true" means none')]
    return []


def cookies(cookies: Cookies) -> Found:
    if cookies.mode == "sealed" and cookies.secure is False:
        return [(("secure",), "expected true, since sealed cookies are always Secure")]
    if cookies.same_site == "None" and cookies.secure is False:
        return [
            (("secure",), 'expected true, since browsers drop "SameSite=None" cookies that are not Secure')
        ]
    return []


def shared_jar(cookies: Cookies, routes: Sequence[Route] | None) -> Found:
    """In `plain` mode every inner host's cookies become the link's own, and so go to all of the hosts."""
    hosts = {route.host for route in routes or ()}
    if cookies.mode != "plain" or not (len(hosts) > 1 or any("*" in host for host in hosts)):
        return []
    text = "plain mixes the cookies of all hosts; expected sealed, inside, or routes of one host"
    return [(("mode",), text)]


def routes(
    routes: Sequence[Route], upstreams: Mapping[str, Upstream] | None, link: Link | None, cors: Cors | None
) -> Found:
    found: Found = []
    for place, own in enumerate(routes):
        of_route = [
            *([] if upstreams is None else _upstream_known(own, upstreams)),
            *([] if link is None else _outside_link(own, link)),
            *([] if cors is None else _within_cors(own, cors)),
            *_reachable(own, routes[:place]),
        ]
        found += [((place, *loc), text) for loc, text in of_route]
    return found


def _upstream_known(route: Route, upstreams: Mapping[str, Upstream]) -> Found:
    if route.upstream in upstreams:
        return []
    names = " or ".join(upstreams) or "a name under upstreams (there is none)"
    return [(("upstream",), f'expected {names}, not "{route.upstream}"')]


def _outside_link(route: Route, link: Link) -> Found:
    if route.prefix == link.path or route.prefix.startswith(link.path + "/"):
        text = f'expected a path outside "{link.path}", which is the link\'s own, not "{route.prefix}"'
        return [(("prefix",), text)]
    return []


def _within_cors(route: Route, cors: Cors) -> Found:
    """An origin that the CORS policy refuses never gets as far as the route; patterns can't be compared."""
    allowed = matcher(cors.origins)
    return [
        (("origins", place), f'expected an origin that cors.origins allows, not "{origin}"')
        for place, origin in enumerate(route.origins or ())
        if not origin.startswith("regex:") and "*" not in origin and not allowed(origin)
    ]


def _reachable(route: Route, earlier: Sequence[Route]) -> Found:
    """The first route that matches counts, for plain requests too: a `sealed` one refuses them."""
    for place, other in enumerate(earlier):
        same = (other.host, other.prefix) == (route.host, route.prefix)
        if covers(other.host, route.host) and route.prefix.startswith(other.prefix):
            says = "the same host and prefix" if same else f'"{other.prefix}", and stands before it'
            return [(("prefix",), f"is never reached, since routes.{place} has {says}")]
    return []


def covers(pattern: str, host: str) -> bool:
    """Whether every host that `host` (a pattern too) stands for is one of `pattern`'s."""
    return pattern in {host, "*"} or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _overlap(one: str, other: str) -> bool:
    return covers(one, other) or covers(other, one)


def rate_limits(limits: Sequence[RateLimit], routes: Sequence[Route] | None) -> Found:
    if routes is None:
        return []
    return [
        ((place, "match", "host"), f'expected the host of a route, not "{limit.match.host}"')
        for place, limit in enumerate(limits)
        if limit.match.host is not None
        and not any(_overlap(limit.match.host, route.host) for route in routes)
    ]
