"""The operator's settings, which are environment variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from generator.machine.finding import Finding, State
from generator.request.settings import read_settings, variables
from generator.shared.errors import UsageError


def check(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check that the variables are valid; their values may be secrets and are not shown."""
    known = sorted(name for name in variables if name.startswith("PACKMILL_") and environment.get(name))
    try:
        read_settings(environment)
    except UsageError as error:
        yield Finding(name="settings", state=State.MISSING, detail=str(error), exit_code=error.exit_code)
        return
    yield Finding(name="settings", state=State.OK, detail=", ".join(known) or "no PACKMILL_ variable is set")
