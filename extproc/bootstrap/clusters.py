"""The upstreams, each a cluster: health-checked, with outlier detection, circuit breakers and time-outs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http
from envoy_data_plane.envoy.type import v3 as kind
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap import addresses, flow, tls
from extproc.bootstrap.limits import MAX_HEADERS
from extproc.bootstrap.names import upstream_cluster
from extproc.config.fields import is_ip
from extproc.config.settings import Settings, Upstream

HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
# Below the 5 s after which servers such as Node's and uvicorn hang up on an idle connection: a request that
# crosses the hang-up is lost, and can't be repeated.
_KEEP_ALIVE: Final = timedelta(seconds=4)


def upstream_clusters(settings: Settings) -> list[cluster.Cluster]:
    return [_upstream(settings, name, upstream) for name, upstream in settings.upstreams.items()]


def load_assignment(name: str, hosts: Iterable[core.Address]) -> endpoint.ClusterLoadAssignment:
    endpoints = [endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=address)) for address in hosts]
    return endpoint.ClusterLoadAssignment(
        cluster_name=name, endpoints=[endpoint.LocalityLbEndpoints(lb_endpoints=endpoints)]
    )


def discovery(hosts: Iterable[str]) -> cluster.ClusterDiscoveryType:
    """Names are resolved again and again; IP addresses and sockets are what they are."""
    fixed = all(is_ip(host) for host in hosts)
    return cluster.ClusterDiscoveryType.STATIC if fixed else cluster.ClusterDiscoveryType.STRICT_DNS


def _upstream(settings: Settings, name: str, upstream: Upstream) -> cluster.Cluster:
    own = upstream_cluster(name)
    return cluster.Cluster(
        name=own,
        type=discovery(address.host for address in upstream.endpoints),
        dns_lookup_family=cluster.ClusterDnsLookupFamily.V4_PREFERRED,
        lb_policy=cluster.ClusterLbPolicy.LEAST_REQUEST,
        connect_timeout=upstream.connect_timeout,
        per_connection_buffer_limit_bytes=settings.link.stream_buffer,
        load_assignment=load_assignment(
            own, (addresses.socket(address.host, address.port) for address in upstream.endpoints)
        ),
        health_checks=_health_checks(settings, name, upstream),
        common_lb_config=balancing(upstream.panic_threshold),
        outlier_detection=_outliers(),
        circuit_breakers=_breakers(upstream),
        transport_socket=tls.upstream(_tls_name(upstream), upstream.ca) if upstream.tls else None,
        upstream_connection_options=cluster.UpstreamConnectionOptions(tcp_keepalive=flow.keepalive()),
        typed_extension_protocol_options={HTTP_OPTIONS: Any.pack(_protocol(settings, upstream))},
    )


def balancing(panic_percent: int) -> cluster.ClusterCommonLbConfig:
    """With fewer healthy endpoints than `panic_percent`, all are used; 0: never.

    What a health check finds is in force at once: by default Envoy may sit on it for a second.
    """
    return cluster.ClusterCommonLbConfig(
        healthy_panic_threshold=kind.Percent(value=float(panic_percent)), update_merge_window=timedelta()
    )


def _health_checks(settings: Settings, name: str, upstream: Upstream) -> list[core.HealthCheck]:
    if upstream.health_check is None:
        return []
    check = core.HealthCheck(
        timeout=timedelta(seconds=2),
        interval=timedelta(seconds=5),
        no_traffic_interval=timedelta(seconds=5),
        unhealthy_threshold=3,
        healthy_threshold=1,
        http_health_check=core.HealthCheckHttpHealthCheck(
            path=upstream.health_check,
            host=_health_host(settings, name, upstream),
            codec_client_type=kind.CodecClientType.HTTP2 if upstream.http2 else kind.CodecClientType.HTTP1,
        ),
    )
    return [check]


def _health_host(settings: Settings, name: str, upstream: Upstream) -> str:
    """A host that the upstream serves: many refuse any other."""
    routed = (entry.host for entry in settings.routes if entry.upstream == name and "*" not in entry.host)
    return next(routed, _tls_name(upstream))


def _tls_name(upstream: Upstream) -> str:
    return upstream.sni or upstream.endpoints[0].host


def _outliers() -> cluster.OutlierDetection:
    """An endpoint that can't be reached or answers as a broken gateway does rests for a while.

    A 500 may be one request's own fault, so it throws no endpoint out.
    """
    return cluster.OutlierDetection(
        consecutive_gateway_failure=5,
        enforcing_consecutive_gateway_failure=100,
        enforcing_consecutive_5xx=0,
        enforcing_success_rate=0,
        base_ejection_time=timedelta(seconds=10),
        max_ejection_percent=50,
    )


def _breakers(upstream: Upstream) -> cluster.CircuitBreakers:
    thresholds = cluster.CircuitBreakersThresholds(
        max_connections=upstream.max_connections,
        max_pending_requests=upstream.max_pending,
        max_requests=upstream.max_requests,
    )
    return cluster.CircuitBreakers(thresholds=[thresholds])


def _protocol(settings: Settings, upstream: Upstream) -> http.HttpProtocolOptions:
    """HTTP/1.1 trailers are on: the answer's travel inside the seal."""
    explicit = http.HttpProtocolOptionsExplicitHttpConfig()
    if upstream.http2:
        explicit.http2_protocol_options = flow.http2(settings.link.stream_buffer)
    else:
        explicit.http_protocol_options = core.Http1ProtocolOptions(enable_trailers=True)
    common = core.HttpProtocolOptions(idle_timeout=_KEEP_ALIVE, max_headers_count=MAX_HEADERS)
    return http.HttpProtocolOptions(common_http_protocol_options=common, explicit_http_config=explicit)
