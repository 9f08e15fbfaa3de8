"""The ways in which the kernels of runs start over HTTP: which one a run takes, and what its row has of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from notebook_server import NotebookServer, write_notebooks
from support import write_notebook


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("ways")
    write_notebooks(folder / "root")
    write_notebook(folder / "root" / "waits.ipynb", "x: int = 1", "import asyncio\nawait asyncio.sleep(0)\nprint(x)")
    write_notebook(
        folder / "root/maps/overwrites.ipynb",
        "n: int = 1",
        "import os\nfrom packmill import glue\nglue('found', open('state.txt').read())",
        "before = os.stat('state.txt')\nopen('state.txt', 'w').write('new')",
        "os.utime('state.txt', ns=(before.st_atime_ns, before.st_mtime_ns))",
    )
    (folder / "root/maps/state.txt").write_text("old")
    write_notebook(folder / "root" / "fills.ipynb", "megabytes: int = 0", "len(b'x' * megabytes * 10**6)")
    running = NotebookServer(folder / "root", folder / "data", "--workers", "1").start()
    yield running
    running.stop()


def way_of(
    server: NotebookServer, notebook: str, kernels: str | None = None, **parameters: Any
) -> tuple[str, str | None]:
    body = {"notebook": notebook, "parameters": parameters, **({"kernels": kernels} if kernels else {})}
    answer = server.ask("POST", "/runs?wait=60", json=body).json()
    assert answer["state"] == "succeeded", answer
    return answer["run"]["kernel_way"], answer["run"]["note"]


def test_the_first_run_of_a_notebook_takes_a_kernel_and_later_ones_are_direct(server: NotebookServer) -> None:
    assert [way_of(server, "double.ipynb")[0] for _ in range(3)] == ["kernel", "direct", "direct"]


@pytest.mark.parametrize("way", ["kernel", "direct", "cold"])
def test_a_run_can_choose_its_way(way: str, server: NotebookServer) -> None:
    assert way_of(server, "deep/files.ipynb", way) == (way, None)


def test_a_notebook_that_needs_a_kernel_gets_one(server: NotebookServer) -> None:
    assert way_of(server, "waits.ipynb", "direct") == ("kernel", "the notebook ran in a kernel: it uses async code")


def test_an_unknown_way_is_refused(server: NotebookServer) -> None:
    answer = server.ask("POST", "/runs", json={"notebook": "double.ipynb", "kernels": "hot"})

    assert answer.status_code == 400
    assert "choose one of auto, kernel, direct, cold" in answer.json()["detail"]


@pytest.mark.parametrize("way", ["kernel", "direct", "cold"])
def test_every_run_finds_the_files_beside_the_notebook_as_they_are_served(way: str, server: NotebookServer) -> None:
    body = {"notebook": "maps/overwrites.ipynb", "kernels": way}
    answers = [server.ask("POST", "/runs?wait=60", json=body).json() for _ in range(3)]

    assert [(one["run"]["kernel_way"], one["scraps"]["found"]) for one in answers] == [(way, "old")] * 3


@pytest.mark.parametrize("way", ["kernel", "direct", "cold"])
def test_a_result_has_the_peak_memory_of_its_own_run(way: str, server: NotebookServer) -> None:
    def peak(megabytes: int) -> int:
        body = {"notebook": "fills.ipynb", "parameters": {"megabytes": megabytes}, "kernels": way}
        result = server.ask("POST", "/runs?wait=60", json=body).json()
        assert result["run"]["kernel_way"] == way
        return int(result["peak_memory"])

    before, large, after = (peak(megabytes) / 1e6 for megabytes in (0, 300, 0))

    assert 10 < before < 150
    assert 300 < large < 450
    assert abs(after - before) < 50
