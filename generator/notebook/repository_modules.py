"""Find the Python modules of a repository by the names of its files."""

from __future__ import annotations

import os
from pathlib import Path


def modules_below(repository: Path) -> set[str]:
    """Collect the names of modules and packages anywhere in a repository, as a notebook may change the search path.

    A folder above a module is a package too, even without an ``__init__.py`` (PEP 420), if its name is an identifier.
    """
    names: set[str] = set()
    for root, folders, files in os.walk(repository):
        folders[:] = [name for name in folders if not name.startswith(".")]
        modules = {name.partition(".")[0] for name in files if name.endswith((".py", ".so"))}
        modules = {name for name in modules if name.isidentifier()}
        if modules:
            names |= modules | set(_packages_above(repository, Path(root)))
    return names


def _packages_above(repository: Path, folder: Path) -> list[str]:
    """Return the names of the folders that a module's dotted name can start with."""
    names = [repository.name, *folder.relative_to(repository).parts]
    invalid = [number for number, name in enumerate(names) if not name.isidentifier()]
    return names[invalid[-1] + 1 :] if invalid else names
