"""What an image answers about a process: it is the repository's, and may print anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import write_notebook

from generator.containers.engine import Image
from generator.image import check
from generator.process.process import Process, read_process
from generator.progress import Progress
from generator.shared.errors import RunnerCheckError


@pytest.fixture
def process(tmp_path: Path) -> Process:
    write_notebook(tmp_path / "process.ipynb", "n = 1  # type: int", "import library")
    return read_process(tmp_path, "process.ipynb")


def answers(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let each image answer with a JSON value."""
    image = Image(id="", digest=None, size=1, config={})
    monkeypatch.setattr("generator.containers.engine.inspect", lambda _: image)
    monkeypatch.setattr("generator.containers.engine.run_in", lambda *_, **__: (0, json.dumps(answer), ""))


@pytest.mark.parametrize("kernel", ["a\ud800", "a\0", "a\nb", "a b", "", 5, ["python3"]], ids=repr)
def test_a_kernel_with_a_name_that_none_has_is_refused(
    kernel: Any, process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, {"kernel": kernel, "warnings": []})

    with pytest.raises(RunnerCheckError, match=r"process\.ipynb cannot run in the image ada/trees"):
        check.check_process(process, "ada/trees", Progress(), folder=tmp_path)


@pytest.mark.parametrize("kernel", ["python3", "conda-env-My_env.1-py", None])
def test_the_kernel_of_an_image_runs_the_process(
    kernel: str | None, process: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, {"kernel": kernel, "warnings": []})

    assert check.check_process(process, "ada/trees", Progress(), folder=tmp_path).kernel == kernel
