"""The server's own environment variables, which have tokens and the password of a database."""

from __future__ import annotations

import ctypes


def hide_values(prefix: str) -> None:
    """Overwrite the values of this process's variables where other processes read them (proc(5), /proc/PID/environ).

    A notebook runs as the server's user, and could read them there. ``os.environ`` keeps its copy.
    """
    start = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    for address in _entries(start):
        name, _, value = ctypes.string_at(address).partition(b"=")
        if name.startswith(prefix.encode()):
            ctypes.memset(address + len(name) + 1, 0, len(value))


def _entries(start: ctypes._Pointer[ctypes.c_void_p]) -> list[int]:
    """Return the addresses of the entries of a list that ends in a null pointer."""
    addresses: list[int] = []
    while start and (address := start[len(addresses)]):
        addresses.append(address)
    return addresses
