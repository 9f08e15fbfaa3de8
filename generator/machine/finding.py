"""The result of one check of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from generator.notebook.parameters import Word


class State(Word):
    """How much the result matters."""

    OK = "ok"
    OPTIONAL = "optional"
    """Missing, and only some features need it."""
    WARNING = "warning"
    """Present, and may not be enough."""
    MISSING = "missing"
    """Builds or runs fail without it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of the report; ``fix`` is a command, and ``exit_code`` that of the failure a missing part leads to."""

    name: str
    state: State
    detail: str
    fix: str = ""
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as ``--json`` prints it; parts without a command have none."""
        stated = {"name": self.name, "state": str(self.state), "detail": self.detail, "fix": self.fix}
        return {key: value for key, value in stated.items() if value}
