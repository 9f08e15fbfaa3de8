"""How the network is used: limits of time, attempts, trust, and the guard. One value for a whole step."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

from generator.shared.failures import BadInputsError
from generator.staging.network.guard import Guard, NoGuard

_TRUST = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSettings:
    """Times are in seconds."""

    parallel: int = 16
    """Files at a time."""
    connect_timeout: float = 20.0
    timeout: float = 60.0
    """How long a connection may be silent."""
    attempts: int = 6
    """Tries in a row that bring no byte, before a file is given up."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    ca_bundle: Path | None = None
    guard: Guard = field(default_factory=NoGuard)

    @property
    def verify(self) -> str | bool:
        """What TLS is verified against: a bundle of certificates, else the ones that the library brings along."""
        if self.ca_bundle:
            return str(self.ca_bundle)
        return next((os.environ[name] for name in _TRUST if Path(os.environ.get(name, "")).is_file()), True)

    def retry_delay(self, attempt: int, *, asked: float | None = None) -> float:
        """The pause before another try: doubled each time, a little by chance, as long as the server asks for."""
        pause = min(self.first_wait * 2.0**attempt, self.longest_wait)
        jittered = pause * (0.5 + random.random() / 2)  # noqa: S311 - spreads clients, guards nothing
        return max(jittered, min(asked or 0.0, self.longest_wait * 2))


def check_ca_bundle(path: Path | None) -> Path | None:
    """A bundle of certificates that is there.

    Raises:
        BadInputsError: it is not.
    """
    if path and not path.is_file():
        raise BadInputsError(f"{path}: there is no such file of certificates")
    return path
