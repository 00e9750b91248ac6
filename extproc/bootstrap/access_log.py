"""The access log: a line of JSON a request; of an opened one, with the inner method, host and path.

No query, no cookie, no header beyond these: a log is read by more people than a request.
"""

from __future__ import annotations

from typing import Final

from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.access_loggers.file import v3 as file
from envoy_data_plane.envoy.extensions.access_loggers.stream import v3 as stream
from envoy_data_plane.google.protobuf import Any, Struct

from extproc.config.settings import Log
from extproc.envoy_api import NAMESPACE

_LINK_FIELDS: Final = ("outcome", "fault", "key_id", "sdk", "platform", "app")
FIELDS: Final = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "protocol": "%PROTOCOL%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%PATH(NQ:PATH)%",
    "route": "%ROUTE_NAME%",
    "status": "%RESPONSE_CODE%",
    "inner_status": f"%DYNAMIC_METADATA({NAMESPACE}:status)%",
    **{name: f"%DYNAMIC_METADATA({NAMESPACE}:{name})%" for name in _LINK_FIELDS},
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
    "upstream_ms": "%RESPONSE_DURATION%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "upstream_host": "%UPSTREAM_HOST%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
}


def access_log(log: Log) -> list[accesslog.AccessLog]:
    """To a file, or to Envoy's own output streams; nothing when `log.access` is empty."""
    if not log.access:
        return []
    lines = core.SubstitutionFormatString(json_format=Struct.from_dict(FIELDS), omit_empty_values=True)
    if log.access == "/dev/stdout":
        return [_logger("stdout", stream.StdoutAccessLog(log_format=lines))]
    if log.access == "/dev/stderr":
        return [_logger("stderr", stream.StderrAccessLog(log_format=lines))]
    return [_logger("file", file.FileAccessLog(path=log.access, log_format=lines))]


def _logger(
    kind: str, config: file.FileAccessLog | stream.StdoutAccessLog | stream.StderrAccessLog
) -> accesslog.AccessLog:
    return accesslog.AccessLog(name=f"envoy.access_loggers.{kind}", typed_config=Any.pack(config))
