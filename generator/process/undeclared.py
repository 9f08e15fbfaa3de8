"""Find modules that a notebook imports and no environment file provides."""

from __future__ import annotations

import posixpath
import sys
from pathlib import Path

from generator.environment.environment import Environment
from generator.notebook.distributions import distribution_of, left_python
from generator.notebook.imports import modules_below
from generator.process.process import Process

_always_there = {"packmill", "IPython", "ipykernel"}


_declares_nothing = {"runtime.txt"}


def undeclared(process: Process, environment: Environment, folder: Path) -> str:
    """A sentence about what the notebook imports where no file says what there is; empty when one does."""
    if any(posixpath.basename(file) not in _declares_nothing for file in environment.files):
        return ""
    known = sys.stdlib_module_names | left_python.keys() | _always_there
    asked = [one for one in process.imports.modules if one.module not in known]
    if asked:
        there = modules_below(folder)
        asked = [one for one in asked if one.module not in there]
    if not asked:
        return ""
    lines = "\n".join(f"  {name}" for name in dict.fromkeys(distribution_of(one.name) for one in asked))
    imported = f"{process.path} imports {', '.join(one.module for one in asked)}"
    return f"no environment is described, and {imported}: a requirements.txt would say\n{lines}"
