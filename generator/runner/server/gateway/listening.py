"""The address that a gateway listens on."""

from __future__ import annotations

import socket

from generator.shared.failures import BadInputsError
from generator.shared.listening import bound_socket

_BACKLOG = 1024
_ANY = {"": "0.0.0.0", "*": "0.0.0.0"}  # noqa: S104 - what the Kernel Gateway makes of them


def listen_at(host: str, port: int, retries: int) -> socket.socket:
    """Open a listening socket at the first free port of ``retries`` + 1.

    Raises:
        BadInputsError: the address cannot be bound, or is in use.
    """
    host = _ANY.get(host, host)
    why: str | None = ""
    for candidate in range(port, port + retries + 1):
        try:
            listener = bound_socket(host, candidate)
        except OSError as error:
            why = error.strerror
            continue
        listener.listen(_BACKLOG)
        listener.settimeout(0)
        return listener
    raise BadInputsError(f"{host}:{port}: {why}; choose another --ip or --port")


def in_brackets(host: str) -> str:
    """Return a host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host
