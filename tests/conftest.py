"""What the tests share: notebooks, real git repositories, a golden comparison."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

here = Path(__file__).parent
cases = here / "cases"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write what is there now into the expected files")


def notebook(
    *sources: str, language: str = "python", kernel: str | None = "python3", tags: tuple[str, ...] = ("parameters",)
) -> dict[str, Any]:
    """A notebook of code cells; the first one carries the tags."""
    cells = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell-{number}",
            "metadata": {"tags": list(tags)} if number == 1 and tags else {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(sources, start=1)
    ]
    kernelspec = {"display_name": kernel, "language": language, "name": kernel}
    metadata = {"kernelspec": kernelspec} if kernel else {}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def write_notebook(path: Path, *sources: str, **options: Any) -> Path:
    """`notebook` in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*sources, **options), indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def git(folder: Path, *arguments: str) -> str:
    """A git command as a fixed person at a fixed time; what it printed."""
    fixed = {
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_AUTHOR_DATE": "2026-02-03T04:05:06+00:00",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
        "GIT_COMMITTER_DATE": "2026-02-03T04:05:06+00:00",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
    }
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder,
        env={**os.environ, **fixed},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "A first version") -> str:
    """Makes ``folder`` a repository if it is none, and commits everything; the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty folder ``ada/trees`` for a repository."""
    folder = tmp_path / "ada" / "trees"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares text with a file of a case; ``pytest --regenerate`` writes it instead."""

    def compare(path: Path, actual: str) -> None:
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual, encoding="utf-8")
            return
        assert path.exists(), f"{path} is missing: look at what is there now, then run pytest --regenerate\n{actual}"
        assert actual == path.read_text(encoding="utf-8")

    return compare


class Finished:
    """How a command line of packmill ended."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def packmill(capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Runs a command of packmill in this process."""
    from generator.cli import main

    def run(*arguments: str | Path) -> Finished:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return run


def folders(name: str) -> list[Path]:
    """The case folders of a kind."""
    return sorted(path for path in (cases / name).iterdir() if path.is_dir())


def copy_case(case: Path, target: Path) -> Path:
    """The ``repository`` of a case, copied to be committed."""
    shutil.copytree(case / "repository", target, dirs_exist_ok=True, symlinks=True)
    return target
