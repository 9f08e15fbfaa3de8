"""The address of a platform, and the addresses of its resources."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from generator.network.address_policy import locate
from generator.shared.errors import UsageError
from generator.shared.safe_text import printable, redacted


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """A server with OGC API - Processes; ``address`` is that of its landing page, without a slash at the end."""

    address: str

    @property
    def host(self) -> str:
        """The host, with the port if the address has one."""
        return urlsplit(self.address).netloc.lower()

    @property
    def is_encrypted(self) -> bool:
        """Whether others on the network cannot read what is sent."""
        return self.address.startswith("https://")

    @property
    def conformance(self) -> str:
        """The address of the conformance classes."""
        return f"{self.address}/conformance"

    @property
    def processes(self) -> str:
        """The address of the list of processes."""
        return f"{self.address}/processes"

    def process(self, identifier: str) -> str:
        """Return the address of a process."""
        return f"{self.processes}/{quote(identifier, safe='')}"

    def serves(self, address: str) -> bool:
        """Return whether an address has the scheme, the host and the port of this platform."""
        try:
            here, there = locate(self.address), locate(address)
        except ValueError:
            return False
        return (here.scheme, here.host, here.effective_port) == (there.scheme, there.host, there.effective_port)


def parse_platform(text: str) -> Platform:
    """Parse the address of a platform's landing page, or of its list of processes.

    Raises:
        UsageError: the address is not an http or https URL, or has a user, a query or a fragment.
    """
    plain = text.strip().rstrip("/").removesuffix("/processes").rstrip("/")
    shown = printable(redacted(plain))
    try:
        location, url = locate(plain), urlsplit(plain)
    except ValueError:
        raise UsageError(f"{shown!r}: {_ADVICE}") from None
    if location.scheme not in ("http", "https") or url.query or url.fragment or not plain.isprintable():
        raise UsageError(f"{shown!r}: {_ADVICE}")
    if "@" in url.netloc:
        raise UsageError(f"{shown!r}: the address of a platform has no user; set PACKMILL_DEPLOY_TOKEN instead")
    return Platform(address=plain)


_ADVICE = "invalid address of a platform; write it as https://platform.example.org/ogc-api"
