"""A guard against untrusted URLs that lead to private networks, this machine or cloud metadata.

It checks the address of every connection of the process (Python's audit hook ``socket.connect``), after name resolution
and redirects, for every library. Platforms that run other people's jobs enable it with ``--guard`` or
``PACKMILL_STAGE_GUARD=1``; ``PACKMILL_STAGE_ALLOW`` lists private hosts and networks that stay reachable.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from generator.shared.failures import BadInputsError
from generator.shared.public_addresses import is_public, read_address

Error = TypeVar("Error", bound=BaseException)
_IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class ForbiddenAddressError(OSError):
    """The guard refused a connection."""


class Guard:
    """Allows connections to public and explicitly allowed addresses only."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Resolve ``allowed``: networks, addresses or host names."""
        self._networks: list[_IpNetwork] = []
        for one in allowed:
            self._networks += _resolve_networks(one)
        self._lifted = threading.local()

    def check(self, host: str) -> None:
        """Refuse an address that is not public.

        Raises:
            ForbiddenAddressError: the address is private, this machine's, or a metadata service's.
        """
        if getattr(self._lifted, "now", False):
            return
        try:
            address = read_address(host)
        except ValueError:
            raise ForbiddenAddressError(f"{host}: not an IP address") from None
        allowed = any(address in network for network in self._networks if network.version == address.version)
        if not allowed and not is_public(address):
            raise ForbiddenAddressError(f"{address} is a private address, which is not allowed here")

    def check_name(self, name: str) -> None:
        """Check the addresses of a host that another program, such as a proxy, connects to; ignore unknown names."""
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
        except OSError:
            return
        for host in found:
            self.check(host)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Let this thread connect to any address, such as the platform's own role service."""
        before = getattr(self._lifted, "now", False)
        self._lifted.now = True
        try:
            yield
        finally:
            self._lifted.now = before

    def install(self) -> None:
        """Check every connection from now on, until the process ends."""

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            if event in ("socket.connect", "socket.sendto") and isinstance(arguments[-1], tuple):
                self.check(str(arguments[-1][0]))

        sys.addaudithook(watch)


class NoGuard(Guard):
    """Allows every connection."""

    def check(self, host: str) -> None:
        """Allow every address."""

    def check_name(self, name: str) -> None:
        """Allow every address."""

    def install(self) -> None:
        """Do nothing."""


def choose_guard(*, enabled: bool, allowed: Iterable[str]) -> Guard:
    """Return the guard that the options and the environment request.

    Raises:
        BadInputsError: an allowed name is neither a network nor a known host.
    """
    if not enabled and os.environ.get("PACKMILL_STAGE_GUARD", "0").lower() in ("", "0", "no", "false"):
        return NoGuard()
    named = [*allowed, *os.environ.get("PACKMILL_STAGE_ALLOW", "").replace(",", " ").split()]
    named += [host for name in _PROXIES if (host := urlsplit(os.environ.get(name, "")).hostname)]
    return Guard(named)


def _resolve_networks(text: str) -> list[_IpNetwork]:
    try:
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        pass
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(text, None)}
    except OSError:
        raise BadInputsError(f"{text}: neither a network such as 10.0.0.0/8 nor a known host") from None
    return [ipaddress.ip_network(one.partition("%")[0]) for one in sorted(found)]


def find_forbidden_address(error: BaseException | None) -> ForbiddenAddressError | None:
    """Return the guard's error that a library's error wraps, if any."""
    return find_cause(error, ForbiddenAddressError)


def find_cause(error: BaseException | None, kind: type[Error]) -> Error | None:
    """Return the first error of a kind among an error and its causes."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, kind):
            return one
        parts = (one.__cause__, one.__context__, getattr(one, "reason", None), *one.args)
        parts += tuple(getattr(one, "kwargs", {}).values())  # botocore's
        waiting += [part for part in parts if isinstance(part, BaseException)]
    return None
