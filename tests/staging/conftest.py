"""Fixtures of the staging tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from staging_servers import S3, HttpServer, Runner, Staged, http_server, s3_server, start


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """Runs ``packmill-runner`` in the test's folder, without the tester's own credentials."""

    def run(*words: object, **environment: str) -> Staged:
        process = start(tmp_path, *words, **environment)
        out, err = process.communicate(timeout=120)
        return Staged(process.returncode, out, err, tmp_path)

    return run


@pytest.fixture
def step(tmp_path: Path, runner: Runner) -> Callable[..., Staged]:
    """Runs a step on a CWL input object, as the generated CWL does."""

    def run(command: str, inputs: dict[str, Any], *words: object, **environment: str) -> Staged:
        name = command.replace("-", "_") + ".json"
        (tmp_path / name).write_text(json.dumps(inputs))
        return runner(command, "--inputs", name, *words, **environment)

    return run


@pytest.fixture
def outputs(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    """Return the output object that a step wrote."""
    return lambda: dict(json.loads((tmp_path / "cwl.output.json").read_text()))


@pytest.fixture
def web() -> Iterator[HttpServer]:
    """An HTTP server with configurable failures."""
    with http_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server with two buckets."""
    folder = tmp_path_factory.mktemp("s3")
    for bucket in ("data", "results"):
        (folder / bucket).mkdir()
    with s3_server(folder) as server:
        yield server


@pytest.fixture(scope="session")
def public_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server that accepts unsigned requests."""
    folder = tmp_path_factory.mktemp("public-s3")
    (folder / "open").mkdir()
    with s3_server(folder, signed=False) as server:
        yield server
