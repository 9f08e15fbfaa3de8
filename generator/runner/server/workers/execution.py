"""The execution of one run by a worker: the runner's own packaged run, and its outcome as a row."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.runner.packaged.request import PackagedRun
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Choice, Outcome, Run, RunState
from generator.runner.server.storage import NotebookStorage
from generator.runner.server.variables import set_for_a_while
from generator.runner.server.workers.delivery import deliver
from generator.runner.server.workers.fetching import FetchRules, fetch_files
from generator.runner.server.workers.plain_names import with_plain_names
from generator.runner.server.workers.settings import WorkerSettings
from generator.runner.server.workers.warm_execution import outcome_of, own_surroundings, run_warm
from generator.shared.failures import DiskFullError, InterruptedRunError, RunFailedError, StagingError
from generator.shared.passing_errors import is_full_disk
from generator.shared.write_limits import WriteLimits

_WARNING = "warning: "
_LONGEST_NOTE = 4000
_VALUES_LOST = Outcome(
    state=RunState.FAILED,
    reason=InterruptedRunError.reason,
    message="the machine stopped during the run, whose values were removed after it; start it again",
    exit_code=137,
)
"""A power loss took the row that the run had begun, but not the removal of its values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """What a client may choose of a run besides its values; times in seconds."""

    way: Choice | None = None
    template: str | None = None
    """Template of the executed notebook's path in the output directory."""
    template_args: Mapping[str, str] | None = None
    html: bool = False
    report_mode: bool = False
    time_limit: float | None = None
    cell_time_limit: float | None = None
    deliver: str | None = None
    """Where else the executed notebook is stored (`generator.runner.server.workers.delivery`)."""
    replaces: bool = False
    """Whether it may replace an earlier executed notebook."""
    note: str | None = None
    """What a user should know of how the run was started."""
    fetch: bool = False
    """Whether values name files by address, which the server that took the run allows."""

    def as_json(self) -> dict[str, Any]:
        """Return the options that are set, for the run's row."""
        options = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in options.items() if value not in (None, False)}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a worker keeps from run to run."""

    kernels: WarmKernels
    copy: KeptCopy
    home: KeptHome


def execute_run(
    run: Run,
    folder: RunFolder,
    settings: WorkerSettings,
    kept: Kept,
    *,
    on_cell: Callable[[int, int], None],
) -> Outcome:
    """Execute a run in this process, which has to be in its main thread; never raises."""
    try:
        return _execute(run, folder, settings, kept, on_cell)
    except OSError as error:  # before the run could begin
        full = is_full_disk(error)
        failure = DiskFullError if full else RunFailedError
        return Outcome(state=RunState.FAILED, reason=failure.reason, message=str(error), exit_code=failure.exit_code)


def _execute(
    run: Run, folder: RunFolder, settings: WorkerSettings, kept: Kept, on_cell: Callable[[int, int], None]
) -> Outcome:
    if not folder.inputs_file.exists():
        return _VALUES_LOST
    options = RunOptions(**run.options)
    request = _request(run, options, folder, settings)
    request = replace(
        request,
        kernels=kept.kernels.installed.find,
        kept_copy=None if request.in_place else kept.copy,
        kept_home=None if request.in_place else kept.home,
        on_cell=on_cell,
    )
    reports = _Reports(folder.log_file)
    say = reports.take
    with own_surroundings(folder.path):
        failure = (
            outcome_of(partial(_fetch, folder, settings, request.time_limit, say, on_cell), folder)
            if options.fetch
            else None
        )
        if failure and failure.state is not RunState.SUCCEEDED:
            folder.remove_inputs()
            return failure
        outcome, warm = run_warm(replace(request, say=say), folder, kept.kernels, options.way)
        folder.remove_inputs()
    outcome = with_plain_names(outcome, folder, settings.root / posixpath.dirname(run.process))
    outcome = replace(outcome, way=warm.way, note=reports.note(warm.note))
    if options.deliver:
        storage = NotebookStorage(root=settings.output_root)
        with set_for_a_while(settings.variables):
            outcome = deliver(outcome, folder, options.deliver, storage, replaces=options.replaces)
    return outcome


def _fetch(
    folder: RunFolder,
    settings: WorkerSettings,
    time_limit: float | None,
    say: Callable[[str], None],
    on_cell: Callable[[int, int], None],
) -> None:
    """Fetch the files that the values of a run name by address; no cell runs meanwhile.

    Raises:
        StagingError: this server fetches none.
    """
    if not settings.fetch:
        raise StagingError(
            "the server of this worker fetches no files; start all servers of a database with the same --fetch"
        )
    rules = FetchRules(allowed=settings.fetch_allowed, largest=settings.fetch_limit, time_limit=time_limit)
    fetch_files(folder, rules, say=say, on_wait=partial(on_cell, 0, 0))


@dataclass(slots=True)
class _Reports:
    """What the runner reports of one run: lines of its log, which exists if there are any; warnings become its note."""

    log_file: Path
    warnings: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        with open(self.log_file, "a", encoding="utf-8", errors="backslashreplace") as log:
            print(line, file=log)
        if line.startswith(_WARNING):
            self.warnings.append(line.removeprefix(_WARNING))

    def note(self, first: str | None) -> str | None:
        """Return the note of the run: a sentence, or one a line."""
        return "\n".join(filter(None, (first, *dict.fromkeys(self.warnings))))[:_LONGEST_NOTE] or None


def _request(run: Run, options: RunOptions, folder: RunFolder, settings: WorkerSettings) -> PackagedRun:
    own = folder.source.is_dir()
    return PackagedRun(
        process=posixpath.basename(run.process) if own else run.process,
        output=folder.output,
        inputs=folder.inputs_file,
        repository=str(folder.source if own else settings.root),
        left_out=(settings.data, settings.output_root),
        in_place=settings.in_place and not own,
        template=options.template,
        template_args=options.template_args or {},
        html=options.html,
        save_at_start=False,
        show_cells=False,
        time_limit=_lowest(options.time_limit, settings.time_limit),
        write_limits=WriteLimits(size=settings.output_limit, files=settings.file_limit),
        execution={
            "report_mode": options.report_mode,
            "cell_time_limit": _lowest(options.cell_time_limit, settings.cell_time_limit),
        },
    )


def _lowest(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
