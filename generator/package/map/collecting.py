"""What a row left: checked, moved to the row's folder, and summed up for the table of results.

Everything here was written by a notebook. It is checked as `packmill run` checks outputs, before anything is moved.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generator.package.map.journal import Ended
from generator.shared import contract

_LARGEST = 16 << 20
"""Bytes of a record that is read."""


def collect_row(left: Path, final: Path, answer: Mapping[str, Any]) -> Ended:
    """Move what a row left to its folder, and return how it ended."""
    from cwltool.errors import WorkflowException

    from generator.package.engines.checked_cwltool.outputs import OutputFolder

    results = left / contract.output_folder
    try:
        if results.is_symlink() or not results.is_dir():
            return _ended(answer, {}, {}, {})
        OutputFolder(str(left), inside="").clear(str(results))
    except WorkflowException as error:
        shutil.rmtree(results, ignore_errors=True)
        return Ended(state="failed", reason="output-refused", message=str(error))
    record = _read(results / contract.result_file)
    scraps, outputs = _read(results / contract.scraps_file), _read(left / contract.output_object_file)
    _put(results, final)
    return _ended(answer, record, scraps, _paths(outputs))


def _put(results: Path, final: Path) -> None:
    """Give results their final name; results of an earlier attempt are removed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists():
        retired = results.with_name("retired")
        final.rename(retired)
        shutil.rmtree(retired, ignore_errors=True)
    results.rename(final)


def _ended(
    answer: Mapping[str, Any], record: Mapping[str, Any], scraps: Mapping[str, Any], outputs: Mapping[str, Any]
) -> Ended:
    state = "succeeded" if answer.get("state") == "succeeded" else "failed"
    message = answer.get("message") if "message" in answer else answer.get("error")
    return Ended(
        state=state,
        reason=_text(answer.get("reason")),
        message=_text(message),
        cell=_failing_cell(record) if state == "failed" else None,
        seconds=_number(record.get("duration")),
        peak_memory=record["peak_memory"] if isinstance(record.get("peak_memory"), int) else None,
        note=_text(answer.get("note")),
        scraps=dict(scraps),
        outputs=dict(outputs),
    )


def _failing_cell(record: Mapping[str, Any]) -> int | None:
    """Return the number of the last cell that began: the one that failed."""
    cells = record.get("cells")
    last = cells[-1] if isinstance(cells, list) and cells else None
    number = last.get("cell") if isinstance(last, dict) else None
    return number if isinstance(number, int) and record.get("reason") == "cell-error" else None


def _paths(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths of the declared outputs and of the executed notebook, below the row's folder."""
    own = {"scraps", "scrap_files", contract.output_dir}
    return {name: _path(value) for name, value in outputs.items() if name not in own}


def _path(value: Any) -> Any:
    if isinstance(value, list):
        return [_path(item) for item in value]
    path = value.get("path") if isinstance(value, dict) else None
    return path.removeprefix(f"{contract.output_folder}/") if isinstance(path, str) else None


def _read(path: Path) -> dict[str, Any]:
    """Read a record that may be anything; empty unless it is a JSON object of bounded size in a regular file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            document = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
