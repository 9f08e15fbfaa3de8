"""``packmill map --engine``: which engine runs the rows, and when nothing starts."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Finished, commit_all, write_notebook

from generator.containers.limits import container_limits
from generator.package.map.engine_rows import EnginePlan, EngineScheduler
from generator.package.map.journal import Ended, open_journal
from generator.package.map.map import _process, _title, map_package
from generator.package.map.planning import MapRequest
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Attempt, Schedule, Scheduler, next_attempt
from generator.package.package_state import PackageState, read_state
from generator.shared import contract
from generator.shared.errors import EngineMissingError, RunError, UsageError
from generator.shared.removal import remove_tree


@pytest.fixture
def package(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A package with the input ``n``, whose image is taken for present."""
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    monkeypatch.setattr("generator.package.map.map.remove_containers", lambda *_: None)
    monkeypatch.setattr("generator.package.map.planning.require_own_image", lambda *_, **__: None)
    return Path(packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--engine", "local"], "row 2 has an address to fetch or a destination, which takes --engine cwltool"),
        (["--way", "kernel"], "--way kernel is for --engine local"),
    ],
)
def test_an_engine_that_cannot_run_the_rows_is_refused(
    options: list[str], problem: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1\nscene = []  # type: stage-in?")
    commit_all(repository)
    package = packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip()
    (tmp_path / "t.jsonl").write_text('{"n": 1}\n{"n": 2, "scene": ["https://example.org/a.tif"]}\n')

    done = packmill("map", package, tmp_path / "t.jsonl", "--outdir", tmp_path / "out", *options)

    assert done.code == 2
    assert problem in done.err
    assert not (tmp_path / "out").exists()


def test_a_package_may_be_replaced_while_its_map_runs(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scheduler, "run", lambda *_: remove_tree(package))
    outdir = tmp_path / "out"

    summary = map_package(MapRequest(package=package, table=[{"n": 1}], folder=tmp_path, outdir=outdir, report=True))

    assert [path.name for path in summary.written if path.is_file()][-1] == "report.html"
    assert (summary.missing, summary.process) == (1, "process.ipynb")


def test_a_map_with_another_table_keeps_rows_of_the_earlier_one_with_a_warning(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table may be a wrong one; its report is not that of the earlier one."""
    monkeypatch.setattr(Scheduler, "run", _succeed)
    outdir = tmp_path / "out"
    map_package(MapRequest(package=package, table=[{"n": 1}], folder=tmp_path, outdir=outdir, report=True))
    assert (outdir / "rows" / "1").is_dir()
    monkeypatch.setattr(Scheduler, "run", lambda *_: None)

    map_package(MapRequest(package=package, table=[{"n": 2}], folder=tmp_path, outdir=outdir, resume=True))

    assert "rows that ended with other values, or are not in the table any more: 1" in capsys.readouterr().err
    assert (outdir / "rows" / "1").is_dir()
    assert not (outdir / "report.html").exists()
    map_package(MapRequest(package=package, table=[{"n": 1}], folder=tmp_path, outdir=outdir, resume=True))
    assert "1,1,succeeded" in (outdir / "results.csv").read_text()


def test_no_row_takes_the_results_of_another_table_whose_map_was_interrupted(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The map ends after the results of a row replaced others, and before the journal has the row."""
    write_notebook(repository / "process.ipynb", "n = 1\ncity = ''")
    commit_all(repository)
    package = Path(packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip())
    monkeypatch.setattr("generator.package.map.planning.require_own_image", lambda *_, **__: None)
    monkeypatch.setattr("generator.package.map.map.remove_containers", lambda *_: None)
    first = [{"city": "A", "n": 1}, {"city": "B", "n": 1}]
    table = [{"city": "B", "n": 2}, {"city": "A", "n": 2}]
    request = MapRequest(
        package=package, table=first, folder=tmp_path, outdir=tmp_path, folder_template="{{ city }}", resume=True
    )
    monkeypatch.setattr(Scheduler, "run", _succeed)
    map_package(request)
    monkeypatch.setattr(Scheduler, "run", _replace_and_stop)
    with pytest.raises(KeyboardInterrupt):
        map_package(replace(request, table=table))
    ran: list[int] = []
    monkeypatch.setattr(Scheduler, "run", lambda _, rows: ran.extend(row.number for row in rows))

    summary = map_package(request)

    assert (ran, summary.succeeded, summary.missing) == ([2], 1, 1)


def _replace_and_stop(scheduler: Scheduler, rows: Sequence[PlannedRow]) -> None:
    (scheduler.place(rows[0]) / "result.json").touch()
    raise KeyboardInterrupt


def _succeed(scheduler: Scheduler, rows: Sequence[PlannedRow]) -> None:
    for row in rows:
        scheduler.place(row).mkdir(parents=True)
        scheduler.on_end(row, Ended(state="succeeded"))


def test_a_map_does_not_replace_its_table_by_its_results(package: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.csv").write_text("n\n1\n")

    for resume in (False, True):
        with pytest.raises(UsageError, match="choose another --outdir"):
            map_package(
                MapRequest(package=package, table=[{"n": 1}], folder=tmp_path, outdir=tmp_path / "out", resume=resume)
            )

    assert (tmp_path / "out" / "results.csv").read_text() == "n\n1\n"


@pytest.mark.parametrize(
    ("template", "link", "has_begun"),
    [(None, "rows", True), (None, "rows", False), ("{{ n }}/{{ args.row }}", "rows/1", True)],
)
def test_no_row_is_put_behind_a_link_that_a_repository_shipped(
    template: str | None, link: str, has_begun: bool, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scheduler, "run", lambda *_: pytest.fail("rows were started"))
    place = tmp_path / "out" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path)
    with open_journal(tmp_path / "out", resume=False) as journal:
        if has_begun:
            journal.digits(1)
    request = MapRequest(
        package=package, table=[{"n": 1}], folder=tmp_path, outdir=tmp_path / "out", folder_template=template
    )

    with pytest.raises(UsageError, match=f"{link}: is a link"):
        map_package(request)


@pytest.mark.parametrize(
    ("stated", "process", "title"),
    [
        ({"metadata": "x", "process": []}, "", "main"),
        ({"metadata": [], "process": {"path": 1}}, "", "main"),
        ({"metadata": {"name": "\ud800"}, "process": {"path": "\ud800.ipynb"}}, "?.ipynb", "?"),
        ({"metadata": {"name": {}}, "process": {"path": "a.ipynb"}}, "a.ipynb", "a.ipynb"),
    ],
)
def test_a_package_of_a_stranger_has_any_name_and_path(
    stated: dict[str, Any], process: str, title: str, tmp_path: Path
) -> None:
    package = tmp_path / "main"
    package.mkdir()
    (package / "process.cwl").write_text("")
    (package / "package.json").write_text(json.dumps(stated))

    assert (_process(package), _title(package)) == (process, title)


@pytest.mark.parametrize(
    ("reason", "memory"),
    [
        ("out-of-memory", 2), ("kernel-died", 2), ("container-died", 1), ("workflow-failed", 1), ("engine-error", 1),
        ("cell-error", None),
    ],
)  # fmt: skip
def test_a_row_is_repeated_for_reasons_that_may_pass(reason: str, memory: float | None) -> None:
    row = PlannedRow(number=1, values={}, given={})
    ended = Ended(state="failed", reason=reason)

    again = next_attempt(Attempt(row), ended, Schedule(parallel=1, retries=1))

    assert (again and again.memory) == memory
    assert next_attempt(Attempt(row, number=2), ended, Schedule(parallel=1, retries=1)) is None


def _run_rows(
    outcomes: dict[int, Any],
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    ended: dict[int, Ended] | None = None,
    package: PackageState | None = None,
) -> dict[int, Ended]:
    """Run rows whose engine returns an output object, raises or is called; return how each row ended."""

    def execute(document: Path, _: object, *, outdir: Path, **__: object) -> dict[str, Any]:
        outcome = outcomes[int(document.name)]
        if isinstance(outcome, Exception):
            raise outcome
        if callable(outcome):
            outcome = outcome()
        (outdir / contract.output_folder).mkdir(parents=True)
        return outcome

    monkeypatch.setattr("generator.package.map.engine_rows.execute", execute)
    documents = {number: Path(str(number)) for number in outcomes}
    plan = EnginePlan(
        engine="cwltool", documents=documents, options=(), limits=container_limits(), work=work, package=package
    )
    ended = {} if ended is None else ended
    EngineScheduler(
        plan,
        Schedule(parallel=1),
        place=lambda row: work / "rows" / str(row.number),
        on_end=lambda row, how: ended.update({row.number: how}),
        on_wait=lambda _: None,
    ).run([PlannedRow(number=number, values={}, given={}) for number in outcomes])
    return ended


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth"),
        (ValueError("Exceeds the limit (4300 digits)"), "ValueError: Exceeds"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        ({"made": {"path": "{work}/0000001/missing.csv"}}, "FileNotFoundError"),
    ],
    ids=["recursion", "value", "permission", "missing"],
)
def test_an_unexpected_error_of_one_row_fails_that_row_alone(
    outcome: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(outcome, dict):
        outcome = {"made": {"path": outcome["made"]["path"].format(work=tmp_path)}}

    ended = _run_rows({1: outcome, 2: {}}, tmp_path, monkeypatch)

    assert (ended[1].state, ended[1].reason) == ("failed", "engine-error")
    assert message in str(ended[1].message)
    assert ended[2].has_succeeded


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        (lambda folder: (folder / "process.cwl").write_text("new"), [1, 2]),
        (lambda folder: (folder / "package.json").write_text("new"), [1, 2]),
        (lambda folder: (folder / "process.cwl").unlink(), [1, 2]),
        (lambda folder: (folder / "process.cwl").write_text("old"), [1, 2, 3]),
        (lambda folder: (folder / "inputs.yml").write_text("new"), [1, 2, 3]),
    ],
    ids=["a document", "the record", "removed", "the same", "a job file"],
)
def test_no_row_runs_documents_that_replaced_those_of_its_map(
    change: Callable[[Path], object], ran: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine reads them for each row; results of two packages would be in one table."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "process.cwl").write_text("old")
    (folder / "package.json").write_text("{}")
    ended: dict[int, Ended] = {}
    rows: dict[int, Any] = {1: {}, 2: lambda: {"none": change(folder) and None}, 3: {}}
    is_changed = 3 not in ran

    with pytest.raises(RunError, match=r"changed after the map had begun.*--resume") if is_changed else nullcontext():
        _run_rows(rows, tmp_path, monkeypatch, ended=ended, package=read_state(folder))

    assert [number for number, how in ended.items() if how.has_succeeded] == ran


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        EngineMissingError("no container engine"),
    ],
    ids=["disk", "quota", "engine"],
)
def test_what_all_rows_would_fail_with_ends_a_map(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(error)) as raised:
        _run_rows({1: error, 2: {}}, tmp_path, monkeypatch)

    assert raised.value is error
