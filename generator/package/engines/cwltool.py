"""cwltool, in packmill's own program that limits containers and checks outputs; and its validation of documents."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import generator
from generator.containers.limits import ContainerLimits, container_limits
from generator.package.engines.environment import kept_variables
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import DocumentError
from generator.subprocesses.commands import run

name = "cwltool"

_START = (
    "import sys; sys.path[:] = [one for one in sys.path if one]; "
    "from generator.package.engines.checked_cwltool import {module}; sys.exit({module}.{function}(sys.argv[1:]))"
)
"""Starts the engine's program. Without the first line, Python would import modules from the current folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """The result of cwltool for one document; ``problem`` is empty for a valid one."""

    problem: str
    seconds: float


def command(limits: ContainerLimits, *, trust: bool, left: Leftovers) -> tuple[str, ...]:  # noqa: ARG001 - the limits have it as ``bare``
    """Return the command that starts packmill's cwltool, which ends with this process."""
    own = (str(os.getpid()), str(left.folder), left.label)
    return (*_program("start", "main"), *own, limits.to_json(), "--disable-color")


def environment(variables: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Return cwltool's environment: needed variables, packmill's own program, and temporary files in ``folder``."""
    temporary = {"TMPDIR": str(folder)} if folder else {}
    return {**kept_variables(variables), "PYTHONPATH": str(Path(generator.__file__).parents[1]), **temporary}


def validate(paths: Sequence[Path]) -> list[Validation]:
    """Validate documents with ``cwltool --validate --strict``, in one process: cwltool takes long to load."""
    words = (*_program("program", "validate"), container_limits().to_json(), *map(str, paths))
    done = run(words, environment=environment(os.environ), alone=True, timeout=300)
    try:
        return [Validation(**verdict) for verdict in json.loads(done.stdout)]
    except ValueError:
        problem = f"cwltool ended with exit code {done.code}\n{done.stderr.strip()}".strip()
        return [Validation(problem=problem, seconds=0.0)] * len(paths)


def load(path: Path) -> None:
    """Load a document with cwl-utils' parser.

    Raises:
        DocumentError: the document is not valid CWL v1.2.
    """
    from cwl_utils.parser import cwl_v1_2
    from schema_salad.exceptions import SchemaSaladException

    try:
        cwl_v1_2.load_document(path.resolve().as_uri())
    except SchemaSaladException as error:
        raise DocumentError(f"{path.name}: not valid CWL\n{error}") from None


def _program(module: str, function: str) -> tuple[str, ...]:
    return (sys.executable, "-c", _START.format(module=module, function=function))
