"""``packmill map``: run a package for every row of a table, and write a table of results."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import posixpath
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

from generator.containers.limits import ContainerLimits, container_limits
from generator.package.hints import find_process
from generator.package.map.containers import ContainerPlan, map_label, remove_containers
from generator.package.map.counting import Counter
from generator.package.map.earlier_files import claim_tables, refuse_files_of_others, remove_outdated_tables
from generator.package.map.engine_rows import EnginePlan, EngineScheduler
from generator.package.map.folders import delivered_apart, digits_of, remove_folder, row_folders, rows_folder
from generator.package.map.journal import Ended, Journal, hidden_folder, open_journal
from generator.package.map.planning import LEAST_MEMORY, LOCAL, TOIL, MapRequest, plan_map
from generator.package.map.records import text
from generator.package.map.report import write_report
from generator.package.map.results import Result, write_results
from generator.package.map.row_table import RowTable
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Schedule, Scheduler, TooManyFailuresError
from generator.package.map.syncing import synced
from generator.package.map.toil.plan import SINGLE_MACHINE, ToilPlan
from generator.package.map.toil.scheduler import ToilScheduler
from generator.package.map.tool import Tool
from generator.package.map.tuning import Proposal, propose
from generator.package.map.tuning import retries as tuning_retries
from generator.package.output_folder import refuse_links
from generator.package.record import read_record
from generator.package.run import engine_options
from generator.progress import Progress
from generator.shared.errors import DiskFullError, RunError
from generator.shared.passing_errors import is_full_disk
from generator.shared.sqlite_errors import is_without_space

_RESUME = "the same command with --resume runs what is missing"
Plan = ContainerPlan | EnginePlan | ToilPlan
"""How rows run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MapSummary:
    """How a map ended: numbers of rows, and the files with the results."""

    rows: int
    succeeded: int
    failed: int
    missing: int
    written: tuple[Path, ...]
    first_failure: str = ""
    process: str = ""
    """The path of the process in its repository."""
    proposal: Proposal | None = None
    """The resources that rows need, if the map was to measure them."""


def map_package(
    request: MapRequest,
    *,
    limits: ContainerLimits | None = None,
    network: str | None = None,
    guarded: Sequence[str] = (),
    counter: Callable[[int, int], Counter] = Counter,
) -> MapSummary:
    """Run a package for every row of a table; progress goes to stderr.

    ``limits`` apply to all containers together, ``network`` and ``guarded`` are those of `generator.package.run`.
    ``counter`` makes what shows the progress, from the number of rows and of those that have results.

    Raises:
        UsageError: rows do not fit the interface, or the output folder is in use, or has links or files of others where
            the map writes; nothing was started.
        DocumentError: the package has parts that packmill does not write, and is not trusted; nothing was started.
        DiskFullError: the results do not fit on their disk; rows that ended are stored.
        RunError: no container can be started, or the package was replaced before a CWL engine had started all rows.
    """
    progress = Progress()
    planned = plan_map(request, progress, guarded)
    title, process = _title(request.package), _process(request.package)  # a build may replace the package meanwhile
    row_folders(planned.rows, request.folder_template)  # a wrong template creates no folder
    outdir = request.outdir.resolve()
    with open_journal(outdir, resume=request.resume) as journal, _written_to(outdir), synced(journal):
        refuse_files_of_others(outdir, journal, report=request.report)
        _forget_lost(journal, progress.warn)
        if journal.change_tool(_identity(planned.tool)):
            progress.warn("rows that have results keep them, although the package has another image or other options")
        digits = journal.digits(digits_of(planned.rows))
        folders = row_folders(planned.rows, request.folder_template, digits=digits)
        refuse_links(outdir, *{posixpath.dirname(f"{rows_folder}/{place}") for place in folders.values()})
        rows = delivered_apart(planned.rows, folders)
        table = RowTable(outdir, rows, folders, journal)
        if outdated := journal.count_outdated(rows, folders):
            what = f"rows that ended with other values, or are not in the table any more: {outdated}"
            place = outdir / rows_folder
            progress.warn(f"{what}; their results stay in {place} until rows with the same folders have ended")
        journal.forget(sorted(journal.numbers() - folders.keys()))
        own, load = limits or container_limits(), os.getloadavg()[0]
        left = table.to_run(request.tune)
        parallel = 1 if request.tune else request.parallel or planned.parallel(own, len(left))
        _announce(request, progress, table, left=len(left), parallel=parallel, engine=planned.engine)
        with _work_folder(outdir, progress.warn) as (work, label):
            shared = replace(own, memory=max(LEAST_MEMORY, own.memory // parallel))
            containers = ContainerPlan(
                tool=planned.tool,
                work=work,
                limits=shared,
                network=network,
                variables=tuple(guarded),
                way=request.way,
                label=label,
            )
            plan: Plan = containers
            if planned.engine == TOIL and not planned.is_staged:
                plan = toil_plan(request, replace(containers, limits=own), outdir / hidden_folder / TOIL)
            elif planned.engine != LOCAL:
                plan = EnginePlan(
                    engine=planned.engine,
                    documents=planned.documents,
                    package=planned.package,
                    options=engine_options(request.options, guarded=guarded, network=network),
                    limits=replace(shared, labels=(*shared.labels, map_label(label))),
                    work=work,
                    trust=request.trust,
                    cluster=planned.cluster(request),
                )
            try:
                total = len(left) if request.tune else len(table.rows)
                shown = counter(total, total - len(left))
                _run(request, plan, table, left, parallel=parallel, counter=shown)
            finally:
                results = table.results(warn=progress.warn)
                claim_tables(journal, report=request.report)
                written = write_results(outdir, results, warn=progress.warn)
                if request.report:
                    written.append(write_report(outdir, results, package=title, tables=written))
                remove_outdated_tables(outdir, journal, written)
        ended = [one for _, _, one in results if one]
        proposal = propose(ended, tool=planned.tool, limits=own, load=load) if request.tune else None
        return replace(_summary(results, written), process=process, proposal=proposal)


def toil_plan(request: MapRequest, containers: ContainerPlan, folder: Path) -> ToilPlan:
    """Return how Toil runs the rows that a request asks for."""
    batch_system = request.batch_system or SINGLE_MACHINE
    return ToilPlan(
        # With a label of its own: jobs that outlived their leader still use their containers when a map begins or ends.
        containers=replace(containers, label=f"{containers.label}-{TOIL}"),
        folder=folder,
        batch_system=batch_system,
        container=request.container or "docker",
        options=request.options,
        rows_per_job=request.rows_per_job,
        parallel=request.parallel,
    )


def require_success(summary: MapSummary) -> None:
    """Fail if a row failed, or is missing although the map was to run all.

    Raises:
        RunError: one did.
    """
    if summary.failed or (summary.missing and not summary.proposal):
        not_run = f", {summary.missing} were not run" if summary.missing else ""
        raise RunError(f"{summary.failed} of {summary.rows} rows failed{not_run}; {summary.first_failure}")


@contextmanager
def _written_to(outdir: Path) -> Iterator[None]:
    """Report that the results cannot be written, such as on a full disk, as what ended the map."""
    try:
        yield
    except BrokenPipeError:
        raise
    except DiskFullError as error:
        raise DiskFullError(error.error, _RESUME) from None
    except (OSError, sqlite3.Error) as error:
        problem = f"results cannot be written: {getattr(error, 'strerror', None) or error}"
        if is_full_disk(error) or (isinstance(error, sqlite3.Error) and is_without_space(error, outdir)):
            raise DiskFullError(OSError(errno.ENOSPC, problem, str(outdir)), _RESUME) from None
        raise RunError(f"{outdir}: {problem}; {_RESUME}") from None


def _run(
    request: MapRequest,
    plan: Plan,
    table: RowTable,
    left: Sequence[PlannedRow],
    *,
    parallel: int,
    counter: Counter,
) -> None:
    """Run the rows that are left, and report progress."""
    progress = Progress()

    def note(row: PlannedRow, ended: Ended) -> None:
        table.store(row, ended)
        counter.note(row, ended)

    schedule = Schedule(
        parallel=parallel,
        isolated=request.isolated,
        retries=max(request.retries, tuning_retries) if request.tune else request.retries,
        max_failures=request.max_failures,
    )
    try:
        if isinstance(plan, EnginePlan):
            EngineScheduler(plan, schedule, table.claim, on_end=note, on_wait=counter.show).run(left)
        elif isinstance(plan, ToilPlan):
            ToilScheduler(plan, schedule, table.claim, on_end=note, on_wait=counter.show).run(left)
        else:
            Scheduler(plan, schedule, table.claim, on_end=note, on_wait=counter.show).run(left)
    except TooManyFailuresError as error:
        progress.warn(f"{error}, more than --max-failures {request.max_failures}: no further row was started")
    except KeyboardInterrupt:
        failed = " and those that failed" if counter.failed else ""
        progress.warn(f"interrupted: the same command with --resume runs the {counter.left} rows that are left{failed}")
        raise
    finally:
        counter.finish()


def _identity(tool: Tool) -> int:
    """Return a number for what runs the rows."""
    text = json.dumps([tool.image, *tool.arguments])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _process(package: Path) -> str:
    """Return the path of a package's process in its repository; empty if its record has none: anyone may write one."""
    return _stated(package, "process", "path") or ""


def _title(package: Path) -> str:
    """Return the name of a package's process for people."""
    return _stated(package, "metadata", "name") or _process(package) or package.name


def _stated(package: Path, part: str, name: str) -> str | None:
    """Return a text of a package's record."""
    record = read_record(find_process(package).parent)
    stated = record.get(part) if isinstance(record, dict) else None
    return text(stated.get(name)) if isinstance(stated, dict) else None


def _announce(
    request: MapRequest, progress: Progress, table: RowTable, *, left: int, parallel: int, engine: str
) -> None:
    rows = len(table.rows)
    kept = f", {rows - left} of them have results" if left < rows else ""
    which = f"{left} of {rows} rows, to measure them" if request.tune else f"{rows} rows{kept}"
    with progress.step(f"Running {request.package} for {which}"):
        if left:
            how = f"with {engine}" if engine != LOCAL else "fresh kernels"
            how = "one container a row" if request.isolated else how
            how = f"{parallel} at a time, {how}"
            if engine == TOIL:
                how = f"jobs of Toil on {request.batch_system or SINGLE_MACHINE}"
            progress.say(f"{how}; results in {request.outdir}")


def _forget_lost(journal: Journal, warn: Callable[[str], None]) -> None:
    if lost := journal.forget_lost():
        warn(f"{lost} rows ended just before the machine stopped; their files may be incomplete, so they run again")


@contextmanager
def _work_folder(outdir: Path, warn: Callable[[str], None]) -> Iterator[tuple[Path, str]]:
    """Yield a folder for the rows that run, and the label of their containers; both are removed at the end.

    Those of a killed map are removed first: its containers may still write.
    """
    label = hashlib.sha256(str(outdir).encode()).hexdigest()[:16]
    remove_containers(label, warn)
    for left in (outdir / hidden_folder).glob("work-*"):
        remove_folder(left)
    work = Path(mkdtemp(prefix="work-", dir=outdir / hidden_folder))
    try:
        yield work, label
    finally:
        try:
            remove_containers(label, warn)
        finally:  # also if it was interrupted
            remove_folder(work)


def _summary(results: Sequence[Result], written: Sequence[Path]) -> MapSummary:
    failed = [(row, ended) for row, _, ended in results if ended and not ended.has_succeeded]
    succeeded = sum(1 for _, _, ended in results if ended and ended.has_succeeded)
    first = f"row {failed[0][0].number}: {failed[0][1].message or failed[0][1].reason}" if failed else ""
    return MapSummary(
        rows=len(results),
        succeeded=succeeded,
        failed=len(failed),
        missing=len(results) - succeeded - len(failed),
        written=tuple(written),
        first_failure=first.splitlines()[0] if first else "",
    )
