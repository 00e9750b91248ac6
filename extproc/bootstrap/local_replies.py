"""What Envoy itself says of an upstream that fails in the middle of an answer: the status, and nothing else.

Before the upstream's headers the processor seals Envoy's answer like any other. After them Envoy answers past
every filter, in the clear.
"""

from __future__ import annotations

from typing import Final

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.envoy.type.matcher import v3 as matcher

from extproc.envoy_api import NAMESPACE

_ERROR: Final = 400  # a 408 is said in the middle of an answer, too, when the request still streams


def local_replies() -> hcm.LocalReplyConfig:
    """No text on an error of Envoy's own while an opened request waits for its answer."""
    both = accesslog.AndFilter(filters=[_error(), _opened()])
    mapper = hcm.ResponseMapper(
        filter=accesslog.AccessLogFilter(and_filter=both), body=core.DataSource(inline_string="")
    )
    return hcm.LocalReplyConfig(mappers=[mapper])


def _error() -> accesslog.AccessLogFilter:
    comparison = accesslog.ComparisonFilter(
        op=accesslog.ComparisonFilterOp.GE,
        value=core.RuntimeUInt32(default_value=_ERROR, runtime_key="link.error"),
    )
    return accesslog.AccessLogFilter(status_code_filter=accesslog.StatusCodeFilter(comparison=comparison))


def _opened() -> accesslog.AccessLogFilter:
    opened = matcher.MetadataMatcher(
        filter=NAMESPACE,
        path=[matcher.MetadataMatcherPathSegment(key="outcome")],
        value=matcher.ValueMatcher(string_match=matcher.StringMatcher(exact="opened")),
    )
    return accesslog.AccessLogFilter(
        metadata_filter=accesslog.MetadataFilter(matcher=opened, match_if_key_not_found=False)
    )
