"""One route of gateway.yaml as Envoy's: for opened requests, then for plain ones, let through or refused."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.route import v3 as route
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts import v3 as previous_hosts
from envoy_data_plane.google.protobuf import Any, Struct

from extproc.bootstrap.names import STRIP_FILTER, upstream_cluster
from extproc.bootstrap.refusals import refuse_plain
from extproc.config.settings import Route, Settings
from extproc.exchange.crossing import OPENED_MARK
from extproc.policy.forwarded import CLAIMS, FAMILIES


def business_routes(settings: Settings, rule: Route) -> list[route.Route]:
    """`rule` where its host is."""
    plain = _plain(settings, rule) if rule.access == "any" else refuse_plain(settings, rule)
    return [_opened(settings, rule), plain]


def _opened(settings: Settings, rule: Route) -> route.Route:
    mark = route.HeaderMatcher(name=OPENED_MARK, present_match=True)
    return route.Route(
        name=f"{rule.host}{rule.prefix}",
        match=route.RouteMatch(prefix=rule.prefix, headers=[mark]),
        route=_action(settings, rule),
        request_headers_to_remove=[OPENED_MARK],
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
        request_headers_to_remove=sorted(CLAIMS),
        metadata=_families(),
    )


def _families() -> core.Metadata:
    """For the script at the door, which removes headers by the start of their names: a route can't.

    In an opened request the processor sees to them. x-forwarded-proto is Envoy's own word.
    """
    names = {"families": list(FAMILIES), "except": ["x-forwarded-proto"]}
    return core.Metadata(filter_metadata={STRIP_FILTER: Struct.from_dict(names)})


def _action(settings: Settings, rule: Route) -> route.RouteAction:
    """No limit on how long request and answer take; on how long both are silent, unless it is `live`."""
    idle = settings.upstreams[rule.upstream].idle_timeout if rule.idle_timeout is None else rule.idle_timeout
    return route.RouteAction(
        cluster=upstream_cluster(rule.upstream),
        timeout=timedelta(0),
        max_stream_duration=route.RouteActionMaxStreamDuration(max_stream_duration=timedelta(0)),
        idle_timeout=timedelta(0) if rule.live else idle,
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
        host_selection_retry_max_attempts=16,  # choices are random: each may be the same endpoint again
    )
