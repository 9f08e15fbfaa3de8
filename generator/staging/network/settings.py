"""Network settings of a step: timeouts, attempts, trusted certificates, and the guard."""

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
    """Network settings; times are in seconds."""

    parallel: int = 16
    """Number of parallel transfers."""
    connect_timeout: float = 20.0
    timeout: float = 60.0
    """Longest time without a byte on a connection."""
    attempts: int = 6
    """Consecutive attempts without a byte before a transfer fails."""
    first_wait: float = 0.5
    longest_wait: float = 30.0
    ca_bundle: Path | None = None
    guard: Guard = field(default_factory=NoGuard)

    @property
    def verify(self) -> str | bool:
        """The certificate bundle that TLS is verified against, True for the library's own."""
        if self.ca_bundle:
            return str(self.ca_bundle)
        return next((os.environ[name] for name in _TRUST if Path(os.environ.get(name, "")).is_file()), True)

    def retry_delay(self, attempt: int, *, requested: float | None = None) -> float:
        """Return the seconds before the next attempt: exponential with jitter, at least what the server requests."""
        pause = min(self.first_wait * 2.0**attempt, self.longest_wait)
        jittered = pause * (0.5 + random.random() / 2)  # noqa: S311 - spreads clients, guards nothing
        return max(jittered, min(requested or 0.0, self.longest_wait * 2))


def check_ca_bundle(path: Path | None) -> Path | None:
    """Return the path of a certificate bundle.

    Raises:
        BadInputsError: the file does not exist.
    """
    if path and not path.is_file():
        raise BadInputsError(f"{path}: certificate file not found")
    return path
