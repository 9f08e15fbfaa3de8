"""The container engine and what builds need of it."""

from __future__ import annotations

from collections.abc import Iterator

from generator.containers.engine import describe_engine
from generator.containers.podman import check_engine
from generator.machine.finding import Finding, State
from generator.shared.errors import EngineMissingError


def check() -> Iterator[Finding]:
    """Check that an engine answers and can build images."""
    try:
        detail = describe_engine()
    except EngineMissingError as error:
        yield _missing("engine", error)
        return
    yield Finding(name="engine", state=State.OK, detail=detail)
    try:
        check_engine()
    except EngineMissingError as error:
        yield _missing("builds", error)
        return
    yield Finding(name="builds", state=State.OK, detail="the engine's command can build images")


def _missing(name: str, error: EngineMissingError) -> Finding:
    detail = str(error).partition(";")[0].partition("\n")[0].partition(": start Docker")[0]
    return Finding(name=name, state=State.MISSING, detail=detail, fix="packmill setup", exit_code=error.exit_code)
