"""Images of all kinds of environments: built, looked at from inside, and run by plain cwltool.

A folder of ``cases/images`` holds a repository, ``verify`` (run inside the image), and what a run must leave.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import forked_programs
import pytest
from forked_programs import CWLTOOL
from support import Finished, commit_all, copy_case, folders, git, write_notebook

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    # repo2docker leaves the pipes of its builds to the garbage collector
]


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
    if case.name == "from-source":  # the build that has most to leave
        assert sorted(_left_for_root(image) - _left_for_root(base_image)) == []
    values = _lines(case / "values")
    if values:
        run = packmill("run", package, "--outdir", tmp_path / "results", *(f"-p{value}" for value in values))
        assert run.code == 0, run.err
    else:
        given = (package / "process.cwl", package / "inputs.yml")
        plain = forked_programs.run(CWLTOOL, "--outdir", tmp_path / "results", *given)
        assert plain.returncode == 0, plain.stderr
    assert files_below(tmp_path / "results") == _lines(case / "outputs.txt")
    if (case / "scraps.json").exists():
        scraps = json.loads((tmp_path / "results/output/scraps.json").read_text())
        assert scraps == json.loads((case / "scraps.json").read_text())


def _left_for_root(image: str) -> set[str]:
    """Files of builds that only root can see."""
    folders = "/root /var/tmp /var/cache/apt /var/lib/apt/lists /tmp"
    look = f"find {folders} -type f -size +0; find / -xdev -name '*uv_cache*'"
    command = ["docker", "run", "--rm", "--user=0", "--entrypoint=sh", image, "-c", look]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_an_import_that_fails_in_every_run_ends_the_build(
    base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(
        repository / "process.ipynb",
        "n = 1",
        "import json\n\nimport tabulate, yaml",
        "import skimage.io\nimport drawing",
    )
    write_notebook(repository / "skimage" / "figures.ipynb", "n = 1")  # a folder, which Python takes for a package
    (repository / "drawing.py").write_text("import ctypes\n\nctypes.CDLL('libGL.so.1')\n")
    (repository / "requirements.txt").write_text("tabulate\n")
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "packages")

    assert built.code == 16, built.err
    said = built.err[built.err.index("packmill: process.ipynb cannot run in the image ada.trees:main-") :]
    assert said.partition("\n")[2] == (
        "  process.ipynb imports what the image does not have:\n"
        "    cell 2 line 3: yaml\n"
        "    cell 3 line 1: skimage\n"
        "  declare them in requirements.txt: PyYAML scikit-image\n"
        "  process.ipynb has imports that fail in the image:\n"
        "    cell 3 line 2: import drawing\n"
        "      OSError: libGL.so.1: cannot open shared object file: No such file or directory\n"
        "      add libgl1 to apt.txt\n"
    )
    assert not list(tmp_path.glob("packages/**/*.cwl"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"apt.txt": "jq\nless, tree\n"}, "apt.txt line 2: 'less,' is not the name of a Debian package"),
        ({"requirements.txt": "numpy\n-r gone.txt\n"}, "requirements.txt line 2: -r gone.txt: not in the repository"),
        ({"runtime.txt": "python-3.3\n"}, "runtime.txt: Python ==3.3.* is not available"),
    ],
    ids=["apt", "requirements", "runtime"],
)
def test_an_environment_that_cannot_be_had_is_refused_before_anything_is_built(
    files: dict[str, str],
    message: str,
    base_image: str,
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    for name, text in files.items():
        (repository / name).write_text(text)
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "packages")

    assert built.code == 14, built.err
    assert message in built.err
    assert "Building" not in built.err


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM {registry}/ada/trees:1\n", "image {registry}/ada/trees:1: cannot be pulled: it needs a login"),
        (
            "FROM registry.invalid/ada/trees:1\n",
            "image registry.invalid/ada/trees:1: cannot be pulled: the name registry.invalid cannot be resolved here",
        ),
        (
            "FROM {base}\nRUN python3 -c 'import urllib.request as u; u.urlopen(\"https://index.invalid/simple\")'\n",
            "index.invalid: the build cannot fetch from it: the name index.invalid cannot be resolved here",
        ),
        (
            (
                "FROM {base}\nRUN echo deb http://deb.invalid/debian stable main > /etc/apt/sources.list && "
                "apt-get -o Acquire::Retries=0 update && apt-get install -y packmill-no-such\n"
            ),
            "deb.invalid: the build cannot fetch from it: the name deb.invalid cannot be resolved here",
        ),
    ],
    ids=["login", "name", "python", "apt"],
)
def test_what_a_build_cannot_fetch_is_named(
    dockerfile: str,
    message: str,
    base_image: str,
    registry: str,
    repository: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    (repository / "Dockerfile").write_text(dockerfile.format(base=base_image, registry=registry))
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "packages")

    assert built.code == 15, built.err
    assert f"packmill: {message.format(registry=registry)}" in built.err


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        ("export MINE=1", "does not run the command that it gets"),
        ('"$@"\necho bye', "ends with exit code 0 instead of the command's, so a failed run would pass"),
        ("exec $@", "changes the command that it gets"),
        ("echo no model >&2\nexit 3", "failed with exit code 3 before it ran the command; correct it, and"),
    ],
    ids=["no-exec", "exit-code", "words", "fails"],
)
def test_a_start_script_that_does_not_run_its_command_ends_the_build(
    start: str, problem: str, base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    (repository / "start").write_text(f"#!/bin/sh\n{start}\n")
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "packages")

    assert built.code == 16, built.err
    assert f"packmill: start: {problem}" in built.err
    assert 'end it with: exec "$@"' in built.err
    assert ("\n  no model\n" in built.err) == ("no model" in start)
    assert not list(tmp_path.glob("packages/**/*.cwl"))


def test_a_start_script_that_chooses_another_kernel_ends_the_build(
    base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    spec = {"argv": ["/usr/bin/env", "python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]}
    spec |= {"display_name": "Python 3", "language": "python"}
    (repository / "share/kernels/python3").mkdir(parents=True)
    (repository / "share/kernels/python3/kernel.json").write_text(json.dumps(spec))
    (repository / "start").write_text('#!/bin/sh\nexport JUPYTER_PATH="$REPO_DIR/share"\nexec "$@"\n')
    commit_all(repository)

    built = packmill("build", repository, "--output", tmp_path / "packages")

    assert built.code == 16, built.err
    assert "start: kernel 'python3' is /usr/bin/env, but /srv/venv/bin/python3 without it" in built.err


@pytest.mark.parametrize(
    "tool", ["setuptools-scm", *(pytest.param(one, marks=pytest.mark.exhaustive) for one in ("hatch-vcs", "pbr"))]
)
def test_a_package_that_reads_its_version_from_git_is_installed_with_it(
    tool: str, base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    backend = {
        "setuptools-scm": '["setuptools", "setuptools-scm"]\n[tool.setuptools_scm]\nversion_file = "trees/_version.py"',
        "hatch-vcs": (
            '["hatchling", "hatch-vcs"]\n[tool.hatch.version]\nsource = "vcs"\n'
            '[tool.hatch.build.hooks.vcs]\nversion-file = "trees/_version.py"'
        ),
        "pbr": '["setuptools", "pbr"]\nbuild-backend = "pbr.build"',
    }[tool]
    backend = backend if tool != "hatch-vcs" else backend.replace("]", ']\nbuild-backend = "hatchling.build"', 1)
    project = "" if tool == "pbr" else '[project]\nname = "trees"\ndynamic = ["version"]\n'
    (repository / "pyproject.toml").write_text(f"{project}[build-system]\nrequires = {backend}\n")
    if tool == "pbr":
        (repository / "setup.cfg").write_text("[metadata]\nname = trees\n[files]\npackages = trees\n")
        (repository / "setup.py").write_text("import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n")
    (repository / "trees").mkdir()
    if tool == "pbr":
        (repository / "trees/__init__.py").write_text('version = "2.3.4"\n')
    else:  # the package next to the notebook needs a module that only the build writes
        (repository / "trees/__init__.py").write_text("from trees._version import version\n")
    write_notebook(repository / "process.ipynb", "n = 1", "import trees\n\nassert trees.version == '2.3.4'")
    commit_all(repository)
    git(repository, "tag", "v2.3.4")

    built = packmill("build", repository, "--output", tmp_path / "packages", "--json")

    assert built.code == 0, built.err
    look = ["docker", "run", "--rm", "--entrypoint=python", built.json()["image"], "-c"]
    printed = subprocess.check_output([*look, "from importlib.metadata import version; print(version('trees'))"])
    assert printed.decode().strip() == "2.3.4"
    document = Path(built.json()["package"]) / "process.cwl"
    plain = forked_programs.run(CWLTOOL, "--outdir", tmp_path / "results", document)
    assert plain.returncode == 0, plain.stderr
