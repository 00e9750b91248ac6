"""Settings -> bootstrap, without running it; what Envoy makes of it is for the other modules.

Invariant: the same settings give the same text, every path stays as written, and Envoy accepts all of it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from extproc.bootstrap.build import bootstrap, snippet, to_yaml
from extproc.bootstrap.clusters import HTTP_OPTIONS
from extproc.bootstrap.complaints import rejection
from extproc.bootstrap.find import find_envoy
from extproc.config.settings import Settings
from extproc.errors import UserError
from extproc.exchange.crossing import OPENED_MARK
from tests.bootstrap.filters import RBAC, ROUTER
from tests.bootstrap.running import settings

EVERYTHING: dict[str, Any] = {
    "listen": "[::]:0",
    "trusted_hops": 1,
    "processor": {"listen": "0.0.0.0:9000", "dial": "processor", "plain_tcp": True},
    "upstreams": {
        "shop": {"endpoints": ["shop:8080", "10.0.0.7:8080"], "health_check": "/healthz", "http2": True},
        "bank": {"endpoints": ["203.0.113.1:443"], "tls": True, "sni": "bank.example.com"},
        "vault": {"endpoints": ["[2001:db8::1]:8443"], "tls": True, "idle_timeout": "0s"},
    },
    "routes": [
        {"host": "*", "prefix": "/bank", "upstream": "bank", "idle_timeout": "1m"},
        {"host": "shop.example.com", "upstream": "shop", "live": True},
        {"host": "*.example.com", "upstream": "vault", "access": "any", "websocket": True},
    ],
    "rate_limits": [
        {"match": {"host": "*.example.com"}, "by": ["x-a", "x-b", "client_address"], "limit": "9/m"}
    ],
    "log": {"access": "/dev/stderr"},
}


def document(own: Settings) -> dict[str, Any]:
    """The bootstrap as Envoy reads it."""
    loaded: dict[str, Any] = yaml.safe_load(to_yaml(bootstrap(own)))
    return loaded


def clusters(own: Settings) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in document(own)["static_resources"]["clusters"]}


def manager(own: Settings) -> dict[str, Any]:
    chain = document(own)["static_resources"]["listeners"][0]["filter_chains"][0]
    found: dict[str, Any] = chain["filters"][0]["typed_config"]
    return found


@pytest.mark.parametrize(
    "changes", [{}, EVERYTHING, {"link": {"origins": ["https://[::1]:9"], "path": "/a/b.c"}}]
)
def test_envoy_accepts_it(tmp_path: Path, changes: dict[str, Any]) -> None:
    text = to_yaml(bootstrap(settings(tmp_path, **changes)))
    assert rejection(find_envoy(), text, tmp_path) is None


def test_the_same_settings_give_the_same_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any machine, whatever it trusts."""
    text = to_yaml(bootstrap(settings(tmp_path, **EVERYTHING)))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
    assert to_yaml(bootstrap(settings(tmp_path, **EVERYTHING))) == text
    assert "&id" not in text


def test_the_door_strips_the_mark_that_opens_routes() -> None:
    """Its own filter can't import the name."""
    stripped = resources.files("extproc.bootstrap").joinpath("strip.lua").read_text()
    assert f'headers:remove("{OPENED_MARK}")' in stripped
    assert OPENED_MARK.startswith("x-link-")
    assert '"x-link-"' in stripped


def test_filters_in_order_and_errors_are_closed(tmp_path: Path) -> None:
    (tmp_path / "waf.yaml").write_text(RBAC)
    filters = manager(settings(tmp_path, **EVERYTHING, filters="waf.yaml"))["http_filters"]
    assert [found["name"].rpartition(".")[2] for found in filters] == [
        "lua",
        "ext_proc",
        "waf",
        "local_ratelimit",
        "router",
    ]
    ext_proc = filters[1]["typed_config"]
    assert "failure_mode_allow" not in ext_proc
    assert set(ext_proc["processing_mode"].values()) == {"SKIP"}
    assert ext_proc["message_timeout"] == "5s"


def test_paths_stay_as_written(tmp_path: Path) -> None:
    tls = {"certificate": "tls/chain.pem", "private_key": "/etc/tls/key.pem"}
    bank = {"endpoints": ["203.0.113.1:443"], "tls": True, "ca": "tls/bank.pem"}
    shop = {"endpoints": ["203.0.113.2:443"], "tls": True}
    own = settings(
        tmp_path, tls=tls, state_dir="run/state", workers=2, upstreams={"bank": bank, "shop": shop}
    )
    text = to_yaml(bootstrap(own))
    assert str(tmp_path) not in text
    assert "filename: tls/chain.pem" in text
    assert "filename: /etc/tls/key.pem" in text
    assert "filename: tls/bank.pem" in text
    assert "filename: /etc/ssl/certs/ca-certificates.crt" in text
    endpoints = clusters(own)["ext_proc"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    pipes = [found["endpoint"]["address"]["pipe"]["path"] for found in endpoints]
    assert pipes == ["run/state/worker-0.sock", "run/state/worker-1.sock"]


def test_workers_over_tcp_are_a_port_each(tmp_path: Path) -> None:
    own = settings(tmp_path, processor={"listen": "127.0.0.1:9000"}, workers=3)
    endpoints = clusters(own)["ext_proc"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    addresses = [found["endpoint"]["address"]["socket_address"] for found in endpoints]
    assert [(found["address"], found["port_value"]) for found in addresses] == [
        ("127.0.0.1", port) for port in (9000, 9001, 9002)
    ]


def test_upstreams(tmp_path: Path) -> None:
    found = clusters(settings(tmp_path, **EVERYTHING))
    assert {name: cluster["type"] for name, cluster in found.items()} == {
        "ext_proc": "STRICT_DNS",
        "upstream_shop": "STRICT_DNS",
        "upstream_bank": "STATIC",
        "upstream_vault": "STATIC",
    }
    check = found["upstream_shop"]["health_checks"][0]["http_health_check"]
    assert check == {"host": "shop.example.com", "path": "/healthz", "codec_client_type": "HTTP2"}
    bank = found["upstream_bank"]["transport_socket"]["typed_config"]
    names = bank["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert (bank["sni"], names) == (
        "bank.example.com",
        [{"san_type": "DNS", "matcher": {"exact": "bank.example.com"}}],
    )
    assert "sni" not in found["upstream_vault"]["transport_socket"]["typed_config"]


@pytest.mark.parametrize(("max_request", "at_the_door"), [("128KiB", 2**18), ("4MiB", 2**22)])
def test_every_hop_holds_as_much_as_stream_buffer_says(
    tmp_path: Path, max_request: str, at_the_door: int
) -> None:
    """Only the client's holds more where a whole request is to fit."""
    link = {"origins": ["https://gw.example.com"], "max_request": max_request, "stream_buffer": "256KiB"}
    own = settings(tmp_path, **EVERYTHING, link=link)
    (listener,) = document(own)["static_resources"]["listeners"]
    assert held(listener, manager(own)["http2_protocol_options"]) == (at_the_door, at_the_door)
    for name, cluster in clusters(own).items():
        options = cluster["typed_extension_protocol_options"][HTTP_OPTIONS]["explicit_http_config"]
        window = None if name in {"upstream_bank", "upstream_vault"} else 2**18
        assert held(cluster, options.get("http2_protocol_options", {})) == (2**18, window)


def test_workers_may_send_bodies_in_large_frames(tmp_path: Path) -> None:
    """SETTINGS_MAX_FRAME_SIZE (RFC 9113, 6.5.2), which Envoy has no field of its own for."""
    options = clusters(settings(tmp_path))["ext_proc"]["typed_extension_protocol_options"][HTTP_OPTIONS]
    http2 = options["explicit_http_config"]["http2_protocol_options"]
    assert http2["custom_settings_parameters"] == [{"identifier": 5, "value": 2**17}]


def held(hop: dict[str, Any], http2: dict[str, Any]) -> tuple[int, int | None]:
    """By a connection, and by a stream of HTTP/2."""
    return hop["per_connection_buffer_limit_bytes"], http2.get("initial_stream_window_size")


def test_a_route_of_every_host_comes_in_the_order_of_the_file(tmp_path: Path) -> None:
    hosts = manager(settings(tmp_path, **EVERYTHING))["route_config"]["virtual_hosts"]
    order = {host["name"]: [route["name"] for route in host["routes"]] for host in hosts}
    own = ["*.example.com/", "*.example.com/ plain"]
    assert order == {
        name: ["link", "link_stream", "link_other", "*/bank", "forbidden", *business, "forbidden"]
        for name, business in {
            "gw.example.com": own,
            "every_host": [],
            "shop.example.com": ["shop.example.com/", "forbidden", *own],
            "*.example.com": own,
        }.items()
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: my.waf", "expected a YAML list of Envoy HTTP filters"),
        ("[", "expected a YAML list of Envoy HTTP filters"),
        ("- my.waf", "filter 1: expected a YAML list of Envoy HTTP filters, each with name and typed_config"),
        (
            "- name: my.waf",
            "filter 1: expected a YAML list of Envoy HTTP filters, each with name and typed_config",
        ),
        (RBAC.replace("RBAC", "RBACK"), "expected a type of Envoy's"),
        (RBAC.replace("http.rbac", "http.nothing"), "expected a type of Envoy's"),
        (RBAC.replace("rules:", "rulez:"), "filter 1, my.waf: Unknown field 'rulez' in message Rbac."),
        (RBAC.replace("DENY", "DENIES"), "filter 1, my.waf: "),
        (RBAC.replace('"@type"', "type"), "filter 1, my.waf: "),
        (RBAC + "- 3", "filter 2: expected"),
        (f'- {{ name: x, typed_config: {{ "@type": {ROUTER} }} }}', "filter 1, x: expected another type"),
    ],
)
def test_filters_that_are_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "waf.yaml").write_text(text)
    own = settings(tmp_path, filters="waf.yaml")
    with pytest.raises(UserError) as error:
        bootstrap(own)
    assert str(error.value).startswith(str(tmp_path / "waf.yaml"))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_of_filters_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"waf\.yaml"):
        bootstrap(settings(tmp_path, filters="waf.yaml"))


def test_the_snippet_has_what_the_bootstrap_has(tmp_path: Path) -> None:
    own = settings(tmp_path, **EVERYTHING)
    parts, whole = yaml.safe_load(snippet(own)), document(own)
    assert parts["clusters"] == whole["static_resources"]["clusters"]
    assert parts["route_config"] == manager(own)["route_config"]
    assert parts["http_filters"] == manager(own)["http_filters"][:-1]
    assert parts["layered_runtime"] == whole["layered_runtime"]
    (listener,) = whole["static_resources"]["listeners"]
    for name in ("per_connection_buffer_limit_bytes", "tcp_keepalive"):
        assert parts[name] == listener[name]
