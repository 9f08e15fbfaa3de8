"""Environment files that are not read are named, with the option to use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, write_notebook


def warnings_of(repository: Path, packmill: Callable[..., Finished], *files: str) -> list[str]:
    write_notebook(repository / "notebooks/deep/process.ipynb", "n = 1", "import numpy")
    for name in files:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).touch()
    inspected = packmill("inspect", repository, "--process", "notebooks/deep/process.ipynb", "--json")
    return [warning["message"] for warning in inspected.json()["warnings"]]


@pytest.mark.parametrize(
    "file",
    [
        "notebooks/deep/requirements.txt",
        "notebooks/environment.yml",
        "notebooks/deep/binder/environment.yml",
        ".devcontainer/Dockerfile",
        "requirements/requirements-dev.txt",
        "docker/Dockerfile",
        "requirement.txt",
        "env.yml",
        "environment-prod.yaml",
        "requirements.in",
        "Dockerfile.gpu",
    ],
)
def test_a_file_that_is_not_read_is_named_with_the_option(
    file: str, repository: Path, packmill: Callable[..., Finished]
) -> None:
    [said] = warnings_of(repository, packmill, file)

    known = "Dockerfile" if "Docker" in file else "requirements.txt" if "req" in file else "environment.yml"
    move = "move it there" if "/" in file else f"rename it to {known}"
    assert said == (
        f"{file} is not read: the environment is described at the repository's top or in its binder folder; "
        f"build with --env {file}, or {move}"
    )
    commit_all(repository)
    options = ("--process", "notebooks/deep/process.ipynb", "--env", file, "--no-image")
    built = packmill("build", repository, *options, "--output", repository.parent / "packages")
    assert built.code == 0, built.err
    assert "not read" not in built.err


def test_a_file_next_to_the_notebook_is_named_even_if_another_is_read(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    said = warnings_of(repository, packmill, "requirements.txt", "env.yml", "notebooks/requirements.txt")

    assert [text.partition(":")[0] for text in said] == ["notebooks/requirements.txt is not read"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[project]\nname = "a"\nversion = "1"\ndependencies = ["numpy"]\n', True),
        ('[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nnumpy = "*"\n', True),
        ("[tool.ruff]\nline-length = 100\n", False),
    ],
)
def test_a_project_next_to_the_notebook_is_named_if_it_declares_packages(
    text: str, named: bool, repository: Path, packmill: Callable[..., Finished]
) -> None:
    (repository / "notebooks").mkdir()
    (repository / "notebooks/pyproject.toml").write_text(text)

    said = [one for one in warnings_of(repository, packmill) if "not read" in one]

    warning = (
        "notebooks/pyproject.toml is not read: the environment is described at the repository's top or in its binder "
        "folder; declare the packages of notebooks/pyproject.toml there, such as in requirements.txt"
    )
    assert said == ([warning] if named else [])


@pytest.mark.parametrize(
    "file", ["requirements.txt", "binder/requirements.txt", "data/requirements.txt", "notebooks/deep/config.yml"]
)
def test_other_files_are_not(file: str, repository: Path, packmill: Callable[..., Finished]) -> None:
    assert not any("not read" in text for text in warnings_of(repository, packmill, file))


def test_a_folder_outside_of_the_repository_is_not_listed(
    repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/requirements.txt").touch()
    (repository / "docker").symlink_to(tmp_path / "elsewhere")

    assert not any("not read" in text for text in warnings_of(repository, packmill))
