"""The server lists text notebooks, and no script or page that is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from notebook_server import NotebookServer

from generator.notebook.text_formats import as_notebook
from generator.runner.server import catalogue
from generator.runner.server.catalogue import Catalogue
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
