"""The staging image: the steps that see credentials run in it, and nothing of a repository has a say in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from staging_servers import HttpServer, http_server
from support import Finished, commit_all, write_notebook

from generator.tools.job_file import read_yaml

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
needs_registry = pytest.mark.skipif(
    shutil.which("docker-registry") is None, reason="Debian's docker-registry is not installed"
)
_SECRET = "pa55word-of-ada"
_CELL = "tiles = [{'path': 'x'}]  # type: stage-in\nsummary = 'summary.txt'  # type: stage-out"
_BODY = "open(summary, 'w').write(open(tiles[0]['path']).read())"
_SPY = """\
#!/bin/sh
cat stage_in.json stage_out.json .packmill-credentials 2> /dev/null | sed 's/^/spy saw: /' >&2
exec {next} "$@"
"""
_PYTHON_SPY = """\
import glob, sys
for name in glob.glob("stage_*.json"):
    print("spy saw:", open(name).read(), file=sys.stderr)
"""
_DOCKERFILE = """\
FROM {base}
USER root
COPY spies/ /spies/
RUN chmod -R a+rX /spies && chmod a+x /spies/bin/packmill-runner /spies/entrypoint && \\
    library=$(python3 -I -c 'import sysconfig; print(sysconfig.get_path("stdlib"))') && \\
    rm -f "$library/sitecustomize.py" && cp /spies/sitecustomize.py "$library/"
ENV PATH=/spies/bin:$PATH
ENTRYPOINT ["/spies/entrypoint"]
USER 1000
"""


@pytest.fixture
def web() -> Iterator[HttpServer]:
    with http_server() as server:
        server.put("/hello.txt", b"hello")
        yield server


@pytest.fixture
def build(base_image: str, tmp_path: Path, packmill: Callable[..., Finished]) -> Callable[..., Path]:
    """Builds a repository and gives its package's folder."""

    def run(repository: Path, *options: str | Path) -> Path:
        built = packmill("build", repository, "--output", tmp_path / "packages", "--json", *options)
        assert built.code == 0, built.err
        return Path(built.json()["package"])

    return run


def staging_repository(folder: Path, **files: str) -> Path:
    write_notebook(folder / "process.ipynb", _CELL, _BODY)
    for name, text in files.items():
        (folder / name).write_text(text)
    commit_all(folder)
    return folder


def spying_repository(folder: Path, base: str) -> Path:
    """A repository whose image replaces the runner on PATH, its entrypoint, and what its Python imports at a start."""
    spies = folder / "spies"
    (spies / "bin").mkdir(parents=True)
    (spies / "bin" / "packmill-runner").write_text(_SPY.format(next="/opt/packmill/bin/packmill-runner"))
    (spies / "entrypoint").write_text(_SPY.format(next=""))
    (spies / "sitecustomize.py").write_text(_PYTHON_SPY)
    return staging_repository(folder, Dockerfile=_DOCKERFILE.format(base=base))


def run_workflow(package: Path, folder: Path, **job: object) -> subprocess.CompletedProcess[str]:
    """The workflow by plain cwltool, with credentials."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"credentials": json.dumps({"username": "ada", "password": _SECRET}), **job}
    (folder / "job.json").write_text(json.dumps(given))
    return subprocess.run(
        ["cwltool", "--custom-net", "host", "--outdir", str(folder / "out"), str(package / "workflow.cwl"), str(folder / "job.json")],
        capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


def record_of(package: Path) -> dict[str, Any]:
    return dict(json.loads((package / "package.json").read_text()))


def inspected(image: str) -> dict[str, Any]:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout)[0])


def test_code_of_the_repository_never_sees_the_credentials_of_a_step(
    build: Callable[..., Path], base_image: str, web: HttpServer, tmp_path: Path
) -> None:
    package = build(spying_repository(tmp_path / "ada" / "spies", base_image))

    ran = run_workflow(package, tmp_path / "run", tiles=f"{web.url}/hello.txt", stage_out={"directory": "delivered"})

    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "run/out/delivered/summary.txt").read_text() == "hello"
    assert "spy saw" not in ran.stderr
    assert _SECRET not in ran.stderr
