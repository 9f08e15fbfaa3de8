"""A guard against addresses that a stranger's URL must not reach: private networks, this machine, cloud metadata.

It watches every connection of the process (Python's audit hook ``socket.connect``), behind names, redirects and
changing name servers, whichever library makes it. On a platform that runs other people's jobs it is switched on with
``--guard`` or ``PACKMILL_STAGE_GUARD=1``; ``PACKMILL_STAGE_ALLOW`` lists what of its own stays reachable.
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
    """A connection that the guard refused."""


class Guard:
    """Which addresses may be connected to."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """``allowed`` are networks, addresses or host names."""
        self._networks: list[_IpNetwork] = []
        for one in allowed:
            self._networks += _resolve_networks(one)
        self._lifted = threading.local()

    def check(self, host: str) -> None:
        """Refuses an address that is not public.

        Raises:
            ForbiddenAddressError: it is private, this machine's, or a metadata service's.
        """
        if getattr(self._lifted, "now", False):
            return
        try:
            address = read_address(host)
        except ValueError:
            raise ForbiddenAddressError(f"{host}: not an address that can be judged") from None
        allowed = any(address in network for network in self._networks if network.version == address.version)
        if not allowed and not is_public(address):
            raise ForbiddenAddressError(f"{address} is a private address, which may not be used here")

    def check_name(self, name: str) -> None:
        """The same for a host that something else will connect to, a proxy; a name that only it knows is its matter."""
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
        except OSError:
            return
        for host in found:
            self.check(host)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Lets this thread reach everything: for what the platform itself provides, such as its own role."""
        self._lifted.now = True
        try:
            yield
        finally:
            self._lifted.now = False

    def install(self) -> None:
        """Watches every connection from now on; what is installed stays until the process ends."""

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            if event in ("socket.connect", "socket.sendto") and isinstance(arguments[-1], tuple):
                self.check(str(arguments[-1][0]))

        sys.addaudithook(watch)


class NoGuard(Guard):
    """Everything may be reached."""

    def check(self, host: str) -> None:
        """Refuses nothing."""

    def check_name(self, name: str) -> None:
        """Refuses nothing."""

    def install(self) -> None:
        """Nothing is watched."""


def choose_guard(*, enabled: bool, allowed: Iterable[str]) -> Guard:
    """The guard as options and environment ask for it.

    Raises:
        BadInputsError: something that is to be allowed is neither a network nor a host.
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
        raise BadInputsError(f"{text}: neither a network such as 10.0.0.0/8 nor a host that is known") from None
    return [ipaddress.ip_network(one.partition("%")[0]) for one in sorted(found)]


def find_forbidden_address(error: BaseException | None) -> ForbiddenAddressError | None:
    """The guard's refusal below what the libraries made of it."""
    return find_cause(error, ForbiddenAddressError)


def find_cause(error: BaseException | None, kind: type[Error]) -> Error | None:
    """The first error of a kind among those that an error is made of."""
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
