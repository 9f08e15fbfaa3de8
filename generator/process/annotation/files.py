"""Read the notebook to prepare, the files next to it, and write it back."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.notebook import read_notebook
from generator.notebook.tag_advice import text_advice
from generator.notebook.text_formats import NOTEBOOK, as_notebook, is_text_name
from generator.process.annotation.guesses import FileKind, FindFile
from generator.process.annotation.plan import Plan, plan_changes
from generator.repository.checkout import inside, read_bytes
from generator.shared import durable_files
from generator.shared.errors import DiskFullError, NotebookError, ProcessError
from generator.shared.passing_errors import is_full_disk


def plan_file(file: Path, *, number: int | None = None) -> Plan:
    """Plan the changes to a notebook on disk.

    Raises:
        ProcessError: the file is missing, unreadable, or of another kind.
        NotebookError, ParametersError: see `plan_changes`.
    """
    data = read_bytes(file, str(file), ProcessError)
    if is_text_name(file.name):
        _refuse_text_notebook(data, file.name)
    if file.suffix != NOTEBOOK:
        raise ProcessError(f"{file}: not an .ipynb; 'packmill init' prepares notebooks")
    top = _repository_of(file)
    sidecar = sidecar_of(file.parent, file.name)
    return plan_changes(data, file.name, number=number, find_file=_finder(top, file.parent), sidecar=sidecar)


def write(file: Path, data: bytes) -> None:
    """Replace a notebook at once, with its permissions; a link stays one.

    Raises:
        ProcessError: the folder cannot be written to, or has no space.
    """
    target = file.resolve()
    new = target.with_name(f".{os.urandom(6).hex()}.new")  # a repository cannot have a link of that name
    try:
        new.touch(mode=0o600, exist_ok=False)
        new.write_bytes(data)
        shutil.copymode(target, new)
        if os.geteuid() == 0:
            os.chown(new, target.stat().st_uid, target.stat().st_gid)
        durable_files.replace(new, target)
    except OSError as error:
        if is_full_disk(error):
            raise DiskFullError(error, folder=file.parent) from None
        raise ProcessError(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):  # on a read-only disk
            new.unlink(missing_ok=True)


def _refuse_text_notebook(data: bytes, name: str) -> None:
    notebook = read_notebook(as_notebook(data, name), name)
    raise NotebookError(
        f"{name}: a text notebook; edit the cell with the parameters: {text_advice(notebook)}, "
        "and write types as in 'n = 86  # type: int'"
    )


def _repository_of(file: Path) -> Path:
    """Return the git repository around a notebook, else its folder."""
    folder = file.resolve().parent
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder)


def _finder(top: Path, folder: Path) -> FindFile:
    def find_file(path: str) -> FileKind:
        if not path.strip() or os.path.isabs(path) or path.strip("./") == "":
            return ""
        real = inside(top, str(folder.resolve() / path))
        return "" if real is None else "file" if real.is_file() else "directory" if real.is_dir() else ""

    return find_file
