"""TLS in three places: for clients, towards an upstream, towards the workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google.protobuf import Any

from extproc.bootstrap.addresses import is_ip
from extproc.config.settings import MutualTls, Tls

_SOCKET: Final = "envoy.transport_sockets.tls"
_ROOTS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian and its like, Alpine, Arch; Envoy's own image
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


def downstream(settings: Tls) -> core.TransportSocket:
    """HTTP/2 and HTTP/1.1 over TLS 1.2 or later, with the operator's certificate."""
    common = tls.CommonTlsContext(
        tls_params=tls.TlsParameters(tls_minimum_protocol_version=tls.TlsParametersTlsProtocol.TLSv1_2),
        tls_certificates=[_certificate(settings)],
        alpn_protocols=["h2", "http/1.1"],
    )
    return _socket(tls.DownstreamTlsContext(common_tls_context=common))


def upstream(name: str) -> core.TransportSocket:
    """An upstream that shows a certificate for `name` from an authority that the system trusts."""
    validation = tls.CertificateValidationContext(
        trusted_ca=core.DataSource(filename=_system_roots()),
        match_typed_subject_alt_names=[_subject(name)],
    )
    common = tls.CommonTlsContext(validation_context=validation)
    return _socket(tls.UpstreamTlsContext(common_tls_context=common, sni=_sni(name)))


def processor(settings: MutualTls, host: str) -> core.TransportSocket:
    """Envoy and worker show each other a certificate of the operator's `ca`; the worker's is for `host`."""
    validation = tls.CertificateValidationContext(
        trusted_ca=_file(settings.ca), match_typed_subject_alt_names=[_subject(host)]
    )
    common = tls.CommonTlsContext(
        tls_params=tls.TlsParameters(
            tls_minimum_protocol_version=tls.TlsParametersTlsProtocol.TLSv1_3,
            tls_maximum_protocol_version=tls.TlsParametersTlsProtocol.TLSv1_3,
        ),
        tls_certificates=[_certificate(settings)],
        validation_context=validation,
        alpn_protocols=["h2"],  # gRPC servers insist on it
    )
    return _socket(tls.UpstreamTlsContext(common_tls_context=common, sni=_sni(host)))


def _socket(context: tls.DownstreamTlsContext | tls.UpstreamTlsContext) -> core.TransportSocket:
    return core.TransportSocket(name=_SOCKET, typed_config=Any.pack(context))


def _certificate(settings: Tls) -> tls.TlsCertificate:
    return tls.TlsCertificate(
        certificate_chain=_file(settings.certificate), private_key=_file(settings.private_key)
    )


def _file(path: Path) -> core.DataSource:
    return core.DataSource(filename=str(path.expanduser()))


def _system_roots() -> str:
    """Where this machine keeps the authorities that it trusts: Envoy has no default for that."""
    named = os.environ.get("SSL_CERT_FILE")
    return named or next((path for path in _ROOTS if Path(path).is_file()), _ROOTS[0])


def _sni(name: str) -> str:
    return "" if is_ip(name) else name  # RFC 6066, 3: no literal addresses


def _subject(name: str) -> tls.SubjectAltNameMatcher:
    kind = (
        tls.SubjectAltNameMatcherSanType.IP_ADDRESS if is_ip(name) else tls.SubjectAltNameMatcherSanType.DNS
    )
    return tls.SubjectAltNameMatcher(san_type=kind, matcher=matcher.StringMatcher(exact=name))
