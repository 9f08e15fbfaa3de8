"""Where the executed notebook is stored in the home."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.home_api.notebooks import path_in_home
from generator.runner.server.problems import ProblemError
from generator.runner.server.storage import dated_name
from generator.runner.server.workers.delivery import is_executed
from generator.shared.file_names import is_portable

_FIELD = "output_path"
_LONGEST_NAME = 255


def choose_destination(context: Context, notebook: ServedNotebook, output_path: str | None, now: datetime) -> str:
    """Return the path of the executed notebook, relative to the home.

    Raises:
        ProblemError: 400, the path leads out of the home, is hidden, or is not a notebook's; 403, its folder is not
            writable; 409, another file that is not an executed notebook has it.
    """
    name = dated_name(notebook.path, now)
    if output_path is None:
        _check_writable(context.catalogue.root)
        return name
    is_folder = output_path.endswith("/")
    path = path_in_home(context, output_path + name if is_folder else output_path, _FIELD)
    parts = path.split("/")
    if not path.endswith(".ipynb") or parts[-1] == ".ipynb":
        raise ProblemError(400, f"{_FIELD}: {output_path!r} does not end in '.ipynb', nor in '/' for a folder")
    if any(part.startswith(".") or not is_portable(part) or len(part.encode()) > _LONGEST_NAME for part in parts):
        raise ProblemError(400, f"{_FIELD}: {output_path!r} has a hidden or invalid name; choose another one")
    file = context.storage.file(path, _FIELD)
    _check_writable(file.parent)
    real = file.parent.resolve() / file.name
    if any(real.is_relative_to(folder) for folder in context.catalogue.left_out):
        raise ProblemError(400, f"{_FIELD}: {output_path!r} is in the folder of the server's data; choose another one")
    if path == notebook.path or (os.path.lexists(file) and not is_executed(file)):
        raise ProblemError(
            409, f"{_FIELD}: {output_path!r} exists and is not an executed notebook; choose another path or remove it"
        )
    return path


def _check_writable(folder: Path) -> None:
    """Check before a run, rather than after hours, that a file can be created in a folder, which may be missing.

    Raises:
        ProblemError: 403, this user may not.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise ProblemError(403, f"{there}: not writable, so the executed notebook could not be stored")
