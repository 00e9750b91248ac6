"""The HTTP filters, in the order in which a request meets them; a response meets them backwards."""

from __future__ import annotations

from importlib import resources
from typing import Final

from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.http.ext_proc import v3 as ext_proc
from envoy_data_plane.envoy.extensions.filters.http.lua import v3 as lua
from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap.names import EXT_PROC_CLUSTER, EXT_PROC_FILTER, STRIP_FILTER
from extproc.bootstrap.rate_limits import rate_limit_filter
from extproc.bootstrap.user_filters import load_filters
from extproc.config.settings import Settings
from extproc.envoy_api import NAMESPACE

_SKIP: Final = ext_proc.ProcessingModeHeaderSendMode.SKIP
_SEND: Final = ext_proc.ProcessingModeHeaderSendMode.SEND
_NONE: Final = ext_proc.ProcessingModeBodySendMode.NONE
_DUPLEX: Final = ext_proc.ProcessingModeBodySendMode.FULL_DUPLEX_STREAMED


def filters_before_router(settings: Settings) -> list[hcm.HttpFilter]:
    """Those after the processor's see the inner request and, on the way back, the unsealed answer."""
    return [_strip(), _ext_proc(settings), *load_filters(settings), *rate_limit_filter(settings)]


def router_filter() -> hcm.HttpFilter:
    config = router.Router(suppress_envoy_headers=True)
    return hcm.HttpFilter(name="envoy.filters.http.router", typed_config=Any.pack(config))


def whole_mode() -> Any:
    """A whole request is opened in one step; its answer is the processor's to collect or to pass on."""
    return _sealed(ext_proc.ProcessingModeBodySendMode.BUFFERED)


def stream_mode() -> Any:
    """A streamed request is opened as it comes, and so is its answer sealed."""
    return _sealed(_DUPLEX)


def _sealed(request_body: ext_proc.ProcessingModeBodySendMode) -> Any:
    mode = ext_proc.ProcessingMode(
        request_header_mode=_SEND,
        request_body_mode=request_body,
        request_trailer_mode=_SEND,
        response_header_mode=_SEND,
        response_body_mode=_DUPLEX,
        response_trailer_mode=_SEND,
    )
    return Any.pack(ext_proc.ExtProcPerRoute(overrides=ext_proc.ExtProcOverrides(processing_mode=mode)))


def disabled() -> Any:
    """Every other route: the processor never hears of the request."""
    return Any.pack(ext_proc.ExtProcPerRoute(disabled=True))


def _strip() -> hcm.HttpFilter:
    source = resources.files("extproc.bootstrap").joinpath("strip.lua").read_text(encoding="utf-8")
    config = lua.Lua(default_source_code=core.DataSource(inline_string=source))
    return hcm.HttpFilter(name=STRIP_FILTER, typed_config=Any.pack(config))


def _ext_proc(settings: Settings) -> hcm.HttpFilter:
    """Off by itself; the link's routes turn it on. It fails closed: no error lets a request go on."""
    config = ext_proc.ExternalProcessor(
        grpc_service=core.GrpcService(
            envoy_grpc=core.GrpcServiceEnvoyGrpc(cluster_name=EXT_PROC_CLUSTER, skip_envoy_headers=True)
        ),
        failure_mode_allow=False,
        allow_content_length_header=True,  # of streamed uploads: the processor counts
        message_timeout=settings.processor.message_timeout,
        processing_mode=_off(),
        request_attributes=["source.address"],
        mutation_rules=mutation.HeaderMutationRules(
            allow_all_routing=True, allow_envoy=True, disallow_is_error=True
        ),
        metadata_options=ext_proc.MetadataOptions(
            receiving_namespaces=ext_proc.MetadataOptionsMetadataNamespaces(untyped=[NAMESPACE])
        ),
    )
    return hcm.HttpFilter(name=EXT_PROC_FILTER, typed_config=Any.pack(config))


def _off() -> ext_proc.ProcessingMode:
    return ext_proc.ProcessingMode(
        request_header_mode=_SKIP,
        request_body_mode=_NONE,
        request_trailer_mode=_SKIP,
        response_header_mode=_SKIP,
        response_body_mode=_NONE,
        response_trailer_mode=_SKIP,
    )
