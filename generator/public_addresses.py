"""Which addresses are public: one rule for the guard inside images and the checks outside. Standard library only."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_MORE = [
    ipaddress.ip_network(one)
    for one in ("168.63.129.16/32", "192.0.0.0/24", "64:ff9b:1::/48", "fec0::/10", "2001::/32", "100::/64")
]
"""What is not public either: services of clouds at public addresses, and ranges that older Pythons call global."""


def read_address(text: str) -> Address:
    """The address that a connection to ``text`` ends at, as far as the text says it.

    That is the IPv4 address within one of IPv6, where a translator on the way would unwrap it (RFC 4291, 3056, 6052).

    Raises:
        ValueError: it is no address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Whether it is neither private, nor this machine's, nor a service of a cloud for its own machines."""
    listed = any(address in network for network in _MORE if network.version == address.version)
    return not listed and address.is_global and not address.is_multicast
