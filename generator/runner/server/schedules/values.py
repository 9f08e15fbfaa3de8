"""The values of schedules, in files that their owner alone can read: they may hold secrets."""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.runner.server.schedules.model import Schedule
from generator.shared import durable_files
from generator.shared.json_text import json_text


def write_values(data: Path, schedule_id: str, values: Mapping[str, Any]) -> str:
    """Write values of a schedule below the server's data folder; return their version, which its row has to name."""
    version = secrets.token_hex(8)
    path = _path(data, schedule_id, version)
    durable_files.make_folder(path.parent, 0o700)
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(json_text(dict(values)))
    durable_files.replace(new, path)
    return version


def read_values(data: Path, schedule: Schedule) -> dict[str, Any]:
    """Return the values of a schedule.

    Raises:
        OSError: they cannot be read; with EINVAL, they are damaged, which does not pass as an error of the disk may.
    """
    path = _path(data, schedule.id, schedule.values)
    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise OSError(errno.EINVAL, "not the values of a schedule", str(path))
    return values


def remove_version(data: Path, schedule_id: str, version: str) -> None:
    """Remove one version of the values of a schedule."""
    _path(data, schedule_id, version).unlink(missing_ok=True)


def remove_values(data: Path, schedule_id: str) -> None:
    """Remove all values of a schedule."""
    for path in (data / "schedules").glob(f"{schedule_id}.*"):
        path.unlink(missing_ok=True)


def _path(data: Path, schedule_id: str, version: str) -> Path:
    """Return the file of a version; that of an earlier packmill has none."""
    return data / "schedules" / (f"{schedule_id}.{version}.json" if version else f"{schedule_id}.json")
