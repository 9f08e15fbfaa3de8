"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write what is there now into the expected files")


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
