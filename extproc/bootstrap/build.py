"""Settings -> Envoy's bootstrap. Needs `envoy-data-plane`, which takes most of a second to import."""

from __future__ import annotations

from typing import Any, Final

from envoy_data_plane.envoy.config.bootstrap import v3 as boot
from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.google.protobuf import Struct

from extproc.bootstrap import addresses, limits
from extproc.bootstrap.clusters import upstream_clusters
from extproc.bootstrap.dump import dump, fields
from extproc.bootstrap.listener import client_listener, guarded_listener, guarded_manager
from extproc.bootstrap.overload import overload_manager
from extproc.bootstrap.processor import processor_cluster
from extproc.config.settings import Settings

_GENERATED: Final = """\
# Generated from gateway.yaml by `extproc envoy -c gateway.yaml`: change that file, not this one.
# Envoy runs with the folder of gateway.yaml as its working directory; relative paths start there.
"""
_SNIPPET: Final = """\
# For an Envoy of your own, from gateway.yaml by `extproc envoy --snippet`. Each part says where it goes.
# Envoy runs with the folder of gateway.yaml as its working directory, or make the paths absolute.
"""


def bootstrap(settings: Settings) -> boot.Bootstrap:
    """The whole of Envoy's configuration. UserError: a setting that Envoy can't be given."""
    return boot.Bootstrap(
        static_resources=boot.BootstrapStaticResources(
            listeners=[client_listener(settings)], clusters=_clusters(settings)
        ),
        admin=boot.Admin(address=addresses.bound(settings.admin), ignore_global_conn_limit=True),
        overload_manager=overload_manager(),
        layered_runtime=_runtime(),
    )


def to_yaml(config: boot.Bootstrap) -> str:
    """The same bytes for the same bootstrap, with Envoy's own names for fields."""
    return _GENERATED + dump(fields(config))


def snippet(settings: Settings) -> str:
    """The parts that an Envoy with a configuration of its own needs. UserError as for `bootstrap`."""
    parts: dict[str, dict[str, Any]] = {
        "Into static_resources.": {"clusters": [fields(part) for part in _clusters(settings)]},
        "Into the bootstrap itself.": {"layered_runtime": fields(_runtime())},
        "Into the listener.": fields(guarded_listener(settings)),
        "Into its HTTP connection manager. Filters of your own go after these, before the router; none may\n"
        "# set x-link-* headers, and no other route may lead to a sealed upstream.": fields(
            guarded_manager(settings)
        ),
    }
    return _SNIPPET + "".join(f"\n# {where}\n{dump(part)}" for where, part in parts.items())


def _clusters(settings: Settings) -> list[cluster.Cluster]:
    return [processor_cluster(settings), *upstream_clusters(settings)]


def _runtime() -> boot.LayeredRuntime:
    """Envoy takes no longer regular expression than these units of RE2's, unless told."""
    limit = {"re2.max_program_size.error_level": limits.REGEX_PROGRAM_SIZE}
    return boot.LayeredRuntime(
        layers=[boot.RuntimeLayer(name="static", static_layer=Struct.from_dict(limit))]
    )
