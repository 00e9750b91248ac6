"""The cluster of the external processor: one endpoint a worker, each health-checked by gRPC."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap import addresses, flow, tls
from extproc.bootstrap.clusters import HTTP_OPTIONS, balancing, discovery, load_assignment
from extproc.bootstrap.names import EXT_PROC_CLUSTER
from extproc.config.settings import Settings

_NO_LIMIT: Final = 2**32 - 1
_CHECK: Final = timedelta(milliseconds=200)
_SILENCE: Final = timedelta(milliseconds=600)  # a worker that hangs is out after both: within a second
_OUT: Final = timedelta(seconds=1)
_PING: Final = timedelta(seconds=2)
_PONG: Final = timedelta(seconds=3)
_MAX_FRAME_SIZE: Final = 0x5  # the setting of RFC 9113, 6.5.2, which Envoy has no field for
_FRAME: Final = 2**17  # octets, of what a worker sends: it takes eight times as few as by default


def processor_cluster(settings: Settings) -> cluster.Cluster:
    """Exchanges are spread one by one over the healthy workers."""
    processor = settings.processor
    if processor.listen == "unix":
        kind, hosts, socket = cluster.ClusterDiscoveryType.STATIC, _sockets(settings), None
    else:
        listen = processor.listen
        host = processor.dial or listen.host
        ports = range(listen.port, listen.port + settings.workers)
        kind, hosts = discovery([host]), [addresses.socket(host, port) for port in ports]
        socket = tls.processor(processor.tls, host) if processor.tls else None
    return cluster.Cluster(
        name=EXT_PROC_CLUSTER,
        type=kind,
        dns_lookup_family=cluster.ClusterDnsLookupFamily.V4_PREFERRED,
        connect_timeout=timedelta(seconds=1),
        per_connection_buffer_limit_bytes=settings.link.stream_buffer,
        load_assignment=load_assignment(EXT_PROC_CLUSTER, hosts),
        health_checks=[_health_check()],
        common_lb_config=balancing(0),
        outlier_detection=_outliers(),
        circuit_breakers=_breakers(),
        transport_socket=socket,
        typed_extension_protocol_options={HTTP_OPTIONS: Any.pack(_http2(settings))},
    )


def _sockets(settings: Settings) -> list[core.Address]:
    """As written in gateway.yaml: Envoy runs in its folder."""
    state = settings.state_dir.expanduser()
    return [
        core.Address(pipe=core.Pipe(path=str(state / f"worker-{number}.sock")))
        for number in range(settings.workers)
    ]


def _health_check() -> core.HealthCheck:
    """One that fails takes a worker out, and one that succeeds takes it in again.

    A message keeps a worker busy for milliseconds, and keys are loaded beside that: what is silent hangs.
    """
    return core.HealthCheck(
        timeout=_SILENCE,
        interval=_CHECK,
        no_traffic_interval=_CHECK,
        unhealthy_threshold=1,
        healthy_threshold=1,
        grpc_health_check=core.HealthCheckGrpcHealthCheck(),
    )


def _outliers() -> cluster.OutlierDetection:
    """A worker whose socket refuses is left out until a health check finds it again.

    Nothing else counts: a stream that ends with an error may be its peer's doing.
    """
    return cluster.OutlierDetection(
        split_external_local_origin_errors=True,
        consecutive_local_origin_failure=1,
        enforcing_consecutive_local_origin_failure=100,
        enforcing_local_origin_success_rate=0,
        enforcing_consecutive_5xx=0,
        enforcing_consecutive_gateway_failure=0,
        enforcing_success_rate=0,
        base_ejection_time=_OUT,
        interval=_OUT,
        max_ejection_percent=100,
    )


def _breakers() -> cluster.CircuitBreakers:
    """An exchange holds a stream for as long as it lasts; the listener's limits are the ones that count."""
    thresholds = cluster.CircuitBreakersThresholds(
        max_connections=_NO_LIMIT, max_pending_requests=_NO_LIMIT, max_requests=_NO_LIMIT
    )
    return cluster.CircuitBreakers(thresholds=[thresholds])


def _http2(settings: Settings) -> http.HttpProtocolOptions:
    """Pings find a worker that freezes while an answer passes it, which no time-out of an exchange covers.

    What a worker passes on may come in large frames: it sends bodies, and little else.
    """
    options = flow.http2(settings.link.stream_buffer)
    options.connection_keepalive = core.KeepaliveSettings(interval=_PING, timeout=_PONG)
    frame = core.Http2ProtocolOptionsSettingsParameter(identifier=_MAX_FRAME_SIZE, value=_FRAME)
    options.custom_settings_parameters = [frame]
    explicit = http.HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=options)
    return http.HttpProtocolOptions(explicit_http_config=explicit)
