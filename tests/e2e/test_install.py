"""packmill as its users have it: from a wheel in an empty environment, and by build.sh."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from support import commit_all, git, here, write_notebook

pytestmark = [pytest.mark.engine, pytest.mark.slow]
_top = here.parent
_ASK = "IFS=$'\\v' COMP_LINE='packmill ins' COMP_POINT=12 COMP_TYPE=9 _ARGCOMPLETE=1 packmill 8>&1"
"""How argcomplete's shell code asks for completions, which it reads from descriptor 8."""


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env={**clean, **variables}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def installed(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs after ``uv tool install git+ADDRESS``."""
    place = tmp_path_factory.mktemp("installed")
    published = place / "packmill"
    shutil.copytree(clone, published, ignore=shutil.ignore_patterns(".venv", "example-run", "packages"), symlinks=True)
    commit_all(published)
    folders = {"UV_TOOL_DIR": str(place / "tools"), "UV_TOOL_BIN_DIR": str(place / "bin")}
    command = ("tool", "install", "--quiet", "--python", sys.executable, f"git+{published.as_uri()}")
    done = run(uv.find_uv_bin(), *command, cwd=place, **folders)
    assert done.returncode == 0, done.stderr
    return place / "bin"


def test_one_line_installs_all_commands_with_their_files(installed: Path, tmp_path: Path) -> None:
    """An engine is missing, which ``doctor`` reports; documents and the shell's completion need none."""
    commit_all(shutil.copytree(_top / "examples/city-temperatures", tmp_path / "ada/city"))
    path = {"PATH": f"{installed}:/usr/bin:/bin", "DOCKER_HOST": "unix:///no/such.sock"}

    help_text = run("packmill", "--help", cwd=tmp_path, **path)
    missing = run("packmill", "doctor", cwd=tmp_path, **path)
    built = run("packmill", "build", "--no-image", "ada/city", cwd=tmp_path, **path)
    script = f'eval "$(packmill complete bash)"; complete -p packmill; {_ASK}'
    completed = run("bash", "--noprofile", "--norc", "-c", script, cwd=tmp_path, **path)

    assert "container image, CWL, descriptor JSON" in help_text.stdout
    assert missing.returncode == 19
    assert "missing: engine" in missing.stdout
    assert (tmp_path / built.stdout.strip() / "process.cwl").is_file(), built.stderr
    assert "_python_argcomplete packmill" in completed.stdout
    assert "inspect" in completed.stdout


def test_a_wheel_builds_and_runs_a_package_outside_of_the_checkout(
    installed: Path, base_image: str, repository: Path, tmp_path: Path
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1  # type: int", "from packmill import glue\nglue('n', n)")
    commit_all(repository)

    inspected = run(installed / "packmill", "inspect", repository, cwd=tmp_path)
    built = run(installed / "packmill", "build", repository, cwd=tmp_path)
    package = Path(built.stdout.strip())
    ran = run(installed / "packmill", "run", package, "-p", "n=5", "--outdir", "out", "--", "--debug", cwd=tmp_path)
    checked = run(installed / "packmill", "validate", package, cwd=tmp_path)

    assert "n     int   1" in inspected.stdout
    assert built.returncode == 0, built.stderr
    assert package == Path("packages/ada/trees/main")
    assert ran.returncode == 0, ran.stderr
    assert '"n": 5' in (tmp_path / "out/output/scraps.json").read_text()
    assert checked.returncode == 0, checked.stderr


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone with the virtual environment that these tests run in, to save the time of making one more."""
    folder = tmp_path_factory.mktemp("clone") / "packmill"
    tracked = git(_top, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, tracked):
        if (_top / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(_top / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(_top / ".venv")
    return folder


def test_build_sh_builds_and_runs_the_example_and_a_second_call_changes_nothing(clone: Path, base_image: str) -> None:
    first = run(clone / "build.sh", cwd=clone)
    assert first.returncode == 0, first.stderr
    results = clone / "example-run/results/output"
    assert {path.name for path in results.iterdir()} == {
        "process.ipynb",
        "result.json",
        "scraps",
        "scraps.json",
        "summary.csv",
        "year.png",
    }
    assert (results / "year.png").read_bytes().startswith(b"\x89PNG")
    assert "glued results" in first.stdout
    before = {path: path.stat().st_mtime_ns for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts}

    second = run(clone / "build.sh", cwd=clone)

    assert second.returncode == 0, second.stderr
    assert "is up to date" in second.stderr
    after = {path: path.stat().st_mtime_ns for path in clone.rglob("*") if path.is_file() and ".git" not in path.parts}
    assert after == before


def test_build_sh_packages_what_the_variables_name(
    clone: Path, base_image: str, repository: Path, tmp_path: Path
) -> None:
    write_notebook(repository / "sub/folder/x.ipynb", "n = 1")
    commit_all(repository)
    git(repository, "branch", "feature/y")

    done = run(
        clone / "build.sh",
        cwd=tmp_path,
        repository=repository.as_uri(),
        checkout="feature/y",
        process="sub/folder/x.ipynb",
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "packages/ada/trees/feature/y/sub-folder-x"
    assert (tmp_path / "packages/ada/trees/feature/y/sub-folder-x/process.cwl").exists()


def test_build_sh_passes_the_exit_code_on(clone: Path, base_image: str, repository: Path, tmp_path: Path) -> None:
    commit_all(repository)

    missing = run(clone / "build.sh", cwd=tmp_path, repository=str(repository))
    alone = run(clone / "build.sh", cwd=tmp_path, checkout="main")

    assert missing.returncode == 11
    assert alone.returncode == 2
    assert "'repository' is not" in alone.stderr


def test_an_engine_that_does_not_answer_gives_exit_19_and_says_what_to_do(clone: Path, tmp_path: Path) -> None:
    done = run(clone / "build.sh", cwd=tmp_path, DOCKER_HOST="unix:///no/such.sock")

    assert done.returncode == 19
    assert "DOCKER_HOST=unix:///no/such.sock: no engine answers; start it, or unset DOCKER_HOST" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_without_an_engine_is_told_what_to_install() -> None:
    """The same code, asked by someone who may not install anything."""
    ask = (
        "import os\n"
        "from generator.shared.errors import PackmillError\n"
        "from generator.containers import setup as engine\n"
        "os.setuid(4242)\n"
        "try: engine.ensure_engine(docker_host=None, say=print)\n"
        "except PackmillError as error: print(error); raise SystemExit(error.exit_code)\n"
    )
    nothing = {"PATH": "/nowhere", "PYTHONPATH": str(_top)}
    done = subprocess.run([sys.executable, "-c", ask], env=nothing, capture_output=True, text=True, check=False)

    assert done.returncode == 19, done.stderr
    assert "packmill does not run as root" in done.stdout
    assert "https://docs.docker.com/engine/install/" in done.stdout
