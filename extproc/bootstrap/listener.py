"""The one listener: where clients come in."""

from __future__ import annotations

from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.listener import v3 as listener
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation import v3 as early
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap import addresses, flow, limits, tls
from extproc.bootstrap.access_log import access_log
from extproc.bootstrap.filters import filters_before_router, router_filter
from extproc.bootstrap.local_replies import local_replies
from extproc.bootstrap.names import LISTENER, STAT_PREFIX
from extproc.bootstrap.routes import route_configuration
from extproc.config.settings import Settings
from extproc.exchange.crossing import OPENED_MARK


def client_listener(settings: Settings) -> listener.Listener:
    """HTTP/1.1 and HTTP/2 for clients, over TLS where gateway.yaml has a certificate."""
    chain = listener.FilterChain(
        filters=[
            listener.Filter(
                name="envoy.filters.network.http_connection_manager",
                typed_config=Any.pack(_connection_manager(settings)),
            )
        ],
        transport_socket=tls.downstream(settings.tls) if settings.tls else None,
    )
    found = guarded_listener(settings)
    found.name, found.address, found.filter_chains = LISTENER, addresses.bound(settings.listen), [chain]
    return found


def guarded_listener(settings: Settings) -> listener.Listener:
    """What the link relies on: how much of a request is taken in, and that dead clients are found."""
    return listener.Listener(
        per_connection_buffer_limit_bytes=flow.client_buffer(settings.link), tcp_keepalive=flow.keepalive()
    )


def guarded_manager(settings: Settings) -> hcm.HttpConnectionManager:
    """What the link relies on, up to the router: the filters, the routes, and how a request is read.

    What is ambiguous in a request is normalized or refused before any filter sees it.
    """
    slashes = hcm.HttpConnectionManagerPathWithEscapedSlashesAction
    keep_slashes = settings.link.allow_encoded_slash
    server = hcm.HttpConnectionManagerServerHeaderTransformation.APPEND_IF_ABSENT  # the upstream's is sealed
    return hcm.HttpConnectionManager(
        stat_prefix=STAT_PREFIX,
        route_config=route_configuration(settings),
        http_filters=filters_before_router(settings),
        use_remote_address=True,
        xff_num_trusted_hops=settings.trusted_hops,
        strip_trailing_host_dot=True,
        early_header_mutation_extensions=[_strip_mark()],
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action=slashes.KEEP_UNCHANGED if keep_slashes else slashes.REJECT_REQUEST,
        server_header_transformation=server,
        always_set_request_id_in_response=True,
        max_request_headers_kb=limits.MAX_HEADERS_KIB,
        request_headers_timeout=limits.HEADERS_TIMEOUT,
        stream_idle_timeout=limits.STREAM_IDLE,
        common_http_protocol_options=_common(settings),
        local_reply_config=local_replies(),
        http_protocol_options=core.Http1ProtocolOptions(enable_trailers=True),
        http2_protocol_options=_http2(settings),
    )


def _strip_mark() -> core.TypedExtensionConfig:
    """Before a route is selected, or a forged mark would select one: its filters, its rate limits."""
    removal = mutation.HeaderMutation(remove=OPENED_MARK)
    return core.TypedExtensionConfig(
        name="envoy.http.early_header_mutation.header_mutation",
        typed_config=Any.pack(early.HeaderMutation(mutations=[removal])),
    )


def _connection_manager(settings: Settings) -> hcm.HttpConnectionManager:
    manager = guarded_manager(settings)
    manager.http_filters.append(router_filter())
    manager.access_log = access_log(settings.log)
    return manager


def _common(settings: Settings) -> core.HttpProtocolOptions:
    """Underscores are refused: many a server reads `x_link_opened` as `x-link-opened`.

    `max_stream_duration` is for what no business route has taken over, each of which lifts it: the time that
    an envelope may take to come in.
    """
    refuse = core.HttpProtocolOptionsHeadersWithUnderscoresAction.REJECT_REQUEST
    return core.HttpProtocolOptions(
        idle_timeout=limits.CONNECTION_IDLE,
        max_stream_duration=limits.opening(settings.link.max_request),
        max_headers_count=limits.MAX_HEADERS,
        headers_with_underscores_action=refuse,
    )


def _http2(settings: Settings) -> core.Http2ProtocolOptions:
    options = flow.http2(flow.client_buffer(settings.link))
    options.max_concurrent_streams = limits.STREAMS
    return options
