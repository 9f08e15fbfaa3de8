"""Listening sockets of HTTP servers."""

from __future__ import annotations

import errno
import socket


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, for a server to listen on.

    Raises:
        OSError: the address is in use or cannot be bound; the error has a ``strerror``.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off, which costs 40 ms an answer, only where the protocol is named
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OverflowError as error:
        bound.close()
        raise OSError(errno.EINVAL, str(error)) from None
    except OSError:
        bound.close()
        raise
    return bound
