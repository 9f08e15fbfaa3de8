"""Results of a process: declared outputs under any name, and everything else that a notebook leaves."""

from __future__ import annotations

import json
import os
from email.utils import formatdate
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from bare_runs import BareRunner

from generator.runner.packaged.links import copy_link_target
from generator.runner.packaged.tidying import tidy

pytestmark = pytest.mark.slow

_NAMES = {
    "brackets": "temperature [K].png",
    "unit": "wind [m s-1].png",
    "backslash": r"a\ b.txt",
    "dash": "-x.txt",
    "expression": "$(inputs.x) ${y}.txt",
    "escaped": r"\$(x).txt",
    "address": "a#b%41:c.txt",
    "braces": "{a,b}.txt",
    "accent": "é.txt",
    "spaces": " a b ",
    "long": "a" * 210 + ".txt",
    "quotes": "q'\"&;.txt",
    "folder": "sub [1]/x.txt",
}


@pytest.mark.parametrize("globs", [False, True])
def test_a_name_of_any_characters_is_that_file(globs: bool, run: BareRunner) -> None:
    cell = "\n".join(f"{name} = {text!r}  # type: stage-out" for name, text in _NAMES.items())
    write = "import os\nos.mkdir('sub [1]')\nfor one in (" + ", ".join(_NAMES) + "): open(one, 'w').close()"

    done = run(cell, write, globs=globs)

    assert done.code == 0, done.log
    assert {name: done.names(name) for name in _NAMES} == {
        name: text.rpartition("/")[2] for name, text in _NAMES.items()
    }


def test_patterns_mean_what_they_mean_in_python(run: BareRunner) -> None:
    done = run(
        "everywhere = '**/*.csv'  # type: stage-out\nbelow = 'a/**'  # type: stage-out\n"
        "tiles = 'tile_[0-9].tif'  # type: stage-out\nset = 'map_[xy].png'  # type: stage-out\n"
        "named = 'axis_[xy].png'  # type: stage-out\nfiles = '*'  # type: stage-out\n"
        "none = 'no*.txt'  # type: stage-out\nother_form = 'e\u0301.txt'  # type: stage-out",
        "import os\nos.makedirs('a/b/c')\n"
        "for one in ('1.csv', 'a/1.csv', 'a/b/c/2.csv', 'tile_1.tif', 'tile_x.tif', 'map_x.png', 'map_y.png',\n"
        "            'axis_[xy].png', 'axis_x.png', '\u00e9.txt'): open(one, 'w').close()",
    )

    assert done.code == 0, done.log
    assert done.names("everywhere") == ["1.csv", "1.csv", "2.csv"]
    assert done.names("below") == ["1.csv", "2.csv"]
    assert done.names("tiles") == ["tile_1.tif"]
    assert done.names("set") == ["map_x.png", "map_y.png"]
    assert done.names("named") == ["axis_[xy].png"]
    assert "process.ipynb" not in done.names("files")
    assert done.names("other_form") == "\u00e9.txt"
    assert done.names("none") == []
    assert "output none: nothing matches 'no*.txt'" in done.log
    assert "the process wrote: 1.csv, a/1.csv, a/b/c/2.csv, axis_[xy].png" in done.log
    assert "files of one name, which engines may rename outside of output_dir: 1.csv, a/1.csv" in done.log


_EVERYTHING = r"""
import os, socket
os.makedirs('results/sub'); open('results/a.txt', 'w').close(); open('results/sub/b.txt', 'w').close()
os.makedirs('cube'); open('file', 'w').close(); open(b'gr\xfc\xdfe.txt', 'w').close(); open('a\nb', 'w').close()
os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket')
os.symlink('/dev/zero', 'zero'); os.symlink('/no/such', 'dangling'); os.symlink('..', 'results/sub/up')
os.mkdir('locked'); open('locked/x', 'w').close(); os.chmod('locked/x', 0); os.chmod('locked', 0)
os.mkdir('empty'); open('Case', 'w').close(); open('case', 'w').close(); open(b'\xfc' + b'y' * 254, 'w').close()
output = next(path for path in ('../output', '../../output') if os.path.isdir(path))
os.mkfifo(output + '/pipe2'); os.symlink('/dev/zero', output + '/zero2')
"""


def test_whatever_a_notebook_leaves_is_delivered_or_named(run: BareRunner) -> None:
    done = run(
        "results = 'results/*'  # type: stage-out\ncube = 'cube'  # type: stage-out?\n"
        "file = 'file/'  # type: stage-out?\ngone = 'gone.txt'  # type: stage-out?\n"
        "empty = 'empty/'  # type: stage-out\nline = 'a\\nb'  # type: stage-out",
        _EVERYTHING,
    )

    assert done.code == 0, done.log
    assert done.names("results") == ["a.txt"]
    assert done.outputs["cube"] is done.outputs["file"] is done.outputs["gone"] is None
    assert (done.names("empty"), done.names("line")) == ("empty", "a%0Ab")
    long = next(name for name in done.files if name.startswith("%FCyyy"))
    assert len(long) == 200
    expected = {
        "a%0Ab",
        "gr%FC%DFe.txt",
        "cube",
        "file",
        "empty",
        "locked",
        "locked/x",
        "Case",
        "case",
        "results",
        long,
    }
    assert done.files == expected | {"results/a.txt", "results/sub", "results/sub/b.txt"}
    for warning in (
        "output results: folders are only in output_dir: results/sub",
        "output cube: 'cube' is a folder; declare it as 'cube/'",
        "output file: 'file' is a file; declare it without '/' at the end, as a file",
        r"gr\xfc\xdfe.txt: renamed to 'gr%FC%DFe.txt'",
        r"a\nb: renamed to 'a%0Ab'",
        "pipe: not collected: not a regular file",
        "socket: not collected: not a regular file",
        "zero: not collected: not a regular file",
        "dangling: not collected: the link's target does not exist",
        "results/sub/up: not collected: the link leads to a folder that contains it",
        "pipe2: removed: not a regular file",
        "zero2: not collected: not a regular file",
    ):
        assert f"warning: {warning}" in done.log


_DEEP = """import os
open('a.txt', 'w').close()
here = os.getcwd()
output = next(path for path in ('../output', '../../output') if os.path.isdir(path))
for folder in (here, os.path.abspath(output)):
    os.chdir(folder)
    for _ in range(1200): os.mkdir('d'); os.chdir('d')
    open('file', 'w').close()
os.chdir(here)
"""


def test_folders_that_are_too_deep_are_named_and_other_results_delivered(run: BareRunner) -> None:
    done = run("n = 1", _DEEP)

    assert done.code == 0, done.log
    assert "a.txt" in done.files
    assert max(path.count("/") for path in done.files) == 199
    for said in ("not collected", "removed"):
        assert f"{said}: too many folders in each other" in done.log


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("cube.zarr", "cube: 'cube.zarr' is a folder; declare it as 'cube.zarr/'"),
        ("a.txt/", "cube: 'a.txt' is a file"),
        ("gone [K].txt", "cube: nothing matches 'gone [K].txt'"),
    ],
)
def test_a_run_without_a_required_output_fails_and_keeps_everything(
    declared: str, problem: str, run: BareRunner
) -> None:
    done = run(
        f"cube = {declared!r}  # type: stage-out",
        "import os\nos.makedirs('cube.zarr/0')\nopen('cube.zarr/0/a', 'w').close()\nopen('a.txt', 'w').close()",
    )

    assert done.code == 1
    assert problem in done.log
    assert done.outputs["cube"] is None
    assert done.files == {"cube.zarr", "cube.zarr/0", "cube.zarr/0/a", "a.txt"}
    assert done.names("output_nb") == "process.ipynb"
    assert json.loads((done.folder / "result.json").read_text())["reason"] == "output-missing"


def test_a_failed_cell_keeps_the_outputs_before_it(run: BareRunner) -> None:
    done = run(
        "a = 'a [1].txt'  # type: stage-out\nb = 'b.txt'  # type: stage-out\nc = 'c/*'  # type: stage-out",
        "import os\nos.makedirs('c/d')\nopen('c/1', 'w').close()\nopen(a, 'w').close()\n1 / 0",
    )

    assert done.code == 1
    assert (done.names("a"), done.outputs["b"], done.names("c")) == ("a [1].txt", None, ["1"])
    assert "ZeroDivisionError" in (done.folder / "process.ipynb").read_text()


def test_the_outputs_of_a_script_are_found_in_the_same_way(run: BareRunner) -> None:
    outputs = [
        {"name": "plot", "type": "File", "glob": "plot [K].txt"},
        {"name": "tables", "type": "File", "glob": "results/**"},
        {"name": "maybe", "type": "Directory?", "glob": "plot [K].txt"},
    ]
    done = run(
        script={
            "run.sh": "mkdir -p results/a; touch results/a/1.csv results/2.csv 'plot [K].txt'",
            "algorithm_config.yml": json.dumps({"algorithm_name": "x", "outputs": outputs}),
        }
    )

    assert done.code == 0, done.log
    assert done.names("plot") == "plot [K].txt"
    assert done.names("tables") == ["1.csv", "2.csv"]
    assert done.outputs["maybe"] is None


@pytest.mark.parametrize("folder", ["", "output/"], ids=["own-folder", "output"])
def test_a_script_may_write_below_output(folder: str, run: BareRunner) -> None:
    outputs = [
        {"name": "heights", "type": "File", "glob": "heights.tif"},
        {"name": "tiles", "type": "File", "glob": "tiles/*"},
    ]
    done = run(
        script={
            "run.sh": f"mkdir -p ./{folder}tiles; touch ./{folder}heights.tif ./{folder}tiles/1.tif",
            "algorithm_config.yml": json.dumps({"algorithm_name": "x", "outputs": outputs}),
        }
    )

    assert done.code == 0, done.log
    assert (done.names("heights"), done.names("tiles")) == ("heights.tif", ["1.tif"])
    assert done.files == {"heights.tif", "tiles", "tiles/1.tif"}


def test_links_cannot_multiply_files_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.runner.packaged.links._MOST_ENTRIES", 20)
    for level in range(5):
        folder = tmp_path / "source" / str(level)
        folder.mkdir(parents=True)
        for name in ("a", "b"):
            (folder / name).symlink_to(tmp_path / "source" / str(level + 1))
    (tmp_path / "link").symlink_to(tmp_path / "source" / "0")

    reasons = copy_link_target(tmp_path / "link", tmp_path / "copy")

    assert any("its links lead to more than 20 files and folders" in reason for reason in reasons)
    assert len(list((tmp_path / "copy").rglob("*"))) <= 20


def test_a_renamed_file_replaces_no_other(tmp_path: Path) -> None:
    (tmp_path / "a%0Ab.txt").write_text("first")
    (tmp_path / "a\nb.txt").write_text("second")

    tidy(tmp_path)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "a%0Ab.txt": "first",
        "a%0Ab-2.txt": "second",
    }


@pytest.mark.parametrize("seconds", [10**12, 10**17, -(10**17)])
def test_a_result_gets_a_date_that_servers_and_archives_can_name(seconds: int) -> None:
    with TemporaryDirectory(dir="/dev/shm") as name:  # which keeps dates that ext4 does not
        folder = Path(name)
        for path in (folder / "a.txt", folder / "old.txt"):
            path.write_text("kept")
        os.utime(folder / "a.txt", (0, seconds))
        os.utime(folder / "old.txt", (0, -1))

        (warning,) = tidy(folder)

        assert warning.startswith("a.txt: dated now")
        assert formatdate((folder / "a.txt").stat().st_mtime, usegmt=True)
        assert (folder / "old.txt").stat().st_mtime == -1
