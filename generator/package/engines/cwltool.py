"""cwltool, in packmill's own program that limits containers and checks outputs; and its validation of documents."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import generator
from generator.containers.limits import ContainerLimits, container_limits
from generator.package.engines.environment import kept_variables
from generator.shared.errors import DocumentError
from generator.subprocesses import run

name = "cwltool"

_START = (
    "import sys; sys.path[:] = [one for one in sys.path if one]; "
    "from generator.package.engines.checked_cwltool.program import main; sys.exit(main(sys.argv[1:]))"
)
"""Starts the engine's program. Without the first line, Python would import modules from the current folder."""


def command(limits: ContainerLimits, *, trust: bool) -> tuple[str, ...]:  # noqa: ARG001 - the limits have it as ``bare``
    """Return the command that starts packmill's cwltool."""
    return (*_program(limits), "--disable-color")


def environment(variables: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Return cwltool's environment: needed variables, packmill's own program, and temporary files in ``folder``."""
    temporary = {"TMPDIR": str(folder)} if folder else {}
    return {**kept_variables(variables), "PYTHONPATH": str(Path(generator.__file__).parents[1]), **temporary}


def validate(path: Path) -> str:
    """Return the problems that ``cwltool --validate --strict`` reports; empty for a valid document."""
    words = (*_program(container_limits()), "--validate", "--strict", "--disable-color", "--", str(path))
    done = run(words, environment=environment(os.environ), alone=True, timeout=300)
    return "" if done.code == 0 else (done.stderr or done.stdout).strip()


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


def _program(limits: ContainerLimits) -> tuple[str, ...]:
    return (sys.executable, "-c", _START, limits.to_json())
