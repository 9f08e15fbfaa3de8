"""Where files of a run may be put, and folders that a process changes in place."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from cwltool.errors import WorkflowException
from cwltool.pathmapper import MapperEnt
from cwltool.process import relocateOutputs
from cwltool.stdfsaccess import StdFsAccess

from generator.package.engines.checked_cwltool.mounts import (
    CheckedPaths,
    check_image,
    check_in_place,
    check_mounts,
    keep_logs,
)
from generator.package.engines.checked_cwltool.outputs import OutputRefusedError
from generator.package.engines.log import PlainLog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    return folder


@pytest.fixture(autouse=True)
def no_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OutputRefusedError, "refusals", [])


def moved(file: Path, results: Path, **fields: str) -> CheckedPaths:
    described = {"class": "File", "location": file.as_uri(), "basename": "b.txt", **fields}
    return CheckedPaths([described], "", str(results), separateDirs=False)


def test_results_lie_in_their_folder(folder: Path, tmp_path: Path) -> None:
    (entry,) = moved(folder / "a.txt", tmp_path / "results")

    assert entry.target == str(tmp_path / "results/b.txt")
    with pytest.raises(WorkflowException, match="not a plain path"):
        moved(folder / "a.txt", tmp_path / "results", basename="../b.txt")
    with pytest.raises(WorkflowException, match="outside of the folder of the results"):
        moved(folder / "a.txt", tmp_path / "results", dirname=str(tmp_path))


def test_nothing_moves_after_a_refusal(folder: Path, tmp_path: Path) -> None:
    refused = OutputRefusedError("output/b: a named pipe")

    with pytest.raises(WorkflowException, match=f"no results: {refused}"):
        moved(folder / "a.txt", tmp_path / "results")


@pytest.mark.parametrize("place", ["output", "output/sub", "output/sub/b.txt"])
def test_results_do_not_go_through_links_that_a_repository_shipped(place: str, tmp_path: Path) -> None:
    left, kept, results = tmp_path / "left", tmp_path / "home", tmp_path / "results"
    for folder in (left / "output/sub", kept / "sub", (results / place).parent):
        folder.mkdir(parents=True)
    (left / "output/sub/b.txt").write_text("of the run")
    for file in (kept / "b.txt", kept / "sub/b.txt"):
        file.write_text("of the user")
    (results / place).symlink_to(kept / "b.txt" if place.endswith(".txt") else kept)
    outputs = {"output_dir": {"class": "Directory", "location": (left / "output").as_uri(), "basename": "output"}}

    relocate(outputs, left, results)

    assert (kept / "b.txt").read_text() == (kept / "sub/b.txt").read_text() == "of the user"
    assert (results / place).is_symlink()
    assert (results / "output_2/sub/b.txt").read_text() == "of the run"
    assert outputs["output_dir"]["location"] == (results / "output_2").as_uri()


def test_a_folder_of_results_that_is_a_link_is_the_user_s_choice(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(folder)

    relocate({"a": {"class": "File", "location": (folder / "a.txt").as_uri(), "basename": "c.txt"}}, folder,
             tmp_path / "results")  # fmt: skip

    assert (folder / "c.txt").read_text() == "a"


def test_two_results_of_one_name_replace_no_file_of_the_user_either(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("of the user")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.txt_2").symlink_to(tmp_path / "other.txt")
    (folder / "b.txt").write_text("b")
    uris = [(folder / name).as_uri() for name in ("a.txt", "b.txt")]
    files = [{"class": "File", "location": uri, "basename": "a.txt"} for uri in uris]

    relocate({"files": files}, folder, tmp_path / "results")

    assert (tmp_path / "other.txt").read_text() == "of the user"
    assert (tmp_path / "results/a.txt_2_2").read_text() == "b"


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling"])
def test_results_that_an_image_names_replace_no_file_of_the_user_and_those_of_earlier_runs(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    kept, results = tmp_path / "kept", tmp_path / "results"
    results.mkdir()
    kept.write_text("of the user")
    for place in (results / "bin", results / "x.txt"):
        if kind == "folder":
            (place / "tool").mkdir(parents=True)
        elif kind == "file":
            place.write_text("of the user")
        else:
            place.symlink_to(kept if kind == "link" else tmp_path / "nowhere")
    before = listed(results)

    for content in ("first", "second"):
        left = tmp_path / content
        (left / "made").mkdir(parents=True)
        for name in ("made/tool", "x", "y"):
            (left / name).write_text(content)
        secondary = {"class": "File", "location": (left / "y").as_uri(), "basename": "y"}
        outputs: dict[str, Any] = {
            "a": {"class": "Directory", "location": (left / "made").as_uri(), "basename": "bin"},
            "b": {"class": "File", "location": (left / "x").as_uri(), "basename": "x.txt", "nameroot": "x",
                  "secondaryFiles": [secondary]},
        }  # fmt: skip
        relocate(outputs, left, results)

        assert (outputs["a"]["basename"], outputs["b"]["basename"]) == ("bin_2", "x.txt_2")
        assert outputs["b"]["location"] == (results / "x.txt_2").as_uri()
        assert {(results / name).read_text() for name in ("bin_2/tool", "x.txt_2", "y")} == {content}
    assert kept.read_text() == "of the user"
    assert not (tmp_path / "nowhere").exists()
    assert before <= listed(results)
    assert {path.name for path in results.iterdir()} == {"bin", "bin_2", "x.txt", "x.txt_2", "y", ".packmill-results"}


def test_a_run_with_the_usual_results_leaves_no_list_of_names(tmp_path: Path) -> None:
    for _ in range(2):
        (tmp_path / "left/output").mkdir(parents=True)
        output = {"class": "Directory", "location": (tmp_path / "left/output").as_uri(), "basename": "output"}
        relocate({"output_dir": output}, tmp_path / "left", tmp_path / "results")

    assert [path.name for path in (tmp_path / "results").iterdir()] == ["output"]


def test_a_run_names_files_of_earlier_runs_among_its_results(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for city in ("lisbon", "lisbon", "nairobi"):
        assert not caplog.messages  # nothing stays of a run with the same names
        left = tmp_path / "left/output"
        (left / "tables").mkdir(parents=True, exist_ok=True)
        for name in ("process.ipynb", f"tables/{city}.csv"):
            (left / name).write_text(city)
        output = {"class": "Directory", "location": left.as_uri(), "basename": "output"}
        relocate({"output_dir": output}, tmp_path / "left", tmp_path / "results")

    folder = tmp_path / "results/output"
    (message,) = caplog.messages
    assert message.startswith(f"{folder}: has files that this run did not write (1), such as tables/lisbon.csv;")
    assert (folder / "tables/lisbon.csv").read_text() == "lisbon"
    assert PlainLog().pick(f"WARNING {message}")


@pytest.mark.parametrize("names", ["[" * 100_000, "{}", '["b.txt"]', "b.txt"])
def test_a_list_of_names_that_packmill_did_not_write_replaces_nothing(names: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/.packmill-results").write_text(names)
    (tmp_path / "results/b.txt").write_text("of the user")

    (entry,) = moved(folder / "a.txt", tmp_path / "results")

    assert entry.target == str(tmp_path / "results/b.txt_2")


def test_a_list_of_names_is_not_written_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "kept").write_text("of the user")
    (tmp_path / "results/.packmill-results").symlink_to(tmp_path / "kept")

    moved(folder / "a.txt", tmp_path / "results")

    assert (tmp_path / "kept").read_text() == "of the user"


def listed(folder: Path) -> set[tuple[str, bool, str]]:
    return {(str(path), path.is_symlink(), path.read_text() if path.is_file() else "") for path in folder.rglob("*")}


def test_a_file_does_not_go_into_a_folder_of_its_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "results/b.txt").mkdir(parents=True)
    (tmp_path / "results/.packmill-results").write_text('"b.txt"\n')

    (entry,) = moved(folder / "a.txt", tmp_path / "results")
    assert entry.target == str(tmp_path / "results/b.txt_2")


def test_a_result_that_is_a_folder_now_and_was_a_file_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    left, results = tmp_path / "left", tmp_path / "results"
    for number in (1, 2, 3):
        (left / "output/model").mkdir(parents=True)
        (left / "output/model/b.txt").write_text(f"run {number}")
        (results / "output").mkdir(parents=True, exist_ok=True)
        (results / "output/model").write_text("of an earlier run")
        relocate(
            {"o": {"class": "Directory", "location": (left / "output").as_uri(), "basename": "output"}}, left, results
        )
        shutil.rmtree(left)

    assert [(results / f"output_{n}/model/b.txt").read_text() for n in (2, 3, 4)] == ["run 1", "run 2", "run 3"]
    assert (results / "output/model").read_text() == "of an earlier run"
    assert f"{results}/output/model: is not a folder; the result is named output_2" in caplog.text


def relocate(outputs: dict[str, Any], left: Path, results: Path) -> None:
    """Move outputs as cwltool does at the end of a run."""
    relocateOutputs(outputs, str(results), {str(left)}, "move", StdFsAccess(""), path_mapper=CheckedPaths)


def entry(target: str, kind: str = "File", resolved: str = "/host/a") -> MapperEnt:
    return MapperEnt(resolved, target, kind, staged=True)


def test_files_of_a_container_have_places_of_their_own() -> None:
    fine = [entry("/out/a"), entry("/out/made/b", resolved="_:b"), entry("/out/made", "Directory", "_:made")]
    check_mounts([*fine, entry("/else/c"), entry("/out/copy", "WritableDirectory"), entry("/out/copy/d")],
                 "/out", in_place=False)  # fmt: skip

    for target in ("/out/../a", "/out/.", "/out", "/outer/a", "/out//a", "/out/a/"):
        with pytest.raises(WorkflowException, match=r"not a plain path|take the place of"):
            check_mounts([entry(target)], "/out", in_place=False)
    for kind in ("Directory", "WritableDirectory"):
        with pytest.raises(WorkflowException, match="is inside /out/d, which is another input"):
            check_mounts([entry("/out/d", kind), entry("/out/d/e/f")], "/out", in_place=True)


def test_an_image_is_a_name_and_no_option() -> None:
    check_image({"dockerPull": "host:5000/a/b:1", "dockerOutputDirectory": "/out"}, trust=False)
    check_image({"dockerFile": "FROM a", "dockerImageId": "a"}, trust=True)

    for requirement in (
        {"dockerPull": "a", "dockerImageId": "--help"},
        {"dockerPull": "--help"},
        {"dockerFile": "FROM a"},
        {"dockerLoad": "a.tar"},
        {"dockerPull": "a", "dockerOutputDirectory": "/"},
        {"dockerPull": "a", "dockerOutputDirectory": "/a/.."},
    ):
        with pytest.raises(WorkflowException):
            check_image(requirement, trust=False)


def test_a_folder_that_is_changed_in_place_holds_files_and_folders(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "link").symlink_to("../a.txt")
    (folder / "a.txt").chmod(0o6755)
    (tmp_path / "given").symlink_to("folder")

    check_in_place(tmp_path / "given")

    assert stat.S_IMODE((folder / "a.txt").stat().st_mode) == 0o755
    check_in_place(folder / "a.txt")


@pytest.mark.parametrize("target", ["../marker.txt", "sub", ".", "nowhere", None])
def test_a_folder_that_is_changed_in_place_leads_nowhere_else(folder: Path, tmp_path: Path, target: str | None) -> None:
    (tmp_path / "marker.txt").write_text("of the host")
    (folder / "sub").mkdir()
    if target is None:
        os.mkfifo(folder / "sub" / "pipe")
    else:
        (folder / "sub" / "link").symlink_to(folder / target)

    with pytest.raises(OutputRefusedError, match="folder: the process may change this folder"):
        check_in_place(folder)


def test_a_log_is_written_over_no_link(folder: Path, tmp_path: Path) -> None:
    marker, log = tmp_path / "marker.txt", tmp_path / "logs" / "out.log"
    marker.write_text("of the host")
    log.parent.mkdir()
    log.write_text("printed")
    (folder / "out.log").symlink_to(marker)

    keep_logs(str(folder), str(log.parent), str(log), None)

    assert marker.read_text() == "of the host"
    assert (folder / "out.log").read_text() == "printed"
    (folder / "sub").symlink_to(tmp_path)
    with pytest.raises(OutputRefusedError):
        keep_logs(str(folder), str(log.parent), str(log.parent / "sub" / "marker.txt"), None)
    keep_logs(str(folder), str(folder), str(folder / "out.log"), None)
