"""The operator's own HTTP filters (`filters:`): a YAML list in Envoy's own form, run on the inner request."""

from __future__ import annotations

import contextlib
import importlib
from pathlib import Path

import yaml
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
from envoy_data_plane.message_pool import default_message_pool

from extproc.config.settings import Settings
from extproc.errors import UserError

_EXPECTED = "expected a YAML list of Envoy HTTP filters, each with name and typed_config"
_TYPE_URL = "type.googleapis.com/"
# Two external processors in one chain truncate bodies, and the router comes last.
_OURS = {
    f"{_TYPE_URL}envoy.extensions.filters.http.{name}"
    for name in ("ext_proc.v3.ExternalProcessor", "router.v3.Router")
}


def load_filters(settings: Settings) -> list[hcm.HttpFilter]:
    """The filters of the file, checked against Envoy's own types. UserError names the file and the filter."""
    if settings.filters is None:
        return []
    path = settings.path(settings.filters)
    items = _read(path)
    if not isinstance(items, list):
        raise UserError(f"{path}: {_EXPECTED}")
    return [_filter(item, f"{path}: filter {number}") for number, item in enumerate(items, 1)]


def _read(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"filters: {path} can't be read: {error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: {_EXPECTED}; {' '.join(str(error).split())}") from error


def _filter(item: object, where: str) -> hcm.HttpFilter:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str) or "typed_config" not in item:
        raise UserError(f"{where}: {_EXPECTED}")
    _register(item, where)
    try:
        found = hcm.HttpFilter.from_dict(item)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{where}, {item['name']}: {_one_line(error)}") from error
    if found.typed_config is not None and found.typed_config.type_url in _OURS:
        raise UserError(
            f"{where}, {item['name']}: expected another type, since the gateway has one of its own"
        )
    return found


def _register(value: object, where: str) -> None:
    """A type is known once its module has been imported: import those that the file names."""
    if isinstance(value, dict):
        if "@type" in value:
            _import(str(value["@type"]), where)
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            _register(inner, where)


def _import(type_url: str, where: str) -> None:
    package = type_url.removeprefix(_TYPE_URL).rpartition(".")[0]
    with contextlib.suppress(ImportError):
        importlib.import_module(f"envoy_data_plane.{package}")
    if type_url not in default_message_pool.url_to_type:
        raise UserError(
            f"{where}: expected a type of Envoy's, as {_TYPE_URL}envoy.extensions.filters.http.rbac.v3.RBAC, "
            f"not {type_url}"
        )


def _one_line(error: Exception) -> str:
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    return " ".join(line.strip() for line in text.splitlines() if "errors.pydantic.dev" not in line)
