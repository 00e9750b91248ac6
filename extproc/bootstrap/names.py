"""The names that the sections of the bootstrap know each other by."""

from __future__ import annotations

from typing import Final

EXT_PROC_CLUSTER: Final = "ext_proc"
EXT_PROC_FILTER: Final = "envoy.filters.http.ext_proc"
STRIP_FILTER: Final = "envoy.filters.http.lua"  # of the door
LISTENER: Final = "link"
STAT_PREFIX: Final = "ingress"


def upstream_cluster(name: str) -> str:
    """The cluster of the upstream that gateway.yaml calls `name`."""
    return f"upstream_{name}"
