"""The server's environment variables: which of them notebooks get, and how the others are kept from them.

A notebook runs as the server's user. So a worker's process starts without these variables, and the memory in which
others could read the server's own is overwritten.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase

OWN = ("PACKMILL_SERVE_*", "PACKMILL_GATEWAY_*", "KG_AUTH_TOKEN")
"""Those with tokens and the database's password, which no option gives to notebooks."""
_NEEDED = (
    *(
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "LC_*",
        "TZ",
        "TERM",
        "TMPDIR",
        "PWD",
        "HOSTNAME",
    ),
    *("PYTHON*", "LD_*", "JUPYTER*", "XDG_*", "CONDA*", "VIRTUAL_ENV", "R_*", "JULIA_*", "NB_*"),
)
"""Those without which programs do not start; a pattern hides none of them, an exact name does."""
_STORAGE = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONTAINER_*"),
)
_DATABASE = ("PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE")


def hidden_names(
    names: Collection[str], *, hide: Collection[str] = (), give: Collection[str] = (), storage: bool, database: bool
) -> frozenset[str]:
    """Choose the variables that notebooks do not get.

    Args:
        names: all variables.
        hide: patterns of further ones.
        give: patterns of those that notebooks get nevertheless, unless they are `OWN`.
        storage: whether the server uses S3.
        database: whether the server uses PostgreSQL.
    """
    hidden = ("PACKMILL_*", *(_STORAGE if storage else ()), *(_DATABASE if database else ()))

    def is_hidden(name: str) -> bool:
        if _fits(name, OWN):
            return True
        if _fits(name, give):
            return False
        return name in hide or _fits(name, hidden) or (_fits(name, hide) and not _fits(name, _NEEDED))

    return frozenset(filter(is_hidden, names))


def _fits(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@contextmanager
def set_for_a_while(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for what the server itself does, and remove them after it."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


def restore_variables(before: Mapping[str, str]) -> None:
    """Undo what was changed since ``before``; each variable that is set costs a call of C, so the others are left."""
    now = dict(os.environ)
    for name in now.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if now.get(name) != value:
            os.environ[name] = value


def overwrite_values(names: Collection[str]) -> None:
    """Overwrite the values of this process's variables where other processes read them (proc(5), /proc/PID/environ).

    The process itself keeps the values.
    """
    start = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    for address in _entries(start):
        name, _, value = ctypes.string_at(address).partition(b"=")
        if os.fsdecode(name) in names:
            ctypes.memset(address + len(name) + 1, 0, len(value))
    for variable in set(names) & os.environ.keys():
        os.environ[variable] = os.environ[variable]  # in other memory, for C libraries


def _entries(start: ctypes._Pointer[ctypes.c_void_p]) -> list[int]:
    """Return the addresses of the entries of a list that ends in a null pointer."""
    addresses: list[int] = []
    while start and (address := start[len(addresses)]):
        addresses.append(address)
    return addresses
