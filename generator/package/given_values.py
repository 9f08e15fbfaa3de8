"""Values of a run that are Python objects, from a caller of the Python API."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from generator.notebook.parameters import CwlType, Hint
from generator.package.job_file import job_values
from generator.shared.errors import UsageError

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def given_values(values: Mapping[str, Any], hints: Mapping[str, Hint], folder: Path) -> dict[str, Any]:
    """Return Python values as those of a job file; relative paths start at ``folder``.

    Raises:
        UsageError: a value has no form in JSON.
    """
    job = {name: _file_object(value, hints.get(name)) for name, value in values.items()}
    try:
        text = json.dumps(job, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"values: {error}; give JSON values, paths and dates") from None
    return job_values(text, folder.resolve(), name="values")


def _file_object(value: Any, hint: Hint | None) -> Any:
    """Return the path of a file as CWL's object; addresses stay, because a stage-in may be one."""
    if hint is None or hint.type not in (CwlType.FILE, CwlType.DIRECTORY):
        return value
    if isinstance(value, list | tuple):
        return [_file_object(item, hint) for item in value]
    if isinstance(value, str | os.PathLike) and not _ADDRESS.match(os.fspath(value)):
        return {"class": str(hint.type), "path": os.fspath(value)}
    return value


def _plain(value: object) -> Any:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not a value of JSON")
