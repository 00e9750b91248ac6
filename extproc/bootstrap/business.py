"""One route of gateway.yaml as Envoy's: for opened requests, and with `access: any` for plain ones too."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts import v3 as previous_hosts
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap.names import OPENED, upstream_cluster
from extproc.config.settings import Route, Settings

# What a plain request says of who sent it: the client's own claims (Envoy sees to its own headers and to
# x-forwarded-proto), and what Envoy adds. In an opened request the processor sees to all of them.
_CLAIMS: Final = [
    "forwarded",
    "x-real-ip",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-envoy-external-address",
]


def business_routes(settings: Settings, rule: Route) -> list[route.Route]:
    """`rule` where its host is."""
    routes = [_opened(settings, rule)]
    if rule.access == "any":
        routes.append(_plain(settings, rule))
    return routes


def _opened(settings: Settings, rule: Route) -> route.Route:
    mark = route.HeaderMatcher(name=OPENED, present_match=True)
    return route.Route(
        name=f"{rule.host}{rule.prefix}",
        match=route.RouteMatch(prefix=rule.prefix, headers=[mark]),
        route=_action(settings, rule),
        request_headers_to_remove=[OPENED],
    )


def _plain(settings: Settings, rule: Route) -> route.Route:
    peer = core.HeaderValue(key="x-forwarded-for", value="%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
    action = _action(settings, rule)
    if rule.websocket:
        action.upgrade_configs = [route.RouteActionUpgradeConfig(upgrade_type="websocket")]
    return route.Route(
        name=f"{rule.host}{rule.prefix} plain",
        match=route.RouteMatch(prefix=rule.prefix),
        route=action,
        request_headers_to_add=[
            core.HeaderValueOption(
                header=peer,
                append_action=core.HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
            )
        ],
        request_headers_to_remove=_CLAIMS,
    )


def _action(settings: Settings, rule: Route) -> route.RouteAction:
    """No limit on how long an answer takes, only on how long it is silent."""
    upstream = settings.upstreams[rule.upstream]
    return route.RouteAction(
        cluster=upstream_cluster(rule.upstream),
        timeout=timedelta(0),
        idle_timeout=upstream.idle_timeout if rule.idle_timeout is None else rule.idle_timeout,
    )


def reconnect() -> route.RetryPolicy:
    """Another endpoint when a connection can't be made: nothing has been sent, so nothing can run twice."""
    predicate = route.RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=Any.pack(previous_hosts.PreviousHostsPredicate()),
    )
    return route.RetryPolicy(
        retry_on="connect-failure,refused-stream",
        num_retries=1,
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=3,
    )
