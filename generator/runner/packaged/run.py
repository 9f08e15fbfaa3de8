"""``packmill-runner run --process``: a process of the image, from the input object to the output directory."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator.notebook.text_formats import is_notebook_name
from generator.runner.execution.recording import recorded_run
from generator.runner.execution.watching import ignore_signals, limited_writing
from generator.runner.packaged.copy_limits import CopyLimits
from generator.runner.packaged.in_place import NotebookFolder
from generator.runner.packaged.notebook_run import run_notebook
from generator.runner.packaged.output_object import write_output_object
from generator.runner.packaged.outputs import Found, check_outputs, find_outputs
from generator.runner.packaged.platform_inputs import process_inputs
from generator.runner.packaged.process_run import ProcessRun
from generator.runner.packaged.repository_location import RepositoryLocation, locate_repository
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.result_catalog import require_catalogs, write_result_catalog
from generator.runner.packaged.run_folders import home_folder, scratch_folder
from generator.runner.packaged.script_outputs import move_to_declared_places
from generator.runner.packaged.script_run import run_shell
from generator.runner.packaged.tidying import make_usable, tidy
from generator.runner.packaged.values import read_inputs
from generator.runner.packaged.workspace import Workspace
from generator.runner.results.result import RunRecord
from generator.runner.results.scraps import Scraps
from generator.shared import contract
from generator.shared.failures import (
    OutputLimitError,
    ProcessMissingError,
    RunFailedError,
)
from generator.shared.file_names import shown_name
from generator.shared.folder_levels import paths_below
from generator.shared.removal import remove_tree

_MOST_NAMES = 10
"""Files that a message names."""


def run(request: PackagedRun) -> None:
    """Run the process.

    Raises:
        RunFailedError: the run failed; files written before the failure are in the output directory.
    """
    if request.catalog:
        require_catalogs()
    given = read_inputs(request.inputs) if request.inputs else {}
    inputs = process_inputs(given, staged=request.staged, plain=request.plain)
    place = locate_repository(request.repository)
    place.variables.restore(os.environ)
    process = find_process(request.process, place)
    request.output.mkdir(parents=True, exist_ok=True)
    output = request.output.resolve()
    record = RunRecord(process=process, scraps=Scraps(output))

    def describe() -> None:
        if request.catalog:
            write_result_catalog(output, name=request.catalog, time=record.started, say=request.say)

    limit, spent = request.time_limit, request.spent
    with recorded_run(record, output, time_limit=limit, outputs=_written, describe=describe, spent=spent):
        _run(request, inputs, place, output, record)


def _written(output: Path) -> Iterator[Path]:
    return (path for path in paths_below(output) if path != output / contract.result_file)


def _run(
    request: PackagedRun, inputs: dict[str, Any], place: RepositoryLocation, output: Path, record: RunRecord
) -> None:
    kept, kept_home = (None, None) if request.in_place else (request.kept_copy, request.kept_home)
    with home_folder(place.home, kept_home, in_place=request.in_place) as homes, scratch_folder(kept) as scratch:
        workspace: Workspace | NotebookFolder = Workspace(top=scratch / "repository", process=record.process)
        if request.in_place:
            workspace = NotebookFolder(top=place.folder, process=record.process)
        one = ProcessRun(
            request=request,
            inputs=inputs,
            place=place,
            workspace=workspace,
            scratch=scratch,
            output=output,
            record=record,
            outputs=request.declared,
        )
        if isinstance(workspace, Workspace) and request.write_limits.size:
            workspace.budget.room = request.write_limits.size // 2  # of the disk, on top of the limit
        folders = (output, scratch, homes)

        def copied() -> int:
            return workspace.budget.copied if isinstance(workspace, Workspace) else 0

        try:
            with limited_writing(request.write_limits, folders, given=copied):
                (run_notebook if is_notebook_name(record.process) else run_shell)(one)
        except OutputLimitError:
            discard_results(one)
            raise
        finally:
            ignore_signals()
            try:
                found = _collect(one, CopyLimits(request.write_limits, folders, copied()))
            finally:
                if kept is not None and isinstance(workspace, Workspace):
                    workspace.leave_to(kept)
        require_unchanged(workspace, place)
        for warning in check_outputs(found, dict(request.expected), output):
            request.say(f"warning: {warning}")


def require_unchanged(workspace: Workspace | NotebookFolder, place: RepositoryLocation) -> None:
    """Check that a run has not changed files of the user's folder that were too large for its working copy.

    Raises:
        RunFailedError: it has; the message names them.
    """
    changed = workspace.changed_sources() if isinstance(workspace, Workspace) else []
    if changed:
        names = ", ".join(shown_name(name) for name in changed[:_MOST_NAMES])
        more = f" and {len(changed) - _MOST_NAMES} more" if len(changed) > _MOST_NAMES else ""
        raise RunFailedError(
            f"{place.folder}: changed during the run: {names}{more}; they are too large for the "
            "working copy, which has links to them. Write results under other names, or declare these as outputs"
        )


def discard_results(run: ProcessRun) -> None:
    """Remove what a run beyond its limits wrote, but for the executed notebook; its working copy is not collected."""
    run.workspace = Workspace(top=run.scratch / "discarded", process=run.record.process)
    own = {run.executed, run.executed.with_suffix(".html")} if run.executed else set[Path]()
    above = {folder for path in own for folder in path.parents}
    waiting = [run.output]
    while waiting:
        folder = waiting.pop()
        make_usable(folder)
        for path in folder.iterdir():
            if not path.is_dir() or path.is_symlink():
                if path not in own:
                    path.unlink()
            elif path in above:
                waiting.append(path)
            else:
                remove_tree(path)


def _collect(run: ProcessRun, limits: CopyLimits) -> tuple[Found, ...]:
    """Move all results to the output directory, make them fit for delivery, and list the declared outputs.

    Raises:
        OutputLimitError: copies of what links lead to would exceed the limits; only the executed notebook is left.
    """
    try:
        return _gather(run, limits)
    except OutputLimitError:
        discard_results(run)
        _gather(run, limits)
        raise


def _gather(run: ProcessRun, limits: CopyLimits) -> tuple[Found, ...]:
    output = run.output
    reserved = (contract.result_file,)
    warnings = [*run.workspace.collect(output, reserved=reserved, limits=limits), *tidy(output, limits)]
    if not run.record.process.endswith(".ipynb"):
        warnings += move_to_declared_places(run.outputs, output, reserved=reserved)
    for warning in warnings:
        run.request.say(f"warning: {warning}")
    own = {contract.result_file, contract.scraps_file, *run.record.scraps.files}
    if run.executed is not None:
        own |= {path.relative_to(output).as_posix() for path in (run.executed, run.executed.with_suffix(".html"))}
    found = find_outputs(run.outputs, output, own=own)
    if run.request.catalog:
        is_scattered = run.request.all_outputs
        write_output_object(found if is_scattered else (), output, is_one_of_many=is_scattered)
    elif run.executed is not None or run.outputs:
        write_output_object(found, output, executed=run.executed, scraps=run.record.scraps)
    return found


def find_process(process: str, place: RepositoryLocation) -> str:
    """Return the process's posix path relative to the repository's top.

    Raises:
        ProcessMissingError: the path is not a file of the repository.
    """
    relative = posixpath.normpath(process)
    path = place.folder / relative
    if relative.startswith(("..", "/")) or not path.is_file():
        raise ProcessMissingError(f"{process}: not found in the image's repository {place.folder}")
    return relative
