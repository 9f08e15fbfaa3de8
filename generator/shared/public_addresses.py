"""The rule for public addresses, for the guard inside images and the checks outside. Standard library only."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_EMBEDDING = [
    ipaddress.IPv6Network(one)
    for one in (
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765, 6145)
        "::/96",  # IPv4-compatible (RFC 4291)
        "64:ff9b::/96",  # translators' well-known prefix (RFC 6052)
    )
]
"""IPv6 networks whose last 32 bits are the IPv4 address that a connection reaches."""
_UNSPECIFIED_AND_LOOPBACK = (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1"))
_ISATAP = (0x00005EFE, 0x02005EFE)
"""Upper halves of an interface identifier whose lower half is an IPv4 address (RFC 5214)."""
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_MORE = [
    ipaddress.ip_network(one)
    for one in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
]
"""More networks that are not public: cloud services at public addresses, and ranges that older Pythons call global.

2001::/23 has Teredo. Translators' local prefix 64:ff9b:1::/48 (RFC 8215), whose addresses embed IPv4 in one of several
places, is outside of global unicast, as are site-local and discard-only addresses.
"""


def read_address(text: str) -> Address:
    """Return the address that a connection to ``text`` reaches.

    For an IPv6 address that a translator would unwrap (RFC 4291, 3056, 6052) this is the IPv4 address in it.

    Raises:
        ValueError: ``text`` is not an IP address.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address) or address in _UNSPECIFIED_AND_LOOPBACK:
        return address
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def is_public(address: Address) -> bool:
    """Return whether an address is neither private, nor this machine's, nor a cloud's internal service."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = read_address(str(address))
        if inner != address:
            return is_public(inner)
        if address not in _GLOBAL_UNICAST or not _is_public_tunnel(address):
            return False
    listed = any(address in network for network in _MORE if network.version == address.version)
    return not listed and address.is_global and not address.is_multicast


def _is_public_tunnel(address: ipaddress.IPv6Address) -> bool:
    """Return whether an ISATAP address contains a public IPv4 address; True for any other address."""
    interface = int(address) & (1 << 64) - 1
    return interface >> 32 not in _ISATAP or is_public(ipaddress.IPv4Address(interface & 0xFFFFFFFF))
