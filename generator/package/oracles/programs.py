"""Validators of others: each runs in the Python that has it, in a process of its own, without network access.

Their dependencies conflict with packmill's locked ones, so a validator is looked for in packmill's environment, then in
``validators``, an environment inside of it, then in the environment of the program on PATH, as ``pipx`` makes it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from generator.package.engines.environment import kept_variables
from generator.package.oracles.opinion import NotInstalledError, Opinion
from generator.subprocesses.commands import run

INSTALL = "pip install 'packmill[validate]'"
"""The command that installs all of them."""
_INSIDE = Path(__file__).parent / "inside"
_LONGEST = 300.0
"""Seconds for all documents of one validator."""


def judge_with(module: str, documents: Sequence[Path], *, program: str = "") -> list[Opinion]:
    """Judge documents with ``inside/with_MODULE.py``; ``program`` is the validator's own command.

    Raises:
        NotInstalledError: no Python has the module, or a part of the validator is missing.
    """
    python = _python_with(module, program)
    if python is None:
        raise NotInstalledError(INSTALL)
    with TemporaryDirectory(prefix="packmill-validate-") as temporary:
        done = run(
            (str(python), "-I", str(_INSIDE), module),
            environment={**kept_variables(os.environ), "TMPDIR": temporary},
            alone=True,
            timeout=_LONGEST,
            text=json.dumps([str(one.resolve()) for one in documents]),
        )
    try:
        answer = json.loads(done.stdout)
        if isinstance(answer, dict):
            raise NotInstalledError(answer["install"])
        return [_opinion(**one) for one in answer]
    except (ValueError, TypeError):
        last = done.stderr.strip().rpartition("\n")[2]
        return [Opinion(faults=(f"{module} ended with exit code {done.code}: {last}",))] * len(documents)


def _opinion(*, faults: list[str], warnings: list[str], seconds: float) -> Opinion:
    return Opinion(faults=tuple(faults), warnings=tuple(warnings), seconds=seconds)


def _python_with(module: str, program: str) -> Path | None:
    if find_spec(module):
        return Path(sys.executable)
    found = shutil.which(program) if program else None
    of_program = [Path(found).resolve().with_name("python")] if found else []
    pythons = (Path(sys.prefix, "validators/bin/python"), *of_program)
    return next((one for one in pythons if _has(one, module)), None)


def _has(python: Path, module: str) -> bool:
    return python.exists() and any(python.parents[1].glob(f"lib/python3*/site-packages/{module}/__init__.py"))
