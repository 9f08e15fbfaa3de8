"""The results of a script are where it declares them: written to its own folder, or to ``output/`` as on MAAP."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.notebook.interface import Output
from generator.notebook.parameters import CwlType
from generator.runner.packaged.script_outputs import move_to_declared_places

_OUTPUT = "output/heights.tif output/tiles/1.tif"


@pytest.mark.parametrize(
    ("written", "globs", "results"),
    [
        (_OUTPUT, ["heights.tif", "tiles/*"], "heights.tif tiles/1.tif"),
        (_OUTPUT, ["tiles/"], "heights.tif tiles/1.tif"),
        (_OUTPUT, [], "heights.tif tiles/1.tif"),
        ("heights.tif", ["heights.tif"], "heights.tif"),
        (_OUTPUT, ["output/heights.tif"], _OUTPUT),
        (_OUTPUT, ["out*/*.tif"], _OUTPUT),
        (_OUTPUT, ["output/"], _OUTPUT),
        (_OUTPUT, ["out/"], "out/heights.tif out/tiles/1.tif"),
        (_OUTPUT, ["out/", "heights.tif"], "heights.tif out/tiles/1.tif"),
        (_OUTPUT, ["a/b/"], "a/b/heights.tif a/b/tiles/1.tif"),
        (f"{_OUTPUT} out/1", ["out/"], "heights.tif out/1 tiles/1.tif"),
    ],
)
def test_results_are_where_they_are_declared(written: str, globs: list[str], results: str, tmp_path: Path) -> None:
    assert _move(written, globs, tmp_path) == []
    assert _files(tmp_path) == results.split()


@pytest.mark.parametrize(
    ("written", "results", "kept"),
    [
        (f"{_OUTPUT} tiles", "heights.tif output/tiles/1.tif tiles", "tiles"),
        ("output/result.json", "output/result.json", "result.json"),
        ("output/output", "output/output", "output"),
    ],
)
def test_no_file_is_replaced(written: str, results: str, kept: str, tmp_path: Path) -> None:
    assert _move(written, [], tmp_path) == [f"output/{kept}: stays in output/, since the name is in use"]
    assert _files(tmp_path) == results.split()


def _move(written: str, globs: list[str], folder: Path) -> list[str]:
    for name in written.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    outputs = [
        Output(
            name="x",
            type=CwlType.DIRECTORY if glob.endswith("/") else CwlType.FILE,
            glob=glob.rstrip("/"),
            array="*" in glob,
            optional=False,
            doc="",
            line=1,
        )
        for glob in globs
    ]
    return move_to_declared_places(outputs, folder, reserved=("result.json",))


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
