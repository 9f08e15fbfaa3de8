"""Check what packmill needs of this machine, without changing it and without the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generator import __version__
from generator.machine.checks import engine, programs, python_packages, registries, resources, settings
from generator.machine.finding import Finding, State


def examine(environment: Mapping[str, str], folder: Path) -> tuple[Finding, ...]:
    """Run all checks; ``folder`` is where packages would go.

    Docker's clients take their own settings from the process's environment.
    """
    return (
        *python_packages.check_required(),
        *programs.check(),
        *engine.check(),
        *resources.check(folder),
        *settings.check(environment),
        *registries.check(environment),
        *python_packages.check_extras(),
        *programs.check_optional(),
    )


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the exit code of the first missing part, 0 if nothing is missing."""
    return next((one.exit_code for one in findings if one.state is State.MISSING), 0)


def to_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the object that ``packmill doctor --json`` prints."""
    return {"packmill": __version__, "ok": exit_code(findings) == 0, "checks": [one.to_dict() for one in findings]}


def describe(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of the report, each with the command that helps."""
    width = max((len(one.name) for one in findings), default=0)
    for one in findings:
        yield f"{one.state:<8}  {one.name.ljust(width)}  {one.detail}"
        if one.fix:
            yield f"{'':<8}  {'':{width}}  fix: {one.fix}"
    missing = [one.name for one in findings if one.state is State.MISSING]
    yield ""
    yield f"missing: {', '.join(missing)}" if missing else "packmill can build and run packages here"
