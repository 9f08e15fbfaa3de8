"""Resolve host names and check that every address may be reached on behalf of others."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from contextlib import suppress

from generator.network.address_policy import Access, AddressPolicy, locate
from generator.shared import public_addresses
from generator.shared.safe_text import redacted


class PrivateAddressError(OSError):
    """A host has an address that is neither public nor allowed."""


def resolve_checked(host: str, allowed: Iterable[str] = ()) -> list[str]:
    """Resolve a host, and check that each address is public or in one of the allowed networks and hosts.

    Connect to one of these addresses instead of the name, which may resolve to another address the next time.

    Raises:
        PrivateAddressError: an address is neither public nor allowed.
        OSError: the host cannot be resolved.
    """
    try:
        found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, None)))
    except UnicodeError:
        raise OSError(f"{host!r} is not a host name") from None
    names = list(allowed)
    for text in found:
        address = public_addresses.read_address(text)
        if not public_addresses.is_public(address) and not any(_covers(name, host, address) for name in names):
            raise PrivateAddressError(f"{host} has the private address {address}")
    return found


def is_loopback(host: str) -> bool:
    """Check whether a host is this machine, which is reached without TLS."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _covers(entry: str, host: str, address: public_addresses.Address) -> bool:
    try:
        network = ipaddress.ip_network(entry, strict=False)
        return network.version == address.version and address in network
    except ValueError:
        pass
    if entry.lower() == host.lower():
        return True
    with suppress(OSError, UnicodeError):
        return str(address) in {str(found[4][0]) for found in socket.getaddrinfo(entry, None)}
    return False


def check(policy: AddressPolicy, address: str) -> Access:
    """Return how an address may be reached, after checking the policy and the addresses of its host.

    Raises:
        PackmillError: the policy refuses the address, its host has a private address, or the host is unknown; raised
            as the policy's own error class.
    """
    access = policy.access(address)
    if access is Access.PUBLIC:
        shown = redacted(address)
        try:
            resolve_checked(locate(address).host, policy.reachable)
        except PrivateAddressError as error:
            raise policy.error(policy.refusal(shown, f"{error}, and only public addresses are reached here")) from None
        except (OSError, ValueError):
            raise policy.error(f"{shown}: the host is unknown; check the address") from None
    return access
