"""Addresses from gateway.yaml in Envoy's form."""

from __future__ import annotations

from envoy_data_plane.envoy.config.core import v3 as core

from extproc.config.settings import Address


def socket(host: str, port: int) -> core.Address:
    """`host` is an IP address, or a name where Envoy resolves names."""
    return core.Address(
        socket_address=core.SocketAddress(address=host, port_value=port, ipv4_compat=host == "::")
    )


def bound(address: Address) -> core.Address:
    """An address to listen on, where Envoy resolves no names."""
    return socket("127.0.0.1" if address.host == "localhost" else address.host, address.port)
