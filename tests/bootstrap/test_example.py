"""The example in envoy/, the container files, and `extproc envoy`.

Invariant: envoy/envoy.yaml is what `extproc envoy` makes of envoy/gateway.yaml, and it starts as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from extproc.bootstrap.build import bootstrap, snippet, to_yaml
from extproc.bootstrap.find import find_envoy
from extproc.bootstrap.run import Envoy
from extproc.config.load import load
from tests.bootstrap.toy import serving
from tests.e2e.upstream import Upstream

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "envoy/gateway.yaml"


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "extproc", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_envoy_yaml_is_in_step() -> None:
    made = run("envoy", "-c", "envoy/gateway.yaml")
    assert made.returncode == 0, made.stderr
    assert made.stdout == (ROOT / "envoy/envoy.yaml").read_text(), "run 'make envoy'"


def test_envoy_accepts_the_example_as_it_is() -> None:
    verdict = run("envoy", "-c", "envoy/gateway.yaml", "--validate")
    assert (verdict.returncode, verdict.stderr) == (0, "")
    assert verdict.stdout == "Envoy 1.40.0 accepts the bootstrap of envoy/gateway.yaml\n"


async def test_the_example_starts_natively(tmp_path: Path) -> None:
    """The same configuration, but for ports that are free and an upstream that is here."""
    with Upstream() as upstream:
        text = EXAMPLE.read_text()
        for name, value in {
            "0.0.0.0:8443": "127.0.0.1:0",
            "127.0.0.1:9901": "127.0.0.1:0",
            '"shop:8080"': f'"127.0.0.1:{upstream.port}"',
            "workers: 2": "workers: 1",
        }.items():
            assert name in text
            text = text.replace(name, value)
        (tmp_path / "gateway.yaml").write_text(text)
        (tmp_path / "state").mkdir()
        envoy = Envoy(find_envoy())
        async with serving(f"unix:{tmp_path}/state/worker-0.sock"):
            await envoy.start(to_yaml(bootstrap(load(tmp_path / "gateway.yaml"))), tmp_path)
            status = await _status(envoy, "localhost:8443", "/_link/health")
            await envoy.stop()
    assert status == 204


def test_the_snippet_is_printed_too(tmp_path: Path) -> None:
    printed = run("envoy", "-c", str(EXAMPLE), "--snippet", cwd=tmp_path)
    assert printed.stdout == snippet(load(EXAMPLE))


def test_a_bootstrap_that_envoy_rejects(tmp_path: Path) -> None:
    tls = "tls: { certificate: none.pem, private_key: none.pem }\n"
    (tmp_path / "gateway.yaml").write_text(EXAMPLE.read_text() + tls)
    verdict = run("envoy", "-c", "gateway.yaml", "--validate", cwd=tmp_path)
    assert (verdict.returncode, verdict.stdout) == (1, "")
    assert re.fullmatch(
        r"Envoy 1\.40\.0 rejects the bootstrap of gateway\.yaml: .*none\.pem.*\n", verdict.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-c", "nothing.yaml"), "nothing.yaml"),
        (("-c", str(EXAMPLE), "--validate", "--envoy", "nothing"), "--envoy: expected the path"),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    asked = run("envoy", *arguments, cwd=tmp_path)
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr.startswith("extproc: ")
    assert len(asked.stderr.splitlines()) == 1
    assert says in asked.stderr


def test_a_snippet_is_not_validated() -> None:
    """By itself it is no bootstrap."""
    asked = run("envoy", "-c", str(EXAMPLE), "--validate", "--snippet")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert "--validate" in asked.stderr
    assert "--snippet" in asked.stderr


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_compose_accepts_the_file() -> None:
    checked = subprocess.run(
        ["docker-compose", "config", "-q"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_compose_agrees_with_the_example() -> None:
    services, example = compose()["services"], load(EXAMPLE)
    assert services["envoy"]["ports"] == [f"127.0.0.1:{example.listen.port}:{example.listen.port}"]
    assert str(example.upstreams["shop"].endpoints[0]) == "shop:8080"
    assert "--listen 0.0.0.0:8080" in services["shop"]["command"]
    assert (
        f"/dev/tcp/{example.admin.host}/{example.admin.port}" in services["envoy"]["healthcheck"]["test"][-1]
    )
    drain_s = int(services["envoy"]["environment"]["DRAIN_S"])
    assert drain_s == example.drain.total_seconds()
    for name in ["processor", "envoy"]:
        assert drain_s < int(services[name]["stop_grace_period"].removesuffix("s"))
    for name in ["keys", "processor", "envoy"]:
        mounted = [volume.split(":")[1] for volume in services[name]["volumes"]]
        assert f"{services[name]['working_dir']}/{example.state_dir}" in mounted


def test_containers_are_locked_down() -> None:
    services = compose()["services"]
    assert len({service["user"] for service in services.values()}) == 1
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)
    holders = [name for name, service in services.items() if "root:" in str(service.get("volumes"))]
    assert holders == ["keys"]


async def _status(envoy: Envoy, host: str, path: str) -> int:
    import httpx

    base = "http://{}:{}".format(*envoy.address)
    async with httpx.AsyncClient(base_url=base) as client:
        return (await client.get(path, headers={"host": host})).status_code
