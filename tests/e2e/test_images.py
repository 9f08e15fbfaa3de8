"""Images of all kinds of environments: built, looked at from inside, and run by plain cwltool.

A folder of ``cases/images`` holds a repository, ``verify`` (run inside the image), and what a run must leave.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, copy_case, folders

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    # repo2docker leaves the pipes of its builds to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def cwltool(
    *arguments: str | Path, user: int | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Plain cwltool, as root or as another user."""
    command = [str(Path(sys.executable).parent / "cwltool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, user=user, cwd=cwd)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("case", folders("images"), ids=lambda path: path.name)
def test_an_image_runs(case: Path, base_image: str, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    repository = copy_case(case, tmp_path / "tests" / case.name)
    for dockerfile in repository.glob("Dockerfile"):
        dockerfile.write_text(dockerfile.read_text().replace("{base}", base_image))
    commit_all(repository)
    options = shlex.split((case / "options").read_text()) if (case / "options").exists() else []

    built = packmill("build", repository, "--output", tmp_path / "packages", "--json", *options)

    assert built.code == 0, built.err
    if (case / "warning.txt").exists():
        assert (case / "warning.txt").read_text().strip() in built.err
    image, package = built.json()["image"], Path(built.json()["package"])
    verify = subprocess.run(
        ["docker", "run", "--rm", "-i", "--entrypoint=sh", image, "-s"],
        input=(case / "verify").read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert verify.returncode == 0, verify.stdout + verify.stderr
    values = _lines(case / "values")
    if values:
        run = packmill("run", package, "--outdir", tmp_path / "results", *(f"-p{value}" for value in values))
        assert run.code == 0, run.err
    else:
        plain = cwltool("--outdir", tmp_path / "results", package / "process.cwl", package / "inputs.yml")
        assert plain.returncode == 0, plain.stderr
    assert files_below(tmp_path / "results") == _lines(case / "outputs.txt")
    if (case / "scraps.json").exists():
        scraps = json.loads((tmp_path / "results/output/scraps.json").read_text())
        assert scraps == json.loads((case / "scraps.json").read_text())


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
