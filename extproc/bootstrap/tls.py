"""TLS in three places: for clients, towards an upstream, towards the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
from envoy_data_plane.envoy.type.matcher import v3 as matcher
from envoy_data_plane.google.protobuf import Any

from extproc.config.fields import is_ip
from extproc.config.settings import MutualTls, Settings, Tls
from extproc.errors import UserError

_SOCKET: Final = "envoy.transport_sockets.tls"


def downstream(settings: Tls) -> core.TransportSocket:
    """HTTP/2 and HTTP/1.1 over TLS 1.2 or later, with the operator's certificate."""
    common = tls.CommonTlsContext(
        tls_params=tls.TlsParameters(tls_minimum_protocol_version=tls.TlsParametersTlsProtocol.TLSv1_2),
        tls_certificates=[_certificate(settings)],
        alpn_protocols=["h2", "http/1.1"],
    )
    return _socket(tls.DownstreamTlsContext(common_tls_context=common))


def upstream(name: str, ca: Path) -> core.TransportSocket:
    """An upstream that shows a certificate for `name` from one of the authorities in `ca`."""
    validation = tls.CertificateValidationContext(
        trusted_ca=_file(ca),
        match_typed_subject_alt_names=[_subject(name)],
    )
    common = tls.CommonTlsContext(validation_context=validation)
    return _socket(tls.UpstreamTlsContext(common_tls_context=common, sni=_sni(name)))


def check_authorities(settings: Settings) -> None:
    """UserError when an upstream's authorities are not on this machine, where Envoy is about to run."""
    for name, upstream in settings.upstreams.items():
        path = settings.path(upstream.ca)
        if upstream.tls and not path.is_file():
            raise UserError(
                f"upstreams.{name}.ca: {path}: no such file; expected the certificates of the authorities "
                "that this machine trusts"
            )


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


def _sni(name: str) -> str:
    return "" if is_ip(name) else name  # RFC 6066, 3: no literal addresses


def _subject(name: str) -> tls.SubjectAltNameMatcher:
    kind = (
        tls.SubjectAltNameMatcherSanType.IP_ADDRESS if is_ip(name) else tls.SubjectAltNameMatcherSanType.DNS
    )
    return tls.SubjectAltNameMatcher(san_type=kind, matcher=matcher.StringMatcher(exact=name))
