"""Ports for servers that cannot bind to port 0."""

from __future__ import annotations

import errno
import itertools
import os
import socket
from pathlib import Path

_MOST_WORKERS = 16


def _ports() -> range:
    """The ports of this worker: below those that the kernel gives to whoever binds to port 0."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    first = 10240
    share = (first_ephemeral - first) // _MOST_WORKERS
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _MOST_WORKERS
    return range(first + worker * share, first + (worker + 1) * share)


# a second session on this machine starts elsewhere in the range
_candidates = itertools.cycle([*_ports()[os.getpid() % len(_ports()) :], *_ports()])


def is_listening(port: int) -> bool:
    """Return whether something answers on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """Return a port of localhost that nobody uses, and that no other test of this run gets."""
    for port in itertools.islice(_candidates, len(_ports())):
        if _is_free(port, socket.AF_INET, "127.0.0.1") and _is_free(port, socket.AF_INET6, "::1"):
            return port
    raise AssertionError("no port is free")


def _is_free(port: int, family: socket.AddressFamily, address: str) -> bool:
    with socket.socket(family) as probe:
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRNOTAVAIL  # no IPv6 here
    return True
