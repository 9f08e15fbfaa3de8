"""A server on a folder of notebooks, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from notebook_server import NotebookServer
from support import write_notebook

GLUE = "from packmill import glue\n"


def write_notebooks(root: Path) -> None:
    """The notebooks that the tests of this folder run."""
    write_notebook(root / "double.ipynb", "x: int = 1", f"{GLUE}glue('y', x * 2)\nprint(x)")
    write_notebook(root / "slow.ipynb", "seconds: float = 60", "import time", "time.sleep(seconds)", "print('end')")
    write_notebook(root / "fails.ipynb", "x: int = 1", "print('before')", "1 / (x - x)")
    write_notebook(
        root / "deep" / "files.ipynb",
        "name: str = 'a.txt'",
        "open(name, 'w').write('written')",
        "open('data.txt').read()",
    )
    (root / "deep" / "data.txt").write_text("data")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("served")
    write_notebooks(folder / "root")
    running = NotebookServer(folder / "root", folder / "data").start()
    yield running
    running.stop()
