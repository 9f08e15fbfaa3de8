"""The values of schedules, in files that their owner alone can read: they may hold secrets."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.shared import durable_files
from generator.shared.json_text import json_text


def write_values(data: Path, schedule_id: str, values: Mapping[str, Any]) -> None:
    """Write the values of a schedule below the server's data folder."""
    path = _path(data, schedule_id)
    durable_files.make_folder(path.parent, 0o700)
    new = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(json_text(dict(values)))
    durable_files.replace(new, path)


def read_values(data: Path, schedule_id: str) -> dict[str, Any]:
    """Return the values of a schedule.

    Raises:
        OSError: they cannot be read.
    """
    path = _path(data, schedule_id)
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise OSError(errno.EIO, "not the values of a schedule", str(path))
    return values


def remove_values(data: Path, schedule_id: str) -> None:
    """Remove the values of a schedule."""
    _path(data, schedule_id).unlink(missing_ok=True)


def _path(data: Path, schedule_id: str) -> Path:
    return data / "schedules" / f"{schedule_id}.json"
