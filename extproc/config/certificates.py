"""The certificates that gateway.yaml names: whether they can be read, fit their keys, and hold for long.

OpenSSL tells: a server with the operator's files and a client that trusts them shake hands in memory.
"""

from __future__ import annotations

import contextlib
import ssl
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from extproc.config.diagnosis import Finding, span
from extproc.config.rotation import DAY
from extproc.config.settings import Settings, Tls

_CHECK: Final = "certificates"
_SOON: Final = 14 * DAY
_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME: dates are looked at here
_FLIGHTS: Final = 4


def check_certificates(settings: Settings, now: float) -> list[Finding]:
    """Of `tls` and `processor.tls`. `now` in Unix seconds."""
    findings: list[Finding] = []
    if settings.tls is not None:
        findings += _pair(settings, "tls", settings.tls, now, _https_hosts(settings))
    if settings.processor.tls is not None:
        findings += _pair(settings, "processor.tls", settings.processor.tls, now, [])
        findings += _authority(settings.path(settings.processor.tls.ca), now)
    return findings


def _https_hosts(settings: Settings) -> list[str]:
    """The names that the certificate for clients has to cover."""
    return [
        urlsplit(origin).hostname or "" for origin in settings.link.origins if origin.startswith("https:")
    ]


def _pair(settings: Settings, key: str, tls: Tls, now: float, hosts: list[str]) -> list[Finding]:
    certificate, private_key = settings.path(tls.certificate), settings.path(tls.private_key)
    findings = [
        *_readable(certificate, f"{key}.certificate"),
        *_readable(private_key, f"{key}.private_key"),
        *_private(private_key, f"{key}.private_key"),
    ]
    if findings:
        return findings
    try:
        shown = _handshake(certificate, private_key)
    except ssl.SSLError as error:
        problem = f"{key}: {certificate} and {private_key} do not serve: {error.reason or 'not PEM'}"
        return [Finding(_CHECK, "error", problem, "name a certificate and its own private key, in PEM")]
    findings += _dates(shown, f"{key}.certificate: {certificate}", now)
    if foreign := [host for host in hosts if not _is_for(certificate, private_key, host)]:
        problem = f"{key}.certificate: {certificate} is not for {', '.join(foreign)}, as link.origins has it"
        findings.append(Finding(_CHECK, "error", problem, "get one for every name of the link"))
    return findings


def _authority(path: Path, now: float) -> Iterator[Finding]:
    key = "processor.tls.ca"
    unreadable = [*_readable(path, key)]
    yield from unreadable
    if unreadable:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        yield Finding(_CHECK, "error", f"{key}: {path} has no certificate in PEM", "name a file that has")
    for shown in context.get_ca_certs():
        yield from _dates(shown, f"{key}: {path}", now)


def _readable(path: Path, key: str) -> Iterator[Finding]:
    try:
        path.read_bytes()
    except OSError as error:
        yield Finding(
            _CHECK, "error", f"{key}: {path}: {error.strerror}", "put it there, for this user to read"
        )


def _private(path: Path, key: str) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0
    if mode & 0o077:
        problem = f"{key}: others can reach {path} (mode {mode:04o})"
        yield Finding(_CHECK, "error", problem, f"chmod 600 {path}")


def _dates(shown: Mapping[str, object], what: str, now: float) -> Iterator[Finding]:
    begin, end = (ssl.cert_time_to_seconds(str(shown[name])) for name in ("notBefore", "notAfter"))
    if now < begin:
        yield Finding(
            _CHECK, "error", f"{what} is not valid for another {span(begin - now)}", "set the clock"
        )
    if now >= end:
        yield Finding(_CHECK, "error", f"{what} has expired", "renew it, and restart Envoy")
    elif end - now < _SOON:
        yield Finding(
            _CHECK, "warning", f"{what} expires in {span(end - now)}", "renew it, and restart Envoy"
        )


def _is_for(certificate: Path, private_key: Path, host: str) -> bool:
    try:
        _handshake(certificate, private_key, host)
    except ssl.SSLCertVerificationError:
        return False
    return True


def _handshake(certificate: Path, private_key: Path, host: str | None = None) -> dict[str, object]:
    """The certificate as a client of `host` sees it. Raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Never a password: OpenSSL would ask for it on the terminal.
    server.load_cert_chain(certificate, private_key, password="")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = host is not None
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(to_client, to_server, server_hostname=host)
    answerer = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_FLIGHTS):
        for side in (caller, answerer):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return dict(caller.getpeercert() or {})
