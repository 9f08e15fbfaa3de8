"""What a row left: checked, brought to the row's folder, and summed up for the table of results.

Everything here was written by a notebook. It is checked as `packmill run` checks outputs: what a container left that
has ended, or what was copied out of the reach of one that goes on.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.containers.limits import output_advice
from generator.package.map.copying import LimitExceededError, copy_folder
from generator.package.map.folders import remove_folder
from generator.package.map.journal import Ended
from generator.package.map.records import is_too_large, number, read_object, small_values, text, whole_number
from generator.shared import contract
from generator.shared.failures import OutputLimitError
from generator.shared.passing_errors import is_full_disk
from generator.shared.write_limits import WriteLimits, no_limits

_REFUSED = "output-refused"
_COPY = "copy"
"""The folder of copies next to what a container's rows left; empty between two rows."""


def load_checks() -> None:
    """Import what checks the results of rows, before there are any: it takes a tenth of a second."""
    from generator.package.engines.checked_cwltool import outputs  # noqa: F401


def collect_row(
    left: Path,
    final: Path,
    answer: Mapping[str, Any],
    *,
    limits: WriteLimits = no_limits,
    has_ended: bool = False,
    note: Path | None = None,
) -> Ended:
    """Bring what a row left to its folder, and return how it ended; a row whose results cannot be moved has failed.

    Results of an earlier attempt are removed first, also if this one has none.
    ``has_ended`` is whether its container has: then results are moved. Otherwise they are copied, within ``limits``.
    If the file ``note`` exists, an earlier call that was killed may have moved the results of this attempt.

    Raises:
        OSError: the disk is full.
    """
    try:
        if note and note.exists() and not os.path.lexists(left / contract.output_folder) and final.is_dir():
            return _read(final, left, answer)
        if os.path.lexists(final):  # of an earlier attempt, maybe with other values
            _remove_earlier(final, left.parent)
        return _bring(left, final, answer, limits=limits, has_ended=has_ended, note=note)
    except OSError as error:  # other rows go on
        if is_full_disk(error):
            raise
        message = f"the results cannot be read, or not be moved to {final}: {error.strerror or error}"
        return Ended(state="failed", reason=_REFUSED, message=message)


def _remove_earlier(final: Path, work: Path) -> None:
    """Move earlier results, and remove them: on NFS, a file that a viewer has open stays, and keeps its folder."""
    moved = work / f"earlier-{secrets.token_hex(4)}"
    try:
        final.rename(moved)
    except OSError:  # such as a folder that its owner may not write to
        moved = final
    remove_folder(moved)


def _bring(
    left: Path, final: Path, answer: Mapping[str, Any], *, limits: WriteLimits, has_ended: bool, note: Path | None
) -> Ended:
    if any(path.is_symlink() or not path.is_dir() for path in (left, left / contract.output_folder)):
        return _without_results(answer)
    if has_ended:
        return _collect(left, left, final, answer, note=note)
    copy = left.with_name(_COPY)
    copy.mkdir(mode=0o700, exist_ok=True)
    for one in copy.iterdir():  # of a map that was killed
        remove_folder(one)
    try:
        return _copy(left, copy, limits) or _collect(copy, left, final, answer)
    finally:
        if any(copy.iterdir()):
            remove_folder(copy)


def _copy(left: Path, copy: Path, limits: WriteLimits) -> Ended | None:
    """Copy the results of a row; return why the row fails if they exceed the limits."""
    try:
        copy_folder(left / contract.output_folder, copy / contract.output_folder, limits)
    except LimitExceededError as error:
        return Ended(state="failed", reason=OutputLimitError.reason, message=f"{error}; {output_advice}")
    return None


def _collect(own: Path, left: Path, final: Path, answer: Mapping[str, Any], *, note: Path | None = None) -> Ended:
    """Check the results in the folder ``own``, and move them to their folder."""
    from cwltool.errors import WorkflowException

    from generator.package.engines.checked_cwltool.outputs import OutputFolder

    results = own / contract.output_folder
    try:
        OutputFolder(str(own), inside="").clear(str(results))
    except WorkflowException as error:
        remove_folder(results)
        return Ended(state="failed", reason=_REFUSED, message=str(error))
    _put(results, final, note)
    return _read(final, left, answer)


def _read(final: Path, left: Path, answer: Mapping[str, Any]) -> Ended:
    """Return how a row ended, with what its checked results and its output object contain."""
    record, scraps = read_object(final / contract.result_file), read_object(final / contract.scraps_file)
    outputs = _paths(read_object(left / contract.output_object_file))
    ended = _ended(answer, record, scraps, outputs)
    left_out = []
    if is_too_large(final / contract.scraps_file):
        left_out.append("scraps")
    if is_too_large(left / contract.output_object_file) or len(ended.outputs) < len(outputs):
        left_out.append("outputs")
    if not left_out or ended.message:
        return ended
    return replace(ended, message=f"too large for the tables of results: {', '.join(left_out)}; see the row's folder")


def _without_results(answer: Mapping[str, Any]) -> Ended:
    ended = _ended(answer, {}, {}, {})
    if not ended.has_succeeded:
        return ended
    return Ended(state="failed", reason=_REFUSED, message="the folder of results was removed or replaced")


def _put(results: Path, final: Path, note: Path | None) -> None:
    """Write the note, and then give results their final name."""
    final.parent.mkdir(parents=True, exist_ok=True)
    if note:
        note.touch()
    results.rename(final)


def _ended(
    answer: Mapping[str, Any], record: Mapping[str, Any], scraps: Mapping[str, Any], outputs: Mapping[str, Any]
) -> Ended:
    state = "succeeded" if answer.get("state") == "succeeded" else "failed"
    message = answer.get("message") if "message" in answer else answer.get("error")
    return Ended(
        state=state,
        reason=text(answer.get("reason")),
        message=text(message),
        cell=_failing_cell(record) if state == "failed" else None,
        seconds=number(record.get("duration")),
        peak_memory=whole_number(record.get("peak_memory")),
        container_memory=whole_number(answer.get("container_memory")),
        cpu_seconds=number(answer.get("cpu_seconds")),
        note=text(answer.get("note")),
        scraps=small_values(dict(scraps)),
        outputs=small_values(dict(outputs)),
    )


def _failing_cell(record: Mapping[str, Any]) -> int | None:
    """Return the number of the last cell that began: the one that failed."""
    cells = record.get("cells")
    last = cells[-1] if isinstance(cells, list) and cells else None
    cell = last.get("cell") if isinstance(last, dict) else None
    return cell if isinstance(cell, int) and record.get("reason") == "cell-error" else None


def _paths(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths of the declared outputs and of the executed notebook, below the row's folder."""
    own = {"scraps", "scrap_files", contract.output_dir}
    return {name: _path(value) for name, value in outputs.items() if name not in own}


def _path(value: Any) -> Any:
    if isinstance(value, list):
        return [_path(item) for item in value]
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or ".." in path.split("/") or path.startswith("/"):
        return None
    return path.removeprefix(f"{contract.output_folder}/")
