"""``result.json``: how a run went, for the programs that started it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.runner.failures import RunFailedError

file_name = "result.json"


@dataclass(slots=True)
class Record:
    """What is noted while a run goes on; times are UTC, durations seconds, memory bytes."""

    process: str
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    kernel: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cells: list[dict[str, Any]] = field(default_factory=list)
    peak_memory: int | None = None

    def write(self, output: Path, error: BaseException | None) -> None:
        """Writes the file into the output directory; ``error`` is what ended the run, if anything did."""
        ended = datetime.now(timezone.utc)
        failure = error if isinstance(error, RunFailedError) else None
        document = {
            "state": "succeeded" if error is None else "failed",
            "reason": None if error is None else failure.reason if failure else "internal-error",
            "exit_code": 0 if error is None else failure.exit_code if failure else 1,
            "error": None if error is None else str(error),
            "process": self.process,
            "kernel": self.kernel,
            "started": self.started.isoformat(),
            "ended": ended.isoformat(),
            "duration": round((ended - self.started).total_seconds(), 3),
            "peak_memory": self.peak_memory,
            "parameters": dict(self.parameters),
            "cells": self.cells,
            "outputs": _outputs(output),
        }
        text = json.dumps(document, indent=1, ensure_ascii=False, default=str)
        (output / file_name).write_text(text + "\n", encoding="utf-8")


def _outputs(output: Path) -> list[dict[str, Any]]:
    files = (path for path in sorted(output.rglob("*")) if path.is_file() and path.name != file_name)
    return [{"path": str(p.relative_to(output)), "size": p.stat().st_size, "sha256": _digest(p)} for p in files]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1024**2):
            digest.update(block)
    return digest.hexdigest()
