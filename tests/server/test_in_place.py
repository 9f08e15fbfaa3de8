"""Runs in the notebook's own folder: what they find there, what stays there, and what the run has."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_server import NotebookServer
from support import write_notebook

from generator.runner.packaged.in_place import NotebookFolder
from generator.runner.packaged.repository_location import RepositoryLocation
from generator.runner.server.options import add_serve

_WRITES = """\
from pathlib import Path
folder = Path('results')
folder.mkdir(exist_ok=True)
(folder / 'table.csv').write_text(f'x{text}')
Path(figure).write_text(text)
Path('../above.txt').write_text(text)
Path('unnamed.txt').write_text(text)
Path('data.txt').read_text()"""
_PLACES = """\
import os, sys, helper
from packmill import glue
glue('places', [os.getcwd(), os.path.expanduser('~'), helper.name, os.environ.get('JUPYTER_RUNTIME_DIR', '')])
glue('startup', globals().get('from_startup', ''))"""


def write_root(root: Path) -> None:
    outputs = (
        "text: str = 'a'\nfigure = 'figure.png'  # type: stage-out\nold = 'old.png'  # type: stage-out\n"
        "above = '../above.txt'  # type: stage-out\nfolder = 'results/'  # type: stage-out"
    )
    write_notebook(root / "work" / "writes.ipynb", outputs, _WRITES)
    write_notebook(root / "work" / "places.ipynb", "x: int = 1", _PLACES)
    (root / "work" / "helper.py").write_text("name = 'own module'")
    (root / "work" / "data.txt").write_text("data")
    (root / "work" / "old.png").write_text("old")
    startup = root / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("from_startup = 'run'")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    root = tmp_path_factory.mktemp("in-place") / "root"
    write_root(root)
    running = NotebookServer(
        root, root.parent / "data", "--in-place", "--workers", "1", HOME=str(root), IPYTHONDIR=""
    ).start()
    yield running
    running.stop()


def test_files_stay_where_the_notebook_wrote_them(served: NotebookServer) -> None:
    for text in ("a", "b"):
        result = served.run("work/writes.ipynb", text=text)

        assert result["state"] == "succeeded", result["error"]
        assert (served.root / "work" / "unnamed.txt").read_text() == text
        assert (served.root / "above.txt").read_text() == text


def test_declared_outputs_that_were_written_are_those_of_the_run(served: NotebookServer) -> None:
    result = served.run("work/writes.ipynb", text="c")
    written = {one["path"]: one["href"] for one in result["outputs"]}

    assert set(written) == {"above.txt", "figure.png", "results/table.csv", "scraps.json", "writes.ipynb"}
    assert served.ask("GET", written["results/table.csv"]).text == "xc"
    (served.root / "work" / "results" / "table.csv").write_text("changed later")
    assert served.ask("GET", written["results/table.csv"]).text == "xc", "a copy"


@pytest.mark.parametrize("way", ["auto", "cold"])
def test_a_notebook_finds_its_folder_its_home_and_its_settings(served: NotebookServer, way: str) -> None:
    before = sorted(os.listdir(served.root / "work"))
    body = {"notebook": "work/places.ipynb", "kernels": way}
    result = served.ask("POST", "/runs?wait=60", json=body).json()

    assert result["state"] == "succeeded", result["error"]
    folder, home, name, runtime = result["scraps"]["places"]
    assert (folder, home, name) == (str(served.root / "work"), str(served.root), "own module")
    assert not runtime.startswith(str(served.root)), "connection files are outside of the home"
    assert result["scraps"]["startup"] == "run", "IPython's startup files apply"
    assert not list((served.root / ".ipython").rglob("history*")), "cells may hold secrets"
    assert [name for name in sorted(os.listdir(served.root / "work")) if name != "__pycache__"] == before


def test_patterns_follow_no_links(tmp_path: Path) -> None:
    for name in ("a.csv", "b/c/a.csv", "b/.hidden/a.csv", "b/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("up", "b/up", "b/c/root"):
        (tmp_path / name).symlink_to("/" if name.endswith("root") else tmp_path)
    (tmp_path / "b" / "link.csv").symlink_to(tmp_path / "a.csv")

    def found(pattern: str) -> set[str]:
        folder = NotebookFolder(top=tmp_path, process="notebook.ipynb")
        folder.fill(RepositoryLocation(folder=tmp_path, hidden=frozenset()), written=[pattern])
        return set(folder._before)

    assert found("**/*.csv") == {"a.csv", "b/c/a.csv"}
    assert found("b/**") == found("b/**/*") == {"b/a.txt", "b/c/a.csv"}
    assert found("**/c/*.csv") == {"b/c/a.csv"}
    assert found("b/*.txt") == {"b/a.txt"}
    assert found("up/a.csv") == {"up/a.csv"}, "a link that the pattern names"


def test_an_output_does_not_replace_the_executed_notebook(served: NotebookServer) -> None:
    write_notebook(
        served.root / "self.ipynb", "copy = '*.ipynb'  # type: stage-out[File[]]", "open('self.ipynb', 'w').write('{}')"
    )
    result = served.run("self.ipynb")

    assert result["state"] == "succeeded", result["error"]
    assert served.get(f"/runs/{result['run']['id']}/notebook")["cells"]
    assert "another file of this name" in str(result["run"]["note"])


@pytest.mark.parametrize(("value", "in_place"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_a_variable_chooses_it(monkeypatch: pytest.MonkeyPatch, value: str, in_place: bool) -> None:
    monkeypatch.setenv("PACKMILL_SERVE_IN_PLACE", value)
    parser = argparse.ArgumentParser()
    add_serve(parser)

    assert parser.parse_args([]).in_place is in_place


def test_a_spare_kernel_never_takes_the_place_of_a_folder(served: NotebookServer) -> None:
    inode = (served.root / "work").stat().st_ino
    for _ in range(3):
        served.ask("POST", "/runs?wait=60", json={"notebook": "work/places.ipynb", "kernels": "cold"})

    assert (served.root / "work").stat().st_ino == inode
    assert not list(served.data.rglob("directory")), "no kernel waits in a folder that could take its place"
