"""A whole package as users see it: the documents of a case folder's repository, and the oracles that judge them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from support import Finished, commit_all, copy_case, folders, here, write_notebook

from generator.package.engines.cwltool import validate
from generator.package.job_file import read_yaml
from generator.repository.process_folders import process_folder


@pytest.mark.parametrize("case", folders("packages"), ids=lambda path: path.name)
def test_a_package_is(
    case: Path, tmp_path: Path, packmill: Callable[..., Finished], golden: Callable[[Path, str], None]
) -> None:
    repository = copy_case(case, tmp_path / "ada" / "trees")
    commit_all(repository)
    options = shlex.split((case / "options").read_text()) if (case / "options").exists() else []

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "packages", *options)

    assert finished.code == 0, finished.err
    place = tmp_path / "packages" / "ada" / "trees" / "main"
    assert Path(finished.out.strip()) == place / _folder(options)
    written = {str(path.relative_to(place)): path for path in sorted(place.rglob("*")) if path.is_file()}
    golden(case / "expected" / "files.txt", "\n".join(written) + "\n")
    for name, path in written.items():
        if not name.startswith("example/"):
            text = path.read_text(encoding="utf-8").replace(str(tmp_path), "<tmp>")
            text = re.sub(r"(?<=ada\.trees:main-[0-9a-f]{12})-[0-9a-f]{16}", "-0123456789abcdef", text)
            text = re.sub(r"(?<=localhost/packmill/staging:)[\w.-]+-[0-9a-f]{12}", "0-000000000000", text)
            tools = json.loads(path.read_text())["tools"] if name.endswith("package.json") else {}
            for version in tools.values():
                text = text.replace(f'"{version}"', '"<version>"')
            golden(case / "expected" / name, text)


def _folder(options: list[str]) -> str:
    """The folder of the package below the place of its checkout; that of several processes is the place."""
    processes = [value for option, value in pairwise(options) if option == "--process"]
    return process_folder(processes[0]) if len(processes) == 1 else ""


@pytest.mark.slow
def test_every_oracle_is_content(tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    for document in here.glob("cases/packages/*/expected/**/process.cwl"):
        name = "-".join(document.parent.relative_to(here / "cases/packages").parts)
        shutil.copytree(document.parent, tmp_path / name)

    finished = packmill("validate", tmp_path)

    assert finished.code == 0, finished.err
    assert "FAIL" not in finished.out
    assert len({row.split()[-2] for row in finished.out.splitlines() if "JSON Schema" in row}) > len(
        folders("packages")
    )


@pytest.mark.slow
def test_an_oracle_that_is_not_content_gives_exit_17(tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    (tmp_path / "process.cwl").write_text("cwlVersion: v1.2\nclass: CommandLineTool\ninputs: {n: strin}\noutputs: {}\n")
    (tmp_path / "applicationDescriptor.json").write_text('{"executionUnit": []}')

    finished = packmill("validate", tmp_path, "--json")

    assert finished.code == 17
    rows = json.loads(finished.out)
    assert [row["valid"] for row in rows] == [False, False, False]
    assert "strin" in validate([tmp_path / "process.cwl"])[0].problem


def test_the_same_commit_gives_the_same_bytes(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int\nd = {'b': 1, 'a': 2}")
    commit_all(repository)
    contents = []
    for run in ("first", "second"):
        packmill("build", repository, "--no-image", "--output", tmp_path / run)
        contents.append({p.name: p.read_bytes() for p in (tmp_path / run).rglob("*.*")})

    assert contents[0] == contents[1]


def test_a_second_build_changes_nothing_and_keeps_what_others_put_there(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    package = Path(packmill("build", repository, "--no-image", "--output", tmp_path / "out").out.strip())
    (package / "results").mkdir()
    (package / "results" / "mine.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in package.rglob("*")}

    again = packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--json")

    assert again.json()["changed"] is False
    assert {path: path.stat().st_mtime_ns for path in package.rglob("*")} == before

    write_notebook(repository / "process.ipynb", "n = 2")
    commit_all(repository, "Two")
    changed = packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--json")

    assert changed.json()["changed"] is True
    assert (package / "results" / "mine.txt").read_text() == "mine"
    assert "default: 2" in (package / "process.cwl").read_text()
    assert [path.name for path in package.parent.iterdir()] == ["main"]


def test_a_platform_s_guard_is_built_in(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(repository / "process.ipynb", "f = []  # type: stage-in\nout = 'x.txt'  # type: stage-out")
    commit_all(repository)
    monkeypatch.setenv("PACKMILL_STAGE_GUARD", "1")
    monkeypatch.setenv("PACKMILL_STAGE_ALLOW", "10.0.0.0/8, store.example.org")

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "packages")

    for step in ("stage_in", "stage_out"):
        document = read_yaml((Path(finished.out.strip()) / f"{step}.cwl").read_text(encoding="utf-8"))
        words = ["--inputs", f"{step}.json", "--guard", "--allow", "10.0.0.0/8", "--allow", "store.example.org"]
        assert document["arguments"] == words


def test_no_step_has_the_name_of_an_input(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    cell = "tiles = []  # type: stage-in\nstage_in_tiles = 1\nprocess = 2\nstage_out = 3\nout = 'x'  # type: stage-out"
    write_notebook(repository / "process.ipynb", cell)
    commit_all(repository)

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "packages")

    workflow = read_yaml((Path(finished.out.strip()) / "workflow.cwl").read_text(encoding="utf-8"))
    assert list(workflow["steps"]) == ["stage_in_tiles_step", "process_step", "stage_out_results"]
    assert {"stage_in_tiles", "process", "stage_out", "stage_out_"} <= set(workflow["inputs"])
    assert validate([Path(finished.out.strip()) / "workflow.cwl"])[0].problem == ""
