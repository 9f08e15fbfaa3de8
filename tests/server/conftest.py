"""A server on a folder of notebooks, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from notebook_server import NotebookServer, write_notebooks


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("served")
    write_notebooks(folder / "root")
    running = NotebookServer(folder / "root", folder / "data").start()
    yield running
    running.stop()
