"""gateway.yaml: what is read from it, and what an operator is told of each mistake.

Invariant: whatever the file holds, the outcome is Settings, or lines that each name the file, the line, the
key, what was expected and what stood there; nothing else is ever raised, and no mistake hides another.
"""

from __future__ import annotations

import re
from datetime import timedelta
from operator import itemgetter
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extproc.config.load import SettingsError, load
from extproc.config.settings import Address, Settings
from extproc.errors import UserError

MISTAKES = yaml.safe_load(Path(__file__).with_name("mistakes.yaml").read_text())
GOOD = """\
listen: 127.0.0.1:8443
link:
  origins: ["https://gw.example.com"]
  path: /_link
upstreams:
  shop:
    endpoints: ["shop:8080"]
routes:
  - host: shop.example.com
    upstream: shop
"""


@pytest.fixture(autouse=True)
def _in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Settings:
    path = Path("gateway.yaml")
    path.write_text(text, encoding="utf-8")
    return load(path)


def complaints(text: str) -> list[str]:
    with pytest.raises(SettingsError) as error:
        read(text)
    assert str(error.value) == "\n".join(error.value.lines)
    return list(error.value.lines)


def test_a_whole_file() -> None:
    loaded = read(
        """\
listen: "[::1]:8443"
tls: {certificate: tls/chain.pem, private_key: tls/key.pem}
state_dir: /run/extproc
drain: 1.5m
workers: 4
link:
  origins: ["https://gw.example.com", "http://127.0.0.1:8080"]
  max_request: 64KiB
  padding: padme
processor: {listen: "0.0.0.0:9000", dial: processor, plain_tcp: true}
upstreams:
  shop: {endpoints: ["10.0.0.1:80", "[::1]:80"], health_check: /healthz, idle_timeout: 250ms}
cors: {origins: ["https://*.example.com", "regex:https://[a-z]+[.]test"], headers: [X-Trace]}
routes:
  - {host: shop.example.com, prefix: /orders, upstream: shop, origins: ["https://a.example.com"]}
  - {host: "*.example.com", upstream: shop, access: any, websocket: true}
rate_limits:
  - {match: {prefix: /orders}, by: [X-User-Id, client_address], limit: 10/s}
"""
    )
    assert loaded.listen == Address(host="::1", port=8443)
    assert loaded.drain == timedelta(seconds=90)
    assert loaded.link.max_request == 65536
    assert loaded.upstreams["shop"].idle_timeout == timedelta(milliseconds=250)
    assert loaded.processor.listen == Address(host="0.0.0.0", port=9000)  # noqa: S104 - only compared
    assert loaded.cors.headers == ("x-trace",)
    assert loaded.rate_limits[0].by == ("x-user-id", "client_address")
    assert loaded.rate_limits[0].limit.per == timedelta(seconds=1)
    assert loaded.path(loaded.state_dir) == Path("/run/extproc")


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "gateway.yaml").write_text(GOOD)
    loaded = load(Path("sub/gateway.yaml"))
    assert loaded.path(loaded.link.keys) == Path("sub/keys")


@pytest.mark.parametrize("mistake", MISTAKES["changes"], ids=itemgetter("written"))
def test_a_mistake_is_named(mistake: dict[str, str]) -> None:
    assert mistake["instead of"] in GOOD
    changed = GOOD.replace(mistake["instead of"], mistake["written"], 1)
    assert f"gateway.yaml:{mistake['said']}" in complaints(changed)


@pytest.mark.parametrize("mistake", MISTAKES["additions"], ids=itemgetter("written"))
def test_what_does_not_fit_together_is_named(mistake: dict[str, str]) -> None:
    assert complaints(f"{GOOD}{mistake['written']}\n") == [f"gateway.yaml:{mistake['said']}"]


def test_memory_is_not_shared_by_workers() -> None:
    memory = GOOD.replace("  path: /_link", "  replay: memory")
    assert complaints(memory) == [
        'gateway.yaml:4: link.replay: expected lmdb, or "workers: 1": 2 workers do not share their memory'
    ]
    assert read(f"{memory}workers: 1\n").link.replay == "memory"


def test_an_upstreams_own_settings_fit_together() -> None:
    assert complaints(GOOD.replace("    endpoints:", "    sni: x.test\n    endpoints:")) == [
        'gateway.yaml:7: upstreams.shop.sni: expected "tls: true" beside it'
    ]
    assert complaints(GOOD.replace("    endpoints:", "    ca: roots.pem\n    endpoints:")) == [
        'gateway.yaml:7: upstreams.shop.ca: expected "tls: true" beside it'
    ]
    assert complaints(GOOD.replace("shop:8080", "shop:0")) == [
        'gateway.yaml:7: upstreams.shop.endpoints.0: expected a port from 1 to 65535, not "shop:0"'
    ]


def test_a_sealed_route_leaves_nothing_to_a_later_one() -> None:
    """Not even plain requests: it refuses them."""
    later = "  - {host: shop.example.com, prefix: /public, upstream: shop, access: any}\n"
    assert complaints(GOOD + later) == [
        'gateway.yaml:11: routes.1.prefix: is never reached, since routes.0 has "/", and stands before it'
    ]


def test_every_mistake_at_once() -> None:
    assert complaints(
        """\
listen: x
link: {orgins: ["https://gw.example.com"], path: link}
worker: 1
workers: two
upstreams: {shop: {endpoints: ["a:1", b]}}
routes: [{host: a.test}]
routes: []
"""
    ) == [
        'gateway.yaml:1: listen: expected host:port such as "127.0.0.1:8443", not "x"',
        'gateway.yaml:2: link.orgins: unknown key; did you mean "origins"?',
        'gateway.yaml:2: link.path: expected a path such as "/_link", not "link"',
        'gateway.yaml:3: worker: unknown key; did you mean "workers"?',
        'gateway.yaml:4: workers: expected a whole number, not "two"',
        'gateway.yaml:5: upstreams.shop.endpoints.1: expected host:port such as "127.0.0.1:8443", not "b"',
        "gateway.yaml:6: routes.0.upstream: missing; expected the name of an upstream",
        "gateway.yaml:7: routes: given twice, first in line 6",
    ]


def test_a_misspelled_key_counts_as_what_it_was_meant_for() -> None:
    text = GOOD.replace("link:", "worker: 1\nlink:").replace("  path: /_link", "  replay: memory")
    assert complaints(text) == ['gateway.yaml:2: worker: unknown key; did you mean "workers"?']


@pytest.mark.parametrize("mistake", MISTAKES["files"], ids=itemgetter("written"))
def test_what_is_no_settings_file(mistake: dict[str, str]) -> None:
    assert complaints(mistake["written"]) == [f"gateway.yaml:{mistake['said']}"]


def test_a_file_in_another_encoding() -> None:
    Path("gateway.yaml").write_bytes(b"listen: 127.0.0.1:1\n# caf\xe9\n")
    with pytest.raises(SettingsError, match=r"^gateway\.yaml:2: expected UTF-8 text$"):
        load(Path("gateway.yaml"))


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^none\.yaml: expected the gateway's settings, but there is no such file$"
    ):
        load(Path("none.yaml"))
    with pytest.raises(UserError, match="can not be read: Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize(
    "text", ["listen: &a [*a]\n", "listen: !!python/object:os.system {}\n", "listen: 2026-13-01\n"]
)
def test_clever_yaml_is_one_more_mistake(text: str) -> None:
    assert any(line.startswith("gateway.yaml:1: listen") for line in complaints(text))


def test_an_alias_is_read_where_it_stands() -> None:
    text = GOOD.replace('["shop:8080"]', '&there ["shop:8080"]')
    text = text.replace("routes:", "  spare:\n    endpoints: *there\nroutes:")
    assert read(text).upstreams["spare"] == read(text).upstreams["shop"]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.binary(max_size=4),
    st.text(max_size=12),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)
PLACES = """
    listen admin state_dir drain workers trusted_hops filters tls tls.certificate link link.origins link.path
    link.max_request link.whole_limit link.max_streams link.stream_buffer link.replay link.replay_capacity
    processor.listen processor.tls processor.plain_tcp
    processor.dial upstreams upstreams.shop upstreams.shop.endpoints upstreams.shop.panic_threshold cors
    cors.origins cors.headers cors.max_age cookies cookies.secure log.level routes rate_limits
"""
JARGON = ("Input should", "Value error", "validation error", "pydantic", "Traceback", "ctx", "NoneType")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES.split()), value=VALUES)
def test_any_value_anywhere_is_read_or_complained_of(place: str, value: object) -> None:
    document = yaml.safe_load(GOOD)
    section = document
    *around, name = place.split(".")
    for part in around:
        section = section.setdefault(part, {})
    section[name] = value
    _is_read_or_complained_of(yaml.safe_dump(document, allow_unicode=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(GOOD)), junk=st.text(alphabet="&*!?|>-:[]{}#'\"\t\n,% a1", max_size=8))
def test_any_text_is_read_or_complained_of(cut: int, junk: str) -> None:
    _is_read_or_complained_of(GOOD[:cut] + junk + GOOD[cut:])


def _is_read_or_complained_of(text: str) -> None:
    try:
        read(text)
        lines: tuple[str, ...] = ()
    except SettingsError as error:
        lines = error.lines or ("no line",)
    for line in lines:
        assert re.match(r"gateway\.yaml:\d+: .", line)
        assert "\n" not in line
        assert not any(word in line for word in JARGON)
