"""Outputs with a path of the author's machine are written to the output directory of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Folder

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def run_process(here: Folder, *expected: str) -> tuple[int, str]:
    words = ("--process", "in.ipynb", "--repository", ".", "--output", "o")
    done = here.run(*words, *(word for one in expected for word in ("--expect", one)))
    return done.returncode, done.stderr


@pytest.mark.parametrize("path", ["~/X/", "C:/X/"])
def test_a_folder_of_any_machine_is_one_of_the_results(here: Folder, path: str) -> None:
    here.write(f"x = '{path}'  # type: stage-out", "open(x + 'a.txt', 'w').write('a')")

    code, err = run_process(here, "x=X")

    assert code == 0, err
    assert (here.folder / "o/X/a.txt").exists()


@pytest.mark.parametrize(
    "cell",
    [
        "open(x + 'a.txt', 'w').write('a')",
        "import os\nos.makedirs(x, exist_ok=True)\nopen(os.path.join(x, 'a.txt'), 'w').write('a')",
        "import shutil, os\nshutil.rmtree(x)\nos.makedirs(x)\nopen(x + 'a.txt', 'w').write('a')",
        "import os\nos.chdir('/')\nopen(x + 'a.txt', 'w').write('a')",
        "import os\nos.mkdir('X')\nopen('X/a.txt', 'w').write('a')",
    ],
)
def test_a_folder_is_one_of_the_results(here: Folder, cell: str) -> None:
    here.write("x = '/unity/ads/outputs/X/'  # type: stage-out", cell)

    code, err = run_process(here, "x=X")

    assert code == 0, err
    assert [path.name for path in (here.folder / "o" / "X").iterdir()] == ["a.txt"]
    assert not (here.folder / "o" / "repository").exists()


def test_a_file_and_a_pattern_are_results(here: Folder) -> None:
    here.write(
        "x = '/tmp/packmill-x.txt'  # type: stage-out\ny = '/tmp/y_*.txt'  # type: stage-out",
        "open(x, 'w').write('x')\nopen(y.replace('*', '1'), 'w').write('y')",
    )

    code, err = run_process(here, "x=packmill-x.txt")

    assert code == 0, err
    assert sorted(path.name for path in (here.folder / "o").glob("*.txt")) == ["packmill-x.txt", "y_1.txt"]
    assert not Path("/tmp/packmill-x.txt").exists()


def test_a_folder_without_results_is_missing(here: Folder) -> None:
    here.write("x = '/unity/ads/outputs/X/'  # type: stage-out", "print(x)")

    code, err = run_process(here, "x=X")

    assert code == 6
    assert "x: nothing matches 'X'" in err
    assert not (here.folder / "o" / "X").exists()


def test_the_path_is_recorded(here: Folder) -> None:
    here.write("x = '/unity/ads/outputs/X/'  # type: stage-out", "open(x + 'a', 'w')")

    assert run_process(here)[0] == 0
    result = json.loads((here.folder / "o/result.json").read_text())
    assert result["parameters"] == {"x": f"{here.folder}/o/X/"}


def test_papermill_s_command_line_keeps_the_author_s_path(here: Folder) -> None:
    here.write("x = '/unity/ads/outputs/X/'  # type: stage-out", "print(x)")

    assert here.run("in.ipynb", "out.ipynb").returncode == 0
    assert here.texts() == "/unity/ads/outputs/X/\n"
