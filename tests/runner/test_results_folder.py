"""The folder of ``--results`` and the file OUT: what cannot be written is refused early, and never half written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Folder

pytestmark = pytest.mark.slow

_REMEDY = "remove it, or choose another folder"


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("open('ran', 'w').close()\nfrom packmill import glue\nglue('n', 1)")
    return folder


def _make_folder(path: Path) -> None:
    path.mkdir(parents=True)


def _make_pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


def _make_file(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("")


def test_a_run_of_a_process_does_not_mix_its_results_with_those_of_an_earlier_run(here: Folder) -> None:
    (here.folder / "output").mkdir()
    (here.folder / "output" / "result.json").write_text('{"state": "succeeded"}')
    (here.folder / "output" / "plot.txt").write_text("of the earlier run")

    done = here.run("--process", "in.ipynb", "--repository", ".")

    assert done.returncode == 2
    assert "--output output: has results of an earlier run, which may have failed (result.json)" in done.stderr
    assert (here.folder / "output" / "plot.txt").read_text() == "of the earlier run"
    assert (here.folder / "output" / "result.json").read_text() == '{"state": "succeeded"}'
    assert sorted(path.name for path in here.folder.iterdir()) == ["in.ipynb", "output"]


def test_a_run_of_a_process_does_not_take_files_of_a_failed_run_for_its_results(here: Folder) -> None:
    """The same command runs again as soon as they are removed."""
    repaired = here.folder / "repaired"
    here.write(f"open('plot.txt', 'w').write('half')\nopen({str(repaired)!r})")
    command = ("--process", "in.ipynb", "--repository", ".")
    failed = here.run(*command)
    refused = here.run(*command)
    repaired.touch()
    shutil.rmtree(here.folder / "output")

    assert (failed.returncode, refused.returncode) == (1, 2)
    assert "which may have failed (result.json); remove them, or choose another folder" in refused.stderr
    assert here.run(*command).returncode == 0


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("results/scraps.json", _make_folder, f"its scraps.json is a folder; {_REMEDY}"),
        ("results/result.json", _make_folder, f"its result.json is a folder; {_REMEDY}"),
        ("results/result.json", _make_pipe, f"its result.json is not a regular file; {_REMEDY}"),
        ("results/scraps", _make_file, f"its scraps is not a folder; {_REMEDY}"),
        ("results", _make_file, "is not a folder; choose another path"),
    ],
)
def test_results_that_cannot_be_written_are_refused_before_the_first_cell(
    name: str, make: Callable[[Path], None], said: str, here: Folder
) -> None:
    make(here.folder / name)

    done = here.run("in.ipynb", "out.ipynb", "--results", "results")

    assert done.returncode == 2
    assert f"--results results: {said}" in done.stderr
    assert not (here.folder / "ran").exists()


def test_results_that_could_not_be_written_fail_the_run(here: Folder) -> None:
    here.write("import os\nos.mkdir('results/result.json')")

    done = here.run("in.ipynb", "out.ipynb", "--results", "results")

    assert done.returncode == 2
    assert "results/result.json: Is a directory" in done.stderr
    assert ".saving" not in done.stderr


def test_a_removed_folder_is_created_again(here: Folder) -> None:
    here.write("from packmill import glue\nglue('n', 1)", "import shutil\nshutil.rmtree('results')")

    done = here.run("in.ipynb", "out.ipynb", "--results", "results")

    assert done.returncode == 0, done.stderr
    assert json.loads((here.folder / "results/scraps.json").read_text()) == {"n": 1}
    assert sorted(path.name for path in (here.folder / "results").iterdir()) == ["result.json", "scraps.json"]


def test_links_in_the_folder_are_replaced_and_their_targets_kept(here: Folder) -> None:
    (here.folder / "precious").write_text("mine")
    (here.folder / "results").mkdir()
    (here.folder / "results/scraps.json").symlink_to("../precious")

    assert here.run("in.ipynb", "out.ipynb", "--results", "results").returncode == 0
    assert (here.folder / "precious").read_text() == "mine"
    assert json.loads((here.folder / "results/scraps.json").read_text()) == {"n": 1}


def test_no_incomplete_result_is_left_where_there_is_no_space(here: Folder) -> None:
    here.write("from packmill import glue\nfrom IPython.display import HTML\nglue('page', HTML('x' * 200_000))")

    done = here.run("in.ipynb", "/dev/null", "--results", "results", preexec_fn=_limit_files)

    assert done.returncode == 2
    assert "packmill-runner: results/scraps/page.html: File too large" in done.stderr
    assert list((here.folder / "results/scraps").iterdir()) == []


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # stands for a full disk


def test_a_link_to_itself_is_refused_as_the_executed_notebook(here: Folder) -> None:
    (here.folder / "out.ipynb").symlink_to("out.ipynb")

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 2
    assert done.stderr == "packmill-runner: out.ipynb: is a link that leads to itself; remove it\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount")
def test_the_executed_notebook_may_be_mounted_into_a_folder_that_is_read_only(here: Folder) -> None:
    (here.folder / "closed").mkdir()
    (here.folder / "file.ipynb").touch()
    mounts = (
        "mount -t tmpfs -o size=1m tmpfs closed && touch closed/out.ipynb && "
        "mount -o remount,ro closed && mount --bind file.ipynb closed/out.ipynb && exec"
    )
    here.write("print('done')")
    words = f"{sys.executable} -m generator.runner run in.ipynb closed/out.ipynb"
    command = ["unshare", "--mount", "sh", "-c", f"{mounts} {words}"]

    done = subprocess.run(command, cwd=here.folder, capture_output=True, text=True, check=False)

    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no file systems can be mounted")
    assert done.returncode == 0, done.stderr
    assert here.texts("file.ipynb") == "done\n"


def test_a_folder_with_the_name_of_the_page_is_refused(here: Folder) -> None:
    (here.folder / "out.html").mkdir()

    done = here.run("in.ipynb", "out.ipynb", "--html")

    assert done.returncode == 2
    assert "out.html: is a folder; remove it, or give the executed notebook another name" in done.stderr
    assert not (here.folder / "ran").exists()
