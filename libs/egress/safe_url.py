"""Which targets are refused, so that a URL of a customer's can't reach into the operator's network.

What counts is asked at connect time, about the address that is really connected to
(safe_transport.py): a name can resolve differently the second time.
"""

import re
from collections.abc import Callable, Collection
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import httpx

URL_MAX = 2000
HOST_MAX = 253
_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE | re.ASCII)

# What is_global lets pass, or let pass in older Pythons, and is no place to be sent to.
_FORBIDDEN = tuple(
    ip_network(network)
    for network in (
        "168.63.129.16/32",  # the metadata and DNS service of Azure, a public address
        "192.0.0.0/24",  # protocol assignments, among them a metadata address of Oracle
        "192.88.99.0/24",  # relays into 6to4
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # IPv4-compatible, deprecated: a disguise of IPv4 addresses
        "::ffff:0:0:0/96",  # IPv4-translated, the same
        "64:ff9b:1::/48",  # NAT64 into a local network
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4: carries an IPv4 address
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fec0::/10",  # site-local, deprecated
        "ff00::/8",  # multicast
    )
)
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_NAT64 = ip_network("64:ff9b::/96")


Network = IPv4Network | IPv6Network
Allowed = Callable[[str], bool]
"""Says whether an IP address, as the resolver gave it, may be connected to."""


class UnsafeUrl(ValueError):
    """The URL can't be a target; the message says why, for its owner."""


def parse_target(url: str, *, schemes: Collection[str]) -> httpx.URL:
    """Read a URL with one of these schemes. Raises UnsafeUrl for what is no plain one."""
    if len(url) > URL_MAX:
        raise UnsafeUrl(f"is longer than {URL_MAX} characters")
    return read_url(url, schemes=schemes)


def read_url(url: str, *, base: str | None = None, schemes: Collection[str]) -> httpx.URL:
    """Read a URL of any length, relative to `base` where there is one. Raises UnsafeUrl.

    Of what is returned every part can be read.
    """
    try:
        target = httpx.URL(url) if base is None else httpx.URL(base).join(url)
        # It decodes a name that begins with `xn--`, here and in every request that is made with the
        # URL, and raises for what IDNA 2008 does not know. So such names can't be fetched.
        _ = target.host
    except (httpx.InvalidURL, ValueError) as error:
        raise UnsafeUrl("is not a valid URL") from error
    if target.scheme not in schemes:
        raise UnsafeUrl(f"must be an {' or '.join(schemes)} URL")
    if not is_host(target.raw_host.decode("ascii")):
        raise UnsafeUrl("must name a host")
    if target.userinfo:
        raise UnsafeUrl("must not contain a user name or password")
    if target.port is not None and not 0 < target.port < 65536:
        raise UnsafeUrl("has a port that does not exist")
    return target


def any_of(*rules: Allowed) -> Allowed:
    """Return a rule that allows what one of these does."""
    return lambda address: any(rule(address) for rule in rules)


def is_loopback(address: str) -> bool:
    """Say whether an IP address is this machine, in plain: for development."""
    parsed = ip_address(address)
    return any(parsed in network for network in LOOPBACK if network.version == parsed.version)


def is_host(name: str) -> bool:
    """Say whether an ASCII name can be looked up, or is an IP address; without its brackets."""
    if ":" in name:
        return _is_ipv6(name)
    labels = name.removesuffix(".").split(".")
    return len(name) <= HOST_MAX and all(map(_LABEL.fullmatch, labels))


def _is_ipv6(name: str) -> bool:
    try:
        return "%" not in name and bool(IPv6Address(name).exploded)
    except ValueError:
        return False


def public_or_in(networks: Collection[Network]) -> Allowed:
    """Return a rule that allows public addresses and those in the operator's own `networks`."""

    def allowed(address: str) -> bool:
        parsed = _unwrapped(ip_address(address))
        return is_public(address) or any(
            parsed in network for network in networks if network.version == parsed.version
        )

    return allowed


def is_public(address: str) -> bool:
    """Say whether an IP address, as the resolver gave it, is out on the internet."""
    parsed = _unwrapped(ip_address(address))
    return parsed.is_global and not any(
        parsed in network for network in _FORBIDDEN if network.version == parsed.version
    )


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address
