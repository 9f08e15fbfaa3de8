"""What a map is to run: the checked rows, the document of each, and the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.containers.limits import ContainerLimits
from generator.package.engines.cluster import Cluster
from generator.package.hints import find_document, find_process, read_hints
from generator.package.image_presence import require_own_image
from generator.package.image_signatures import Verification
from generator.package.inputs import refuse_remote_files
from generator.package.job_file import read_job
from generator.package.map.checking import values_of_all
from generator.package.map.rows import PlannedRow, plan_rows
from generator.package.map.tables import Row
from generator.package.map.toil.plan import refuse_unverified_files
from generator.package.map.tool import Tool, read_tool
from generator.package.package_state import PackageState, read_state
from generator.package.run import check_trust, require_staging_image
from generator.progress import Progress
from generator.shared.errors import UsageError

LOCAL, CWLTOOL, TOIL = "local", "cwltool", "toil"
"""Values of ``--engine``."""
_WITHOUT_SHARED_FOLDERS = ("kubernetes", "aws_batch", "mesos")
"""Batch systems of Toil whose jobs see the files of the job store alone."""
LEAST_MEMORY = 256
"""MiB of a container."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MapRequest:
    """What ``packmill map`` was asked for."""

    package: Path
    table: Sequence[Row]
    folder: Path
    """Where the paths in the table start."""
    outdir: Path
    job: Path | None = None
    values: Sequence[str] = ()
    folder_template: str | None = None
    parallel: int | None = None
    isolated: bool = False
    resume: bool = False
    retries: int = 0
    max_failures: int | None = None
    way: str = "auto"
    engine: str = "auto"
    batch_system: str | None = None
    """Toil's name of the cluster's scheduler."""
    container: str | None = None
    """The program that starts containers on nodes."""
    rows_per_job: int | None = None
    options: tuple[str, ...] = ()
    """Options of Toil."""
    trust: bool = False
    verification: Verification | None = None
    """The check of the images' signatures."""
    report: bool = False
    only: Path | None = None
    """The one folder of this machine whose files rows may have; None for any."""
    is_job: bool = False
    """Whether this is a job of a CI system, in which the package is at another place each time."""
    tune: int | None = None
    """How many rows to measure, one at a time, instead of running all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MapPlan:
    """The rows to run, the document of each by its number, the tool that all run, and the engine.

    ``package`` is the state of the package before it was checked.
    """

    tool: Tool
    rows: Sequence[PlannedRow]
    documents: Mapping[int, Path]
    package: PackageState
    engine: str
    is_staged: bool = False
    """Whether a row has an address to fetch or a destination."""

    def cluster(self, request: MapRequest) -> Cluster | None:
        """Return where Toil runs the documents of rows; None for another engine."""
        wanted = Cluster(batch_system=request.batch_system, container=request.container)
        return wanted if self.engine == TOIL else None

    def parallel(self, limits: ContainerLimits, rows: int) -> int:
        """Return how many of some rows run at a time on this machine."""
        by_cores = int(limits.most_cpus // max(self.tool.cores, 1))
        by_memory = int(limits.most_memory // max(self.tool.ram, LEAST_MEMORY))
        return max(1, min(by_cores, by_memory, rows))


def plan_map(request: MapRequest, progress: Progress, guarded: Sequence[str]) -> MapPlan:
    """Check the rows and the package, and choose the engine.

    Raises:
        UsageError: rows do not fit the interface, or the engine cannot run them.
        DocumentError: the package has parts that packmill does not write, and is not trusted.
        RunError: an image is missing that no registry has.
    """
    from generator.package.document_rules import broken_rules
    from generator.package.document_rules.values import foreign_files

    folder = find_process(request.package).parent
    state = read_state(folder)
    job_file = request.job or folder / "inputs.yml"
    hints = read_hints(folder)
    start = request.folder if request.is_job else Path.cwd()
    shared = {**read_job(job_file), **values_of_all(request.values, hints, start, request.only)}
    home = folder.resolve() if request.is_job else None
    rows = plan_rows(request.table, shared, hints, folder=request.folder, only=request.only, package=home)
    check_trust(foreign_files(job_file) if request.job is None else [], progress, trust=request.trust)
    documents = {row.number: find_document(request.package, row.values, hints) for row in rows}
    staged = next((number for number, document in documents.items() if document.name != "process.cwl"), None)
    engine = _engine(request, staged, progress)
    document = find_process(request.package)
    for one in {document, *documents.values()}:
        check_trust(broken_rules(one), progress, trust=request.trust, verified=request.verification is not None)
    if request.verification:
        request.verification.check({document, *documents.values()}, progress)
    if engine != LOCAL and guarded:
        for row in rows:
            refuse_remote_files(dict(row.values))
    if staged is not None:
        require_staging_image(folder, ())
    tool = read_tool(document)
    other = (f"--{request.container}",) if request.container else ()
    require_own_image(tool.image, options=other, package=request.package)
    return MapPlan(
        tool=tool, rows=rows, documents=documents, package=state, engine=engine, is_staged=staged is not None
    )


def _engine(request: MapRequest, staged: int | None, progress: Progress) -> str:
    """Choose the engine; ``staged`` is the first row that needs the steps around the process.

    Raises:
        UsageError: the requested engine or way cannot run the rows.
    """
    _check_toil_options(request)
    why = f"row {staged} has an address to fetch or a destination"
    if request.engine == LOCAL and staged is not None:
        raise UsageError(
            f"{why}, which takes --engine {CWLTOOL}; or fetch the files first (packmill-runner stage-in), and give "
            "their paths"
        )
    if request.engine == LOCAL or (request.engine == "auto" and staged is None):
        return LOCAL
    if request.way != "auto" and (request.engine != TOIL or staged is not None):
        raise UsageError(f"--way {request.way} is for --engine {LOCAL}; omit it")
    if request.engine == TOIL:
        if staged is None and request.batch_system in _WITHOUT_SHARED_FOLDERS:
            raise UsageError(
                f"--batch-system {request.batch_system}: its nodes share no folder, which jobs of packmill map need; "
                "run the package's scatter.cwl with toil-cwl-runner"
            )
        if staged is not None and not request.trust:
            raise UsageError(f"{why}, for which Toil requires --trust; or use --engine {CWLTOOL}")
        return TOIL
    if request.engine == "auto":
        progress.say(f"{why}: {CWLTOOL} runs the rows, each in containers of its own")
    return CWLTOOL


def _check_toil_options(request: MapRequest) -> None:
    """Refuse options of Toil for another engine, and images whose signature is not checked.

    Raises:
        UsageError: the engine is not Toil, or its jobs could start image files of a cache with ``--verify``.
    """
    Cluster(batch_system=request.batch_system, container=request.container).check_engine(request.engine)
    given = {"--rows-per-job": request.rows_per_job, f"-- {' '.join(request.options)}": request.options}
    if request.engine != TOIL and (names := [name for name, value in given.items() if value]):
        raise UsageError(f"{names[0]} is for --engine {TOIL}; add that, or omit the option")
    if request.verification and request.container == "singularity":
        refuse_unverified_files()
