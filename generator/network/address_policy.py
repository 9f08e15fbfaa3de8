"""Decide which addresses requests may name, and which of them get the operator's account. Pure.

An operator lists hosts, hosts with a path, or URLs: ``git.example.org``, ``git.example.org/team``,
``https://git.example.org:8443/team``. An entry covers everything below its path. A listed address may be private, and
the operator's account (ssh keys, git's credential helpers, ``docker login``) is used for it. The word ``public`` covers
every public address, without the account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, urlsplit

from generator.shared.errors import PackmillError, PublishError, RepositoryError, UsageError

OWNER, HOST = "owner", "host"
_ANY_PUBLIC = "public"
_SUBMODULE_WORDS = ("none", OWNER, HOST)
_WORDS = (_ANY_PUBLIC, *_SUBMODULE_WORDS)
"""The entries of a list that are not addresses."""
_PORTS = {"https": 443, "ssh": 22}
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>.+)")
_AMBIGUOUS = re.compile(r"[\\\s\x00-\x1f\x7f]")
"""Characters after which programs disagree about where a URL's host ends."""


class Access(Enum):
    """How an address may be reached."""

    FULL = "any address, with the operator's account"
    PUBLIC = "public addresses alone, without the operator's account"


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """The parts of an address that an allow list compares; ``path`` is None if servers may read it in several ways."""

    scheme: str
    host: str
    port: int | None
    path: tuple[str, ...] | None

    @property
    def effective_port(self) -> int | None:
        """The port, or the default one of the scheme."""
        return self.port or _PORTS.get(self.scheme)

    def is_below(self, entry: Location) -> bool:
        """Return whether an entry of an allow list covers this address."""
        if entry.host != self.host or entry.scheme not in ("", self.scheme):
            return False
        if (entry.scheme or entry.port) and entry.effective_port != self.effective_port:
            return False
        if not entry.path:
            return True
        return self.path is not None and self.path[: len(entry.path)] == entry.path

    def has_owner_of(self, other: Location) -> bool:
        """Return whether both have the same owner on the same server; a repository at a server's top has no owner."""
        if not self.path or not other.path or not self.is_on_host_of(other):
            return False
        return len(self.path) > 1 and self.path[:-1] == other.path[:-1]

    def is_on_host_of(self, other: Location) -> bool:
        """Return whether both are on the same server: one host and one port.

        If their schemes differ, https must use its default port: any user of the host could listen at another port.
        """
        if self.scheme == other.scheme:
            same_port = self.effective_port == other.effective_port
        else:
            same_port = self.scheme != "https" or self.effective_port == _PORTS["https"]
        return bool(self.host) and self.host == other.host and same_port


def locate(address: str) -> Location:
    """Parse a URL, or ``user@host:path`` as git has it, also where the path begins with a number.

    Raises:
        ValueError: the text has no host or an invalid port, or programs may read it in several ways.
    """
    if "://" in address:
        return _locate_url(address)
    scp = _SCP.fullmatch(address)
    if not scp:
        raise ValueError(f"{address!r} has no host")
    return Location(scheme="ssh", host=_host(scp["host"]), port=None, path=_path(scp["path"]))


def _locate_entry(entry: str) -> Location:
    """Parse an entry of an allow list, in which ``host:8443/path`` has a port.

    Raises:
        ValueError: the entry has no host or an invalid port, or programs may read it in several ways.
    """
    has_port = re.match(r"[^/]*:\d+(/|$)", entry)
    if "://" in entry or (_SCP.fullmatch(entry) and not has_port):
        return locate(entry)
    return _locate_url(f"//{entry}")


def _locate_url(text: str) -> Location:
    url = urlsplit(text)
    if not url.hostname or _AMBIGUOUS.search(text):
        raise ValueError(f"{text!r} has no host, or characters that are invalid in URLs")
    return Location(scheme=url.scheme.lower(), host=_host(url.hostname), port=url.port, path=_path(url.path))


def _host(text: str) -> str:
    return text.lower().removesuffix(".")


def _path(text: str) -> tuple[str, ...] | None:
    parts = tuple(unquote(text).strip("/").removesuffix(".git").split("/"))
    if parts == ("",):
        return ()
    return None if any(part in ("", ".", "..") or set(part) & set("\\%") for part in parts) else parts


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressPolicy:
    """The rule for one kind of address: an operator's list, or public addresses if others can reach the service.

    ``reachable`` are networks and hosts that may be private, without the operator's account.
    """

    variable: str
    error: type[PackmillError]
    listed: tuple[str, ...] = ()
    guarded: bool = False
    reachable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a list with an entry that covers nothing.

        Raises:
            UsageError: an entry has no host, or an invalid port or path.
        """
        _check_entries(self.variable, self.listed, words=(_ANY_PUBLIC,))

    def names(self, address: str) -> bool:
        """Return whether the operator's list covers this address."""
        return is_listed(address, self.listed)

    def access(self, address: str) -> Access:
        """Return how this address may be reached; the caller must resolve and check a public one.

        Raises:
            PackmillError: the operator's list does not cover the address; raised as the policy's own error class.
        """
        if self.names(address) or not (self.listed or self.guarded):
            return Access.FULL
        if self.listed and _ANY_PUBLIC not in self.listed:
            raise self.error(self.refusal(address, "not in the list of allowed addresses"))
        return Access.PUBLIC

    def refusal(self, shown: str, problem: str) -> str:
        """Return the message about a refused address."""
        return f"{shown}: {problem}; the operator can allow it in {self.variable}"


def check_submodules(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the entries of ``PACKMILL_SUBMODULES`` if all are ``none``, ``owner``, ``host`` or addresses.

    Raises:
        UsageError: an entry is neither one of these words nor a valid address.
    """
    _check_entries("PACKMILL_SUBMODULES", entries, words=_SUBMODULE_WORDS)
    return entries


def may_use_credentials(submodule: str, repository: str, allowed: tuple[str, ...]) -> bool:
    """Return whether a submodule may be fetched with the credentials of the requested repository."""
    here, there = locate(repository), locate(submodule)
    if OWNER in allowed and there.has_owner_of(here):
        return True
    return (HOST in allowed and there.is_on_host_of(here)) or is_listed(submodule, allowed)


def _check_entries(variable: str, entries: Iterable[str], *, words: Iterable[str]) -> None:
    for entry in entries:
        try:
            path = () if entry in words else _locate_entry(entry).path
        except ValueError:
            path = None
        if path is None:
            raise UsageError(
                f"{variable}: {entry!r}: neither a host nor a URL; "
                "write it as git.example.org, git.example.org/team or https://git.example.org/team"
            )


def is_listed(address: str, entries: Iterable[str]) -> bool:
    """Return whether one of the entries covers an address."""
    try:
        location = locate(address)
    except ValueError:
        return False
    return any(entry not in _WORDS and location.is_below(_locate_entry(entry)) for entry in entries)


any_repository = AddressPolicy(variable="PACKMILL_REPOSITORIES", error=RepositoryError)
any_destination = AddressPolicy(variable="PACKMILL_DESTINATIONS", error=PublishError)
any_platform = AddressPolicy(variable="PACKMILL_PLATFORMS", error=PublishError)
any_hook = AddressPolicy(variable="PACKMILL_HOOKS", error=UsageError)
any_registry = AddressPolicy(variable="PACKMILL_REGISTRIES", error=PublishError)
