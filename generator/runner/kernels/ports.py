"""The ports of a kernel that takes no Unix sockets: they have to be free until it binds them, seconds later."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from random import SystemRandom

_LOWEST = 20_000
"""The lowest port to try: well-known services have lower ones."""
_MOST_TRIES = 100


def free_ports(channels: Iterable[str]) -> dict[str, int]:
    """Choose a free port for each channel, which Linux gives to no other program before the kernel uses it.

    Linux gives those of `ip_local_port_range` (ip(7)) to connections, and to programs that ask for any port.
    """
    with ExitStack() as stack:
        ports = {}
        for channel in channels:
            listener = stack.enter_context(socket.socket())
            for port in (*_ports_below_those_of_linux(), 0):
                with suppress(OSError):  # in use
                    listener.bind(("127.0.0.1", port))
                    break
            ports[channel] = int(listener.getsockname()[1])
        return ports


def _ports_below_those_of_linux() -> list[int]:
    """Return ports to try, in any order; none if there are few."""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return []
    if lowest < _LOWEST + 10 * _MOST_TRIES:
        return []
    return SystemRandom().sample(range(_LOWEST, lowest), _MOST_TRIES)  # other ones in each process, with any seed
