"""The certificates that gateway.yaml names, made by a real authority.

Invariant: what OpenSSL or a client would refuse is a finding before they do; a good chain is none.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from extproc.config.certificates import check_certificates
from extproc.config.load import load
from extproc.config.settings import Settings

NOW = time.time()
FILE = """\
listen: 127.0.0.1:8443
tls: { certificate: chain.pem, private_key: key.pem }
link: { origins: ["https://gw.example.com", "https://127.0.0.1:8443", "http://gw.example.com:81"] }
upstreams: { shop: { endpoints: ["shop:8080"] } }
routes: [{ host: shop.example.com, upstream: shop }]
"""
HOP = """\
processor:
  listen: 127.0.0.1:9000
  tls: { certificate: chain.pem, private_key: key.pem, ca: ca.pem }
"""


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def issue(
    folder: Path, authority: trustme.CA, *names: str, until: datetime | None = None, text: str = FILE
) -> Settings:
    issued = authority.issue_cert(*(names or ("*.example.com", "127.0.0.1")), not_after=until)
    (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    (folder / "key.pem").write_bytes(issued.private_key_pem.bytes())
    (folder / "key.pem").chmod(0o600)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "gateway.yaml").write_text(text)
    return load(folder / "gateway.yaml")


def problems(settings: Settings, now: float = NOW) -> list[str]:
    return [finding.problem for finding in check_certificates(settings, now)]


def test_a_good_chain(tmp_path: Path, authority: trustme.CA) -> None:
    assert problems(issue(tmp_path, authority, text=FILE + HOP)) == []


def test_no_certificate_at_all(tmp_path: Path, authority: trustme.CA) -> None:
    text = FILE.replace("tls: { certificate: chain.pem, private_key: key.pem }\n", "")
    assert problems(issue(tmp_path, authority, text=text)) == []


def test_a_certificate_for_another_name(tmp_path: Path, authority: trustme.CA) -> None:
    settings = issue(tmp_path, authority, "*.gw.example.com", "127.0.0.2")
    chain = tmp_path / "chain.pem"
    assert problems(settings) == [
        f"tls.certificate: {chain} is not for gw.example.com, 127.0.0.1, as link.origins has it"
    ]


def test_its_dates(tmp_path: Path, authority: trustme.CA) -> None:
    settings = issue(tmp_path, authority, until=datetime.fromtimestamp(NOW, UTC) + timedelta(days=29.5))
    chain = tmp_path / "chain.pem"
    assert problems(settings) == []
    assert problems(settings, NOW + 20 * 86400) == [f"tls.certificate: {chain} expires in 9 days"]
    assert problems(settings, NOW + 31 * 86400) == [f"tls.certificate: {chain} has expired"]
    (early,) = problems(settings, 0.0)
    assert early.startswith(f"tls.certificate: {chain} is not valid for another ")


def test_a_key_of_another_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    settings = issue(tmp_path, authority)
    (tmp_path / "key.pem").write_bytes(authority.issue_cert("x.test").private_key_pem.bytes())
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    assert problems(settings) == [f"tls: {chain} and {key} do not serve: KEY_VALUES_MISMATCH"]


@pytest.mark.parametrize("name", ["chain.pem", "key.pem"])
def test_what_is_no_pem(tmp_path: Path, authority: trustme.CA, name: str) -> None:
    settings = issue(tmp_path, authority)
    (tmp_path / name).write_text("junk")
    (problem,) = problems(settings)
    assert problem.startswith(f"tls: {tmp_path / 'chain.pem'} and {tmp_path / 'key.pem'} do not serve: ")


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620])
def test_files_that_are_missing_or_open_to_others(tmp_path: Path, authority: trustme.CA, mode: int) -> None:
    settings = issue(tmp_path, authority, text=FILE + HOP)
    (tmp_path / "key.pem").chmod(mode)
    (tmp_path / "ca.pem").unlink()
    assert problems(settings) == [
        f"tls.private_key: others can reach {tmp_path / 'key.pem'} (mode {mode:04o})",
        f"processor.tls.private_key: others can reach {tmp_path / 'key.pem'} (mode {mode:04o})",
        f"processor.tls.ca: {tmp_path / 'ca.pem'}: No such file or directory",
    ]


def test_an_authority_that_is_none(tmp_path: Path, authority: trustme.CA) -> None:
    settings = issue(tmp_path, authority, text=FILE + HOP)
    (tmp_path / "ca.pem").write_text("junk")
    assert problems(settings) == [f"processor.tls.ca: {tmp_path / 'ca.pem'} has no certificate in PEM"]
