"""Parts of the runner without an image: values, kernels, the working copy."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support import notebook, read_scraps

from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.runner.packaged.file_copies import CopyBudget
from generator.runner.packaged.process_run import ProcessRun
from generator.runner.packaged.repository_location import RepositoryLocation, locate_repository
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.run import require_unchanged, run
from generator.runner.packaged.values import notebook_values
from generator.runner.packaged.workspace import Workspace
from generator.shared.failures import BadInputsError, RunFailedError
from generator.shared.write_limits import WriteLimits


def values(cell: str, **inputs: Any) -> dict[str, Any]:
    data = json.dumps(notebook(cell)).encode()
    return notebook_values(inputs, read_interface(read_notebook(data, "process.ipynb")))


@pytest.mark.parametrize(
    ("cell", "given", "expected"),
    [
        ("n = 86", 5.0, 5),
        ("n = 86", 5.5, 5.5),
        ("n = 86.0", 5, 5),
        ("n = [1, 2]", [3.0, 4.0], [3, 4]),
        ("n = 1  # type: int", "3", 3),
        ("n = 1  # type: any", 3.0, 3.0),
        ("n = 'x'", "3", "3"),
        ("n = (1, 2)", [3, 4], [3, 4]),
        ("n = {'a': 1}", {"b": [None]}, {"b": [None]}),
        ("n = ''  # type: file", {"class": "File", "path": "/x/y.txt"}, "/x/y.txt"),
        ("n = ['a']  # type: file[]", [{"class": "File", "path": "/x"}], ["/x"]),
        ("n = {'path': 'a'}  # type: file", {"class": "File", "path": "/x"}, {"class": "File", "path": "/x"}),
    ],
)
def test_a_value_reaches_the_notebook_as_the_cell_has_it(cell: str, given: Any, expected: Any) -> None:
    value = values(cell, n=given)["n"]

    assert value == expected
    assert type(value) is type(expected)


def test_null_is_not_given_so_the_cell_s_own_default_stands() -> None:
    assert values("n = compute()\nm = None", n=None, m=None) == {}


def test_a_tuple_that_is_not_changed_is_left_to_the_cell() -> None:
    assert values("n = (1, 2)\nm = [(1, 2)]", n=[1, 2], m=[[1, 2]]) == {}


def test_reserved_names_come_back_under_their_own() -> None:
    assert values("id = 'x'\nclass_ = 1", id_="y", class__=2) == {"id": "y", "class_": 2}


@pytest.mark.parametrize(
    ("cell", "given", "problem"),
    [
        ("n = 'x'", 1.1, "n is the number 1.1, but a string is needed; write it in quotes"),
        ("n = ['x']", ["a", True], "n is the boolean true, but a string is needed; write it in quotes"),
        ("n = '012'  # type: Literal['012']", 12, "n is the number 12, but one of '012' is needed; write it in quotes"),
        ("n = ''  # type: secret", 12345, "n: the secret value is not of type string"),
    ],
)
def test_a_number_is_not_made_text(cell: str, given: Any, problem: str) -> None:
    with pytest.raises(BadInputsError) as refusal:
        values(cell, n=given)

    assert problem in str(refusal.value)
    assert "12345" not in str(refusal.value)


def test_all_values_that_do_not_fit_are_named_together() -> None:
    with pytest.raises(BadInputsError) as refusal:
        values("number = 1  # type: int\nneeded: int", number="x", numbr=1)

    assert "number is 'x', but an int is needed" in str(refusal.value)
    assert "numbr: the notebook has no such parameter; did you mean 'number'?" in str(refusal.value)
    assert "needed: no value is given, and the notebook has no default" in str(refusal.value)


@pytest.fixture
def place(tmp_path: Path) -> RepositoryLocation:
    top = tmp_path / "repository"
    for name in ("work/data/x.csv", "work/module.py", "shared/big.bin", ".config/a", ".cache/b", "work/result.csv"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    (top / "link").symlink_to("work/data")
    (top / ".git").mkdir()
    return RepositoryLocation(folder=top, hidden=frozenset({".config"}))


def test_the_working_copy_has_the_repository_and_nothing_of_the_home(place: RepositoryLocation, tmp_path: Path) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="work/process.ipynb")
    workspace.fill(place)

    assert (workspace.directory / "../shared/big.bin").read_text() == "shared/big.bin"
    assert (workspace.top / "link/x.csv").read_text() == "work/data/x.csv"
    assert (workspace.top / ".config/a").exists()
    assert not (workspace.top / ".cache").exists()
    assert not (workspace.top / ".git").exists()


def test_pipes_and_unreadable_files_are_linked_and_removed_files_left_out(
    place: RepositoryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(place.folder / "pipe")
    (place.folder / "loop").symlink_to(place.folder / "loop")
    copy = shutil.copy2

    def fail_for_some(source: Path, target: Path) -> object:
        if source.name == "module.py":
            raise PermissionError(13, "Permission denied")
        if source.name == "x.csv":
            source.unlink()
        return copy(source, target)

    monkeypatch.setattr(shutil, "copy2", fail_for_some)
    workspace = Workspace(top=tmp_path / "copy", process="work/process.ipynb")
    workspace.fill(place)

    assert (workspace.top / "pipe").readlink() == place.folder / "pipe"
    assert (workspace.top / "loop").is_symlink()
    assert (workspace.directory / "module.py").readlink() == place.folder / "work/module.py"
    assert list((workspace.directory / "data").iterdir()) == []
    assert workspace.collect(tmp_path / "output") == []
    assert not (tmp_path / "output").exists()


def test_only_what_was_written_is_collected(place: RepositoryLocation, tmp_path: Path) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="work/process.ipynb")
    workspace.fill(place)
    here = workspace.directory
    (here / "new.txt").write_text("new")
    (here / "result.csv").write_text("changed")
    (here / "data/more").mkdir()
    (here / "empty").mkdir()
    (here / "../shared/above.txt").write_text("above")
    (here / "inner").symlink_to("new.txt")
    (here / "outer").symlink_to("/no/such/file")
    (here / "__pycache__").mkdir()
    (here / "__pycache__/module.pyc").write_text("x")
    os.mkfifo(here / "pipe")

    warnings = workspace.collect(tmp_path / "output")

    found = {str(p.relative_to(tmp_path / "output")) for p in (tmp_path / "output").rglob("*")}
    assert found == {"new.txt", "result.csv", "data", "data/more", "empty", "shared", "shared/above.txt", "inner"}
    assert (tmp_path / "output/inner").read_text() == "new"
    assert warnings == [
        "work/outer: not collected: the link's target does not exist",
        "work/pipe: not collected: not a regular file",
    ]


def collected(workspace: Workspace, output: Path) -> dict[str, str]:
    workspace.collect(output, reserved=("result.json",))
    return {str(path.relative_to(output)): path.read_text() for path in output.rglob("*") if path.is_file()}


def test_a_link_is_what_it_leads_to_whatever_is_moved_first(place: RepositoryLocation, tmp_path: Path) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    workspace.fill(place)
    (workspace.top / "a-model.txt").write_text("model")
    (workspace.top / "latest.txt").symlink_to("a-model.txt")
    (workspace.top / "results").mkdir()
    (workspace.top / "results" / "last.txt").symlink_to("../a-model.txt")

    found = collected(workspace, tmp_path / "output")

    assert found == {"a-model.txt": "model", "latest.txt": "model", "results/last.txt": "model"}


def test_links_that_lead_in_circles_or_nowhere_cost_nothing_else(place: RepositoryLocation, tmp_path: Path) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    workspace.fill(place)
    (workspace.top / "circle").symlink_to("circle")
    (workspace.top / "self").symlink_to(".")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "dangling").symlink_to("/no/such")
    (outside / "kept.txt").write_text("kept")
    (workspace.top / "folder").symlink_to(outside)
    (workspace.top / "zz.txt").write_text("last")

    assert collected(workspace, tmp_path / "output") == {"zz.txt": "last", "folder/kept.txt": "kept"}


def test_what_has_a_name_of_the_runner_s_own_lies_below_repository(place: RepositoryLocation, tmp_path: Path) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    workspace.fill(place)
    output = tmp_path / "output"
    output.mkdir()
    (output / "scraps.json").write_text("{}")
    (workspace.top / "result.json").write_text("mine")
    (workspace.top / "scraps.json").mkdir()
    (workspace.top / "scraps.json" / "x.txt").write_text("inside")

    found = collected(workspace, output)

    assert found == {"scraps.json": "{}", "repository/result.json": "mine", "repository/scraps.json/x.txt": "inside"}


@pytest.mark.parametrize(
    ("own", "other"),
    [("data/out.csv", "data/out.csv"), ("data/out.csv/x", "data/out.csv"), ("x", "x/out.csv")],
)
@pytest.mark.parametrize("is_link", [False, True])
def test_the_process_s_own_file_has_its_name_before_one_from_the_top(
    own: str, other: str, is_link: bool, place: RepositoryLocation, tmp_path: Path
) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="work/process.ipynb")
    workspace.fill(place)
    for path in (workspace.directory / own, workspace.top / other):
        path.parent.mkdir(parents=True, exist_ok=True)
    (workspace.directory / own).write_text("own")
    if is_link:
        (workspace.top / "target").write_text("other")
        (workspace.top / other).symlink_to(workspace.top / "target")
    else:
        (workspace.top / other).write_text("other")

    warnings = workspace.collect(tmp_path / "output")

    assert (tmp_path / "output" / own).read_text() == "own"
    assert (tmp_path / "output/repository" / other).read_text() == "other"
    assert f"{other}: the results have another file of this name; see repository/{other}" in warnings


@pytest.fixture
def large(place: RepositoryLocation) -> Path:
    """A file of the folder that is larger than those that are always copied."""
    path = place.folder / "large.csv"
    with open(path, "wb") as file:
        file.truncate(9 * 1024**2)
    return path


def test_a_large_file_is_linked_if_this_user_cannot_write_it_and_no_output_has_its_name(
    place: RepositoryLocation, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.runner.packaged.file_copies.is_writable", lambda _path: False)
    monkeypatch.setattr("generator.runner.packaged.workspace.is_writable", lambda _path: False)
    for name in ("large.bin", "large [K].txt"):
        large.with_name(name).write_bytes(large.read_bytes())
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    workspace.fill(place, written=["**/*.csv", "large [K].txt"])

    assert (workspace.top / "large.bin").readlink() == place.folder / "large.bin"
    assert not large.with_name("large.csv").is_symlink()
    assert not (workspace.top / "large.csv").is_symlink()
    assert not (workspace.top / "large [K].txt").is_symlink()
    assert workspace.collect(tmp_path / "output") == []
    assert not (tmp_path / "output").exists()


def test_a_large_file_of_the_user_is_not_changed_by_a_run_that_writes_one_of_its_name(
    place: RepositoryLocation, large: Path, tmp_path: Path
) -> None:
    before = large.stat()
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    workspace.fill(place)
    (workspace.top / "large.csv").write_text("result")

    assert collected(workspace, tmp_path / "output") == {"large.csv": "result"}
    assert (large.stat().st_size, large.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert workspace.changed_sources() == []


def test_a_large_file_shares_its_content_with_the_copy_where_the_file_system_can(
    place: RepositoryLocation, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(target: int, request: int, _source: int) -> int:
        assert request == 0x40049409  # FICLONE, linux/fs.h
        return os.write(target, b"shared")

    monkeypatch.setattr(fcntl, "ioctl", clone)
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb", budget=CopyBudget(large=0))
    workspace.fill(place)

    assert (workspace.top / "large.csv").read_bytes() == b"shared"
    assert (workspace.top / "large.csv").stat().st_mtime_ns == large.stat().st_mtime_ns


def test_a_run_that_changes_a_file_of_the_user_that_is_too_large_for_a_copy_fails(
    place: RepositoryLocation, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies take half as much as a run may write: with a limit of 16 MiB, the file of 9 MiB is a link."""

    def write(run: ProcessRun) -> None:
        run.workspace.fill(run.place)
        (run.workspace.directory / "large.csv").write_text("result")

    (large.parent / "process.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("generator.runner.packaged.run.run_notebook", write)
    said: list[str] = []
    request = PackagedRun(
        process="process.ipynb",
        output=tmp_path / "output",
        repository=str(place.folder),
        write_limits=WriteLimits(size=16 * 2**20),
        say=said.append,
    )

    with patch.dict(os.environ), pytest.raises(RunFailedError, match=r": changed during the run: large\.csv; "):
        run(request)

    assert said == ["warning: large.csv: changed itself, not in a copy"]
    assert "large.csv" in json.loads((tmp_path / "output/result.json").read_text())["error"]


def test_a_file_of_the_user_that_a_run_only_reads_may_be_too_large_for_a_copy(
    place: RepositoryLocation, large: Path, tmp_path: Path
) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb", budget=CopyBudget(large=2**20))
    workspace.fill(place)

    assert (workspace.top / "large.csv").readlink() == large
    assert workspace.collect(tmp_path / "output") == workspace.changed_sources() == []


@pytest.mark.parametrize("name", ["work/result.csv", "work/data"])
def test_an_absolute_link_into_the_folder_leads_to_the_copy(
    name: str, place: RepositoryLocation, tmp_path: Path
) -> None:
    (place.folder / "shared/latest").symlink_to(place.folder / name)
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    workspace.fill(place)

    assert (workspace.top / "shared/latest").resolve() == workspace.top / name


def test_in_an_image_what_is_written_through_a_link_is_a_result(
    place: RepositoryLocation, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(top=tmp_path / "copy", process="process.ipynb")
    note = tmp_path / "note.json"
    note.write_text(json.dumps({"folder": str(place.folder), "hidden": []}))
    monkeypatch.setattr("generator.runner.image_note._note", note)
    workspace.fill(locate_repository(None))
    assert (workspace.top / "large.csv").readlink() == large
    (workspace.top / "large.csv").write_text("result")

    assert collected(workspace, tmp_path / "output") == {"large.csv": "result"}
    require_unchanged(workspace, place)


def scrap(name: str, data: Any, encoder: str = "json") -> dict[str, Any]:
    content = {"name": name, "data": data, "encoder": encoder, "version": 1}
    return {
        "outputs": [{"output_type": "display_data", "data": {f"application/scrapbook.scrap.{encoder}+json": content}}]
    }


def test_scraps_are_read_in_order_and_the_last_of_a_name_counts() -> None:
    cells = [
        {"cell_type": "markdown"},
        scrap("a", 1),
        scrap("b", "text", "text"),
        scrap("a", {"c": [1, None]}),
        scrap("d", '{"e": 1}'),
        scrap("f", '{"e": 1}', "text"),
        {"outputs": [{"data": {"application/papermill.record+json": {"old": 1}}}, {"text": "x"}]},
    ]

    assert read_scraps(cells).all() == {"a": {"c": [1, None]}, "b": "text", "d": {"e": 1}, "f": '{"e": 1}', "old": 1}
