"""Find modules that a notebook imports and no environment file provides."""

from __future__ import annotations

import posixpath
import sys
from pathlib import Path

from generator.environment.environment import Environment
from generator.notebook.distributions import distribution_of, removed_modules
from generator.notebook.repository_modules import modules_below
from generator.process.process import Process

_PREINSTALLED = {"packmill", "IPython", "ipykernel"}
_WITHOUT_PACKAGES = {"runtime.txt"}


def describe_undeclared(process: Process, environment: Environment, folder: Path) -> str:
    """Warn of imports of the notebook if no environment file declares packages; empty without any."""
    if any(posixpath.basename(file) not in _WITHOUT_PACKAGES for file in environment.files):
        return ""
    known = sys.stdlib_module_names | removed_modules.keys() | _PREINSTALLED
    imports = [one for one in process.imports.modules if one.module not in known]
    if imports:
        local = modules_below(folder)
        imports = [one for one in imports if one.module not in local]
    if not imports:
        return ""
    names = ", ".join(dict.fromkeys(distribution_of(one.name) for one in imports))
    modules = f"{process.path} imports {', '.join(one.module for one in imports)}"
    return f"the repository has no environment, and {modules}; add a requirements.txt that lists: {names}"
