"""What Envoy does before it runs out of connections or memory: refuse new work, keep what is under way."""

from __future__ import annotations

from typing import Final

from envoy_data_plane.envoy.config.overload import v3 as overload
from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections import v3 as connections
from envoy_data_plane.envoy.extensions.resource_monitors.fixed_heap import v3 as fixed_heap
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap import limits

_HEAP: Final = "envoy.resource_monitors.fixed_heap"
# Of limits.HEAP. A request that is refused is better than one that is lost.
_ACTIONS: Final = {
    "envoy.overload_actions.shrink_heap": 0.9,
    "envoy.overload_actions.stop_accepting_requests": 0.95,
    "envoy.overload_actions.stop_accepting_connections": 0.98,
}


def overload_manager() -> overload.OverloadManager:
    return overload.OverloadManager(
        resource_monitors=[_connections(), _heap()],
        actions=[_action(name, threshold) for name, threshold in _ACTIONS.items()],
    )


def _connections() -> overload.ResourceMonitor:
    config = connections.DownstreamConnectionsConfig(max_active_downstream_connections=limits.CONNECTIONS)
    name = "envoy.resource_monitors.global_downstream_max_connections"
    return overload.ResourceMonitor(name=name, typed_config=Any.pack(config))


def _heap() -> overload.ResourceMonitor:
    config = fixed_heap.FixedHeapConfig(max_heap_size_bytes=limits.HEAP)
    return overload.ResourceMonitor(name=_HEAP, typed_config=Any.pack(config))


def _action(name: str, threshold: float) -> overload.OverloadAction:
    trigger = overload.Trigger(name=_HEAP, threshold=overload.ThresholdTrigger(value=threshold))
    return overload.OverloadAction(name=name, triggers=[trigger])
