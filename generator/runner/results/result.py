"""``result.json``: the state of a run, for the program that started it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from generator.runner.results.folder import write_result
from generator.runner.results.scraps import Scraps
from generator.shared import contract
from generator.shared.failures import RunFailedError, StatusCodeError
from generator.shared.file_digest import file_sha256
from generator.shared.json_text import json_text, spell_non_finite


@dataclass(slots=True)
class RunRecord:
    """Facts recorded during a run; times are UTC, durations seconds, memory bytes."""

    process: str
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    scraps: Scraps = field(default_factory=Scraps)
    kernel: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cells: list[dict[str, Any]] = field(default_factory=list)
    peak_memory: int | None = None
    notebooks: list[Path] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic, repr=False)

    def list_outputs(self, paths: Iterable[Path], folder: Path) -> None:
        """List the files of the run with their digests; if this is interrupted, the remaining ones have no digest."""
        files = [path for path in sorted(set(paths)) if path.is_file()]
        self.outputs = [{"path": os.path.relpath(path, folder), "size": path.stat().st_size} for path in files]
        for one, path in zip(self.outputs, files, strict=True):
            one["sha256"] = file_sha256(path)

    def write(self, folder: Path, error: BaseException | None) -> None:
        """Write ``result.json`` into ``folder``; ``error`` is the exception that ended the run, if any."""
        duration = time.monotonic() - self._began  # the system's clock may have been set meanwhile
        failure = error if isinstance(error, RunFailedError) else None
        document = {
            "state": "succeeded" if error is None else "failed",
            "reason": None if error is None else failure.reason if failure else "internal-error",
            "exit_code": 0 if error is None else failure.exit_code if failure else 1,
            "error": None if error is None else str(error),
            "status_code": self.scraps.status_code,
            "process": self.process,
            "notebook": os.path.relpath(self.notebooks[0], folder) if self.notebooks else None,
            "kernel": self.kernel,
            "started": self.started.isoformat(),
            "ended": (self.started + timedelta(seconds=duration)).isoformat(),
            "duration": round(duration, 3),
            "peak_memory": self.peak_memory,
            "parameters": spell_non_finite(dict(self.parameters)),
            "cells": self.cells,
            "outputs": self.outputs,
        }
        write_result(folder / contract.result_file, json_text(document) + b"\n")


def check_status(record: RunRecord) -> None:
    """Check the status code that the notebook glued.

    Raises:
        StatusCodeError: the status code is 400 or more.
    """
    status = record.scraps.status_code
    if status is not None and status >= 400:
        raise StatusCodeError(status)
