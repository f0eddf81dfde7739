"""Where a request comes from, in a form of bounded length that limits can be counted by."""

from ipaddress import IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection

IPV6_PREFIX = 64
"""Bits of an IPv6 address that tell one network from another; the rest its owner chooses freely."""
UNKNOWN = "unknown"
"""All that is not an address: what a proxy forwards can be anything."""


def network(address: str) -> str:
    """Return what an address is counted as: itself, its IPv6 network, or UNKNOWN."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), IPV6_PREFIX), strict=False))


def client_network(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Return what the client of a request is counted as."""
    return network(connection.client.host) if connection.client else UNKNOWN
