"""Envoy's configuration without the external processor's filter."""

from __future__ import annotations

from typing import Any

from extproc.bootstrap.names import EXT_PROC_FILTER


def without_filter(part: Any) -> Any:
    """`part` of a bootstrap, less the filter in its chain and what routes say of it. All else stays."""
    if isinstance(part, dict):
        return {name: without_filter(value) for name, value in part.items() if name != EXT_PROC_FILTER}
    if isinstance(part, list):
        return [without_filter(value) for value in part if not _is_filter(value)]
    return part


def _is_filter(value: object) -> bool:
    return isinstance(value, dict) and value.get("name") == EXT_PROC_FILTER
