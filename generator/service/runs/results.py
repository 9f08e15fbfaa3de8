"""What a run left: scraps, files by name with size and digest, pictures, its duration and its peak of memory.

The files are a notebook's, so every one of them may be malformed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from generator.service.archives import Archive
from generator.service.http_errors import HttpError
from generator.shared import contract

_TOP = f"results/{contract.output_folder}/"
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
_LARGEST_NUMBER = 1e15
_MOST_FILES, _MOST_SCRAPS, _LONGEST_NAME = 1000, 200, 300
_RECORDS = (contract.result_file, contract.scraps_file, contract.output_object_file)


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputFile:
    """A file; ``path`` in the artifacts, ``sha256`` is empty for files that the runner did not list."""

    path: str
    size: int
    sha256: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether a page can show the file as a picture."""
        return self.path.lower().endswith(_PICTURES)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """The result of a run; ``seconds`` of the process in its container, ``peak_memory`` in bytes."""

    seconds: float | None = None
    peak_memory: int | None = None
    scraps: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, OutputFile] = field(default_factory=dict)


def read_result(archive: Archive) -> RunResult:
    """Read the result of a run from its job's artifacts; what is missing or malformed is left out."""
    record = _json_object(archive, f"{_TOP}{contract.result_file}")
    listed = record.get("outputs")
    digests = {
        str(one["path"]): str(one["sha256"])[:64]
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and isinstance(one.get("path"), str) and isinstance(one.get("sha256"), str)
    }
    files = {
        name.removeprefix(_TOP): OutputFile(path=name, size=size, sha256=digests.get(name.removeprefix(_TOP), ""))
        for name, size in sorted(archive.sizes().items())
        if name.startswith(_TOP) and name.removeprefix(_TOP) not in _RECORDS and len(name) <= _LONGEST_NAME
    }
    scraps = _json_object(archive, f"{_TOP}{contract.scraps_file}")
    return RunResult(
        seconds=_number(record.get("duration")),
        peak_memory=int(peak) if (peak := _number(record.get("peak_memory"))) else None,
        scraps={str(name)[:_LONGEST_NAME]: scraps[name] for name in list(scraps)[:_MOST_SCRAPS]},
        files=dict(list(files.items())[:_MOST_FILES]),
    )


def _json_object(archive: Archive, name: str) -> dict[str, Any]:
    try:
        found = json.loads(archive.read(name))
    except (HttpError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < _LARGEST_NUMBER else None
