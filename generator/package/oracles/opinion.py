"""What one validator finds in one document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """The faults and warnings of one validator for one document; both are empty for a valid document."""

    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


class NotInstalledError(Exception):
    """The validator is not installed; ``install`` is the command that installs it."""

    def __init__(self, install: str) -> None:
        self.install = install
        super().__init__(install)
