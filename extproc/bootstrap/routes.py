"""The guarded route table: who may reach what, decided once.

Every virtual host has, in this order: the link's own routes, where the processor is on and which lead nowhere
by themselves (503); the business routes that cover its host, in the order of the file; 403 for the rest.
A sealed route matches only what the processor has marked as opened, so an envelope that nobody opened has
nowhere to go; anything else that it would match is refused right behind it. Host patterns nest, so the first
route of the file that matches counts, whatever its host, and for plain requests as for opened ones.
"""

from __future__ import annotations

import re
from typing import Final

from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from extproc.bootstrap.business import business_routes, reconnect
from extproc.bootstrap.filters import disabled, stream_mode, whole_mode
from extproc.bootstrap.hosts import EVERY_HOST, link_hosts
from extproc.bootstrap.names import EXT_PROC_FILTER
from extproc.bootstrap.refusals import refuse, refuse_ambiguous
from extproc.config.checks import covers
from extproc.config.settings import Settings

_UNAVAILABLE: Final = 503


def route_configuration(settings: Settings) -> route.RouteConfiguration:
    """The whole table. A port in :authority is ignored: a host is the same service on any port."""
    hosts = list(dict.fromkeys([*link_hosts(settings.link), *(rule.host for rule in settings.routes)]))
    virtual_hosts = [_virtual_host(settings, host) for host in hosts]
    if EVERY_HOST not in hosts:
        virtual_hosts.append(_vhost(EVERY_HOST, [_everything_else(settings)]))
    return route.RouteConfiguration(
        name="link", virtual_hosts=virtual_hosts, ignore_port_in_host_matching=True
    )


def _virtual_host(settings: Settings, host: str) -> route.VirtualHost:
    rules = [rule for rule in settings.routes if covers(rule.host, host)]
    business = [entry for rule in rules for entry in business_routes(settings, rule)]
    before = [*_link_routes(settings), *refuse_ambiguous(settings)]
    found = _vhost(host, [*before, *business, _everything_else(settings)])
    found.retry_policy = reconnect() if business else None
    return found


def _vhost(host: str, routes: list[route.Route]) -> route.VirtualHost:
    """The processor is off on every route that does not turn it on."""
    return route.VirtualHost(
        name="every_host" if host == EVERY_HOST else host,
        domains=[host],
        routes=routes,
        typed_per_filter_config={EXT_PROC_FILTER: disabled()},
    )


def _link_routes(settings: Settings) -> list[route.Route]:
    """The processor answers these or turns the request into another; what it leaves as it is goes nowhere.

    Nothing can be upgraded here: such a request is refused without the processor.
    """
    link = settings.link
    paths = matcher.RegexMatcher(regex=f"{re.escape(link.path)}(/keys|/health)?")
    no_upgrade = route.HeaderMatcher(name="upgrade", present_match=True, invert_match=True)
    return [
        route.Route(
            name="link",
            match=route.RouteMatch(safe_regex=paths, headers=[no_upgrade]),
            direct_response=route.DirectResponseAction(status=_UNAVAILABLE),
            typed_per_filter_config={EXT_PROC_FILTER: whole_mode()},
        ),
        route.Route(
            name="link_stream",
            match=route.RouteMatch(path=link.stream_path, headers=[no_upgrade]),
            direct_response=route.DirectResponseAction(status=_UNAVAILABLE),
            typed_per_filter_config={EXT_PROC_FILTER: stream_mode()},
        ),
        refuse(settings, "link_other", route.RouteMatch(path_separated_prefix=link.path)),
    ]


def _everything_else(settings: Settings) -> route.Route:
    return refuse(settings, "forbidden", route.RouteMatch(prefix="/"))
