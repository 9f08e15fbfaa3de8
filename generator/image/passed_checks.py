"""Remember checks that a process passed, so that editing its notebook does not execute the same imports again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from generator.containers import engine, image_notes
from generator.image import names as image
from generator.image.keys import digest_of
from generator.notebook.repository_modules import modules_below
from generator.process.process import Process
from generator.shared.file_digest import file_sha256

_DECIDING = (".local", ".ipython", ".jupyter", "start", "binder/start", ".binder/start")
"""Paths with which a repository, the home folder of its image, chooses the kernel or the programs that start it."""


def environment_identity(present: engine.Image) -> str:
    """Identify an image without the files that its last layer adds; empty if the environment was built with them."""
    if present.labels.get(image.repository_label) != "beside":
        return ""
    settings = {name: value for name, value in present.config.items() if name != "Labels"}
    return digest_of(json.dumps(settings, sort_keys=True), *present.layers[:-1])


def describe_check(process: Process, folder: Path) -> str:
    """Return a text that is the same for checks with the same result in one environment; empty if none is known.

    Modules of the repository can change with every commit: a notebook that imports one is always checked. Other
    imports can find one too, such as a ``random.py`` next to the notebook, so the text identifies all Python files.
    Repositories with an own kernel or a ``start`` script are always checked, too: these could pass a check for others.
    """
    imports = process.imports
    if any(os.path.lexists(folder / path) for path in _DECIDING):
        return ""
    if not process.is_notebook or not process.language.startswith("python") or imports.installs:
        return ""
    listed = [*imports.modules, *imports.statements]
    if not modules_below(folder).isdisjoint(one.module for one in listed):
        return ""
    facts = {
        "place": process.path.rpartition("/")[0],
        "language": process.language,
        "kernel": process.kernel,
        "exact": process.has_chosen_kernel,
        "inputs": bool(process.interface.inputs),
        "imports": sorted({(one.module, one.name, one.statement) for one in listed}),
        "modules": _digest_modules(folder),
    }
    return f"passed check {json.dumps(facts, sort_keys=True)}"


def recall_kernel(present: engine.Image | None, question: str) -> str | None:
    """Return the kernel of a check that passed without warnings, or None."""
    identity = environment_identity(present) if present and question else ""
    known = image_notes.recall(identity, question) if identity else None
    return known["kernel"] if isinstance(known, dict) and isinstance(known.get("kernel"), str) else None


def note_kernel(present: engine.Image | None, question: str, kernel: str | None) -> None:
    """Remember the kernel of a check that passed without warnings."""
    identity = environment_identity(present) if present and question and kernel else ""
    if identity:
        image_notes.note(identity, question, {"kernel": kernel})


def _digest_modules(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(_python_files(folder)):
        content = os.readlink(path) if path.is_symlink() else file_sha256(path)
        digest.update(json.dumps([str(path.relative_to(folder)), content]).encode())
    return digest.hexdigest()


def _python_files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        linked = [name for name in folders if Path(root, name).is_symlink()]
        named = [name for name in files if name.endswith((".py", ".pyc", ".so", ".pth"))]
        yield from (path for name in (*linked, *named) if (path := Path(root, name)).is_symlink() or path.is_file())
