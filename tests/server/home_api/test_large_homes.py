"""Homes of many and large files: they are neither copied nor searched without end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_server import NotebookServer
from support import write_notebook

from generator.runner.server import catalogue
from generator.runner.server.catalogue import Catalogue

_FILES = 10_000
_TERABYTE = 1 << 40


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    home = tmp_path_factory.mktemp("large") / "ada"
    write_notebook(
        home / "projects" / "count.ipynb",
        "x: int = 1",
        "import os\nprint(sum(name.startswith('data') for name in os.listdir('..')), x)",
    )
    for folder in range(_FILES // 1000):
        (home / f"data{folder}").mkdir()
        for file in range(1000):
            os.close(os.open(home / f"data{folder}" / f"{file}.csv", os.O_CREAT))
    with (home / "model.bin").open("wb") as file:
        file.truncate(_TERABYTE)
    options = ("--home-of", "ada", "--workers", "1")
    running = NotebookServer(home, home / ".packmill", *options, HOME=str(home)).start()
    yield running
    running.stop()


def test_a_run_copies_nothing_of_a_large_home(large: NotebookServer) -> None:
    answer = large.ask("POST", "/execute", json={"notebook_name": "count", "parameters": {"x": 5}})

    assert answer.status_code == 200, answer.text
    assert f"{_FILES // 1000} 5" in Path(answer.json()["output_notebook"]).read_text()
    copied = sum(path.lstat().st_size for path in large.data.rglob("*") if path.is_file())
    assert copied < 10 << 20


def test_a_large_home_is_listed_and_shown(large: NotebookServer) -> None:
    assert "projects/count.ipynb" in [one["relative_path"] for one in large.get("/list-notebooks/ada")["notebooks"]]
    assert "projects/count.ipynb" in large.ask("GET", "/", headers={"Accept": "text/html"}).text
    assert large.ask("POST", "/execute", json={"notebook_name": "missing"}).status_code == 404


def test_the_search_for_notebooks_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("a", "a/b", "a/b/c", "a/b/c/d"):
        write_notebook(tmp_path / folder / "notebook.ipynb", "x = 1")
    monkeypatch.setattr(catalogue, "_MOST_ENTRIES", 5)
    found = [path for path, _ in Catalogue(tmp_path).files()]

    assert found == ["a/b/notebook.ipynb", "a/notebook.ipynb"], "those near the top"


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a" / "notebook.ipynb", "x = 1")
    (tmp_path / "a" / "up").symlink_to(tmp_path)

    assert [path for path, _ in Catalogue(tmp_path).files()] == ["a/notebook.ipynb"]


def test_a_large_notebook_is_listed_by_its_name_and_read_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notebook(tmp_path / "large.ipynb", "x: int = 1")
    monkeypatch.setattr(catalogue, "_LARGEST_LISTED", 100)
    notebooks = Catalogue(tmp_path)

    assert [(one.title, one.error, one.interface.inputs) for one in notebooks.all()] == [("large", None, ())]
    assert [one.id for one in notebooks.get("large.ipynb").interface.inputs] == ["x"]


def test_a_notebook_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.ipynb"
    huge.touch()
    os.truncate(huge, (256 << 20) + 1)  # takes no disk space

    served = Catalogue(tmp_path).get("huge.ipynb")

    assert served.error == "larger than 256 MiB, the limit for notebooks"


def test_what_takes_the_place_of_a_notebook_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file can be replaced by a pipe, or by a link to an endless device, after it was found."""
    pipe = tmp_path / "pipe.ipynb"
    os.mkfifo(pipe)
    catalogue = Catalogue(tmp_path)
    monkeypatch.setattr(catalogue, "_file", lambda *_, **__: pipe)

    assert str(catalogue.get("pipe.ipynb").error).endswith("pipe.ipynb: not a regular file")
