"""The server lists text notebooks, and no script or page that is none."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from notebook_server import NotebookServer

from generator.notebook.text_formats import as_notebook
from generator.runner.server import catalogue
from generator.runner.server.catalogue import Catalogue
from generator.runner.server.home_api.notebooks import find_by_name, find_by_path
from generator.runner.server.ogc.identifiers import find_process
from generator.runner.server.papermill_api import notebooks as papermill_notebooks
from generator.runner.server.problems import ProblemError

_QUARTO = "---\ntitle: Tiles\njupyter: python3\n---\n\n```{python}\n#| tags: [parameters]\nx = 1\n```\n\n"
_QUARTO += "```{python}\nfrom packmill import glue\n\nglue('y', x * 2)\n```\n"
_PERCENT = '# %% tags=["parameters"]\nn = 3  # type: int\n\n# %%\nprint(n)\n'


def write(root: Path) -> None:
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "tiles.qmd").write_text(_QUARTO)
    (root / "cells.py").write_text(_PERCENT)
    (root / "script.py").write_text("password = 'x'\n")
    (root / "README.md").write_text("# A page\n\n```python\nn = 3\n```\n")
    (root / "page.qmd").write_text("---\ntitle: T\n---\n\nText.\n")


def test_only_notebooks_are_listed(tmp_path: Path) -> None:
    write(tmp_path)
    os.mkfifo(tmp_path / "pipe.py")
    notebooks = Catalogue(tmp_path)

    listed = {one.path: (one.title, [each.name for each in one.interface.inputs]) for one in notebooks.all()}

    assert listed == {"cells.py": ("cells", ["n"]), "deep/tiles.qmd": ("Tiles", ["x"])}
    for path in ("script.py", "README.md", "page.qmd", "pipe.py"):
        with pytest.raises(ProblemError, match="not found"):
            notebooks.get(path)


def test_a_script_that_becomes_a_notebook_is_one(tmp_path: Path) -> None:
    write(tmp_path)
    notebooks = Catalogue(tmp_path)
    with pytest.raises(ProblemError):
        notebooks.get("script.py")

    (tmp_path / "script.py").write_text(_PERCENT)

    assert notebooks.get("script.py").title == "script"


def test_a_notebook_that_packmill_fails_to_read_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)

    def as_notebook_with_a_mistake(data: bytes, name: str) -> bytes:
        if name == "cells.py":
            raise KeyError(name)
        return as_notebook(data, name)

    monkeypatch.setattr(catalogue, "as_notebook", as_notebook_with_a_mistake)

    errors = {one.path: one.error for one in Catalogue(tmp_path).all()}

    assert errors == {
        "cells.py": "cells.py: packmill cannot read it (KeyError); the log of the server has the details",
        "deep/tiles.qmd": None,
    }


@contextmanager
def without_free_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("path", ["plain.ipynb", "cells.py"])
def test_a_notebook_that_the_machine_cannot_read_now_is_served_a_moment_later(tmp_path: Path, path: str) -> None:
    write(tmp_path)
    (tmp_path / "plain.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    assert Catalogue(tmp_path).get(path).error is None  # what reads it is imported
    notebooks = Catalogue(tmp_path)

    with without_free_descriptors(), pytest.raises(ProblemError, match="Too many open files") as problem:
        notebooks.get(path)

    assert problem.value.status == 503
    assert notebooks.get(path).error is None


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), OSError(errno.ESTALE, "Stale handle")], ids=repr
)
def test_an_error_of_the_machine_is_not_kept_as_the_notebooks_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(tmp_path)
    notebooks = Catalogue(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "as_notebook", _raise(error))
        listed = notebooks.all()
        with pytest.raises(ProblemError, match="cannot be read now") as problem:
            notebooks.get("cells.py")

    assert ["cannot be read now" in (one.error or "") for one in listed] == [True, True]
    assert problem.value.status == 503
    assert [one.error for one in notebooks.all()] == [None, None]


def test_a_notebook_whose_rights_were_repaired_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of rights leaves the time and the size of the file as they are."""
    write(tmp_path)
    notebooks = Catalogue(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(catalogue, "_read_file", _raise(PermissionError(errno.EACCES, "Permission denied")))
        assert "Permission denied" in (notebooks.get("cells.py").error or "")

    assert notebooks.get("cells.py").error is None


def test_a_mistake_in_a_notebook_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.ipynb").write_text("{")
    notebooks = Catalogue(tmp_path)
    problem = notebooks.get("broken.ipynb").error

    monkeypatch.setattr(catalogue, "_read_file", _raise(AssertionError("read again")))

    assert problem
    assert notebooks.get("broken.ipynb").error == problem


def test_parameters_next_to_a_notebook_are_not_left_out_if_they_cannot_be_read_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = {"cell_type": "code", "source": "n = 3", "metadata": {}, "outputs": [], "execution_count": None}
    metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    document = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
    (tmp_path / "square.ipynb").write_text(json.dumps(document))
    described = "parameters:\n  n:\n    type: integer\n    default: 3\n    description: A number\n"
    (tmp_path / "square.yaml").write_text(described)
    notebooks = Catalogue(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", _raise(OSError(errno.EMFILE, "Too many open files")))
        with pytest.raises(ProblemError, match="Too many open files"):
            notebooks.get("square.ipynb")

    assert [one.name for one in notebooks.get("square.ipynb").interface.inputs] == ["n"]


def test_a_notebook_that_cannot_be_read_now_counts_for_no_protocol_as_missing(tmp_path: Path) -> None:
    """Another notebook of the name, in another folder or a bucket, does not take its place."""
    served: Any = SimpleNamespace(get=_raise(ProblemError(503, "cannot be read now")), root=tmp_path)
    home: Any = SimpleNamespace(catalogue=served, home=tmp_path, storage=SimpleNamespace(sources=["s3://bucket"]))
    request: Any = SimpleNamespace(location=None, notebook="a.ipynb")
    ways: list[Callable[[], Any]] = [
        lambda: find_process(served, "a"),
        lambda: find_by_name(home, "a"),
        lambda: find_by_path(home, "a.ipynb"),
        lambda: papermill_notebooks.find_notebook(home, request).send(None),
    ]
    for find in ways:
        with pytest.raises(ProblemError) as problem:
            find()
        assert problem.value.status == 503


def test_a_notebook_of_a_bucket_is_not_blamed_for_a_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papermill_notebooks, "as_notebook", _raise(MemoryError()))

    with pytest.raises(ProblemError, match="cannot be read now") as problem:
        papermill_notebooks._understand("s3://bucket/a.ipynb", b"{}")

    assert problem.value.status == 503


def _raise(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def test_a_text_notebook_is_served(tmp_path: Path) -> None:
    write(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data").start()
    try:
        result = server.run("deep/tiles.qmd", x=21)
        process = server.get("/ogc/processes/deep:tiles.qmd")
        page = server.ask("GET", "/notebooks/deep/tiles.qmd", headers={"Accept": "text/html"})
        missing = server.ask("GET", "/notebooks/README.md", headers={"Accept": "text/html"})
    finally:
        server.stop()

    assert result["state"] == "succeeded", result
    assert result["scraps"]["y"] == 42
    assert process["title"] == "Tiles"
    assert "<h1" in page.text
    assert "Tiles" in page.text
    assert missing.status_code == 404
