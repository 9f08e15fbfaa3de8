"""Inputs as a platform gives them: folders with a STAC catalog, JSON text, empty lists (``application.cwl``)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from generator.runner.packaged.staged_folder import staged_files
from generator.shared.failures import BadInputsError


def process_inputs(
    inputs: Mapping[str, Any], *, staged: Iterable[tuple[str, str]] = (), plain: Collection[str] = ()
) -> dict[str, Any]:
    """Return the values as the process declares its inputs.

    Args:
        inputs: the input object.
        staged: inputs that are given as a folder, each with its type: ``File`` or ``File[]``.
        plain: inputs that are given as JSON text, or as a list that is empty without a value.

    Raises:
        BadInputsError: a value is not a folder, or its folder does not have the files.
    """
    values = dict(inputs)
    for name in plain:
        if name in values:
            values[name] = _plain_value(values[name])
    for name, kind in staged:
        if values.get(name) is not None:
            values[name] = _files_of(name, kind, values[name])
    return values


def _plain_value(value: Any) -> Any:
    if value == []:
        return None
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _files_of(name: str, kind: str, value: Any) -> Any:
    folders = [_path(name, one) for one in (value if isinstance(value, list) else [value])]
    files = [file for folder in folders for file in staged_files(folder)]
    if kind != "File":
        return files
    if len(files) != 1:
        raise BadInputsError(
            f"{name}: {folders[0] if folders else 'the list'} has {len(files)} files, but the process takes one; "
            "stage in a STAC Item with a single asset, or one asset with the role 'data'"
        )
    return files[0]


def _path(name: str, value: Any) -> Path:
    path = value.get("path") if isinstance(value, dict) else value
    if not isinstance(path, str) or not Path(path).is_dir():
        raise BadInputsError(f"{name}: not a folder; give a Directory with a STAC catalog")
    return Path(path)
