"""Metadata that papermill writes into a notebook that it runs, in the same form: paths, times, states, failures.

Readers of papermill's notebooks (its own markers in nbconvert, scrapbook, dashboards) find everything in its place.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

from generator.runner.document.document import Document
from generator.runner.document.injection import papermill_module

_MARKER_TAG = "papermill-error-cell-tag"


def prepare(document: Document, *, input_path: str, output_path: str, report_mode: bool) -> None:
    """Add papermill's metadata to a notebook and remove the markers of an earlier failure."""
    version = str(papermill_module("version").version)
    notes = {"default_parameters": {}, "parameters": {}, "environment_variables": {}, "version": version}
    document.metadata.setdefault("papermill", notes)
    document.metadata["papermill"].update(input_path=input_path, output_path=output_path)
    for index in reversed(range(len(document))):
        cell = document.cell(index)
        if _MARKER_TAG in (cell["metadata"].get("tags") or ()):
            document.remove(index)
            continue
        cell["metadata"].setdefault("tags", [])
        cell["metadata"].setdefault("papermill", {})
        if report_mode and cell.get("cell_type") == "code":
            cell["metadata"]["jupyter"] = {"source_hidden": True}


class Annotations:
    """The times and states of one execution."""

    def __init__(self, document: Document) -> None:
        """Clear the results of an earlier run from the cells."""
        self._document = document
        self._began, self._steady, self._cell_began = datetime.now(timezone.utc), time.monotonic(), 0.0
        notes = document.metadata["papermill"]
        notes.update(start_time=self._began.isoformat(), end_time=None, duration=None, exception=None)
        for index in range(len(document)):
            cell = document.cell(index)
            times = dict.fromkeys(("exception", "start_time", "end_time", "duration"))
            cell["metadata"]["papermill"] = {**times, "status": "pending"}
            if cell.get("cell_type") == "code":
                cell["execution_count"], cell["outputs"] = None, []

    def start_cell(self, cell: dict[str, Any]) -> None:
        """Note the start of a cell."""
        self._cell_began, now = time.monotonic(), self._now().isoformat()
        cell["metadata"]["papermill"].update(start_time=now, status="running", exception=False)

    def finish_cell(self, cell: dict[str, Any], *, failed: bool) -> None:
        """Note the end of a cell."""
        duration = round(time.monotonic() - self._cell_began, 6)
        notes = cell["metadata"]["papermill"]
        notes.update(end_time=self._now().isoformat(), duration=duration, status="failed" if failed else "completed")
        if failed:
            notes["exception"] = self._document.metadata["papermill"]["exception"] = True

    def finish_run(self) -> None:
        """Note the end of the run; cells that were not reached stay pending."""
        now = self._now()
        duration = (now - self._began).total_seconds()
        self._document.metadata["papermill"].update(end_time=now.isoformat(), duration=duration)

    def _now(self) -> datetime:
        """Return the time by a clock that only runs forward: no duration is negative if the system's clock is set."""
        return self._began + timedelta(seconds=time.monotonic() - self._steady)


_STYLE = 'style="color:red; font-family:Helvetica Neue, Helvetica, Arial, sans-serif; font-size:2em;"'
_HEADLINE = f"<span {_STYLE}>An Exception was encountered at '<a href=\"#papermill-error-cell\">In [{{}}]</a>'.</span>"
_ANCHOR = (
    f'<span id="papermill-error-cell" {_STYLE}>'
    "Execution using papermill encountered an exception here and stopped:</span>"
)


def mark_failure(document: Document, index: int) -> None:
    """Insert papermill's two failure notes: at the top, and before the failed cell."""
    count = document.cell(index).get("execution_count")
    document.insert(index, _marker(document, _ANCHOR))
    document.insert(0, _marker(document, _HEADLINE.format(count)))


def _marker(document: Document, text: str) -> dict[str, Any]:
    metadata = {"tags": [_MARKER_TAG]}
    return {"cell_type": "markdown", "id": document.new_id(text), "metadata": metadata, "source": text}
