"""The version of a commit for packages that read it from git."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from packaging.version import Version
from support import commit_all, git

from generator.environment.versioning import version_variables
from generator.repository import versions
from generator.repository.address import parse_repository
from generator.repository.fetch import fetch
from generator.repository.versions import next_version, packaging_texts

_CFG = "[metadata]\nname = a\n[options]\nsetup_requires = setuptools_scm\n"
_SCM = '[build-system]\nrequires = ["setuptools-scm"]\n[project]\nname = "My.Package"\n'


def version(repository: Path, folder: Path, checkout: str | None = None) -> str:
    return fetch(parse_repository(f"file://{repository}"), checkout, folder).source.version


def test_a_tagged_commit_has_the_version_of_its_tag_and_a_later_one_the_next(repository: Path, tmp_path: Path) -> None:
    (repository / "pyproject.toml").write_text(_SCM)
    commit_all(repository)
    git(repository, "tag", "v2.3.4")
    for message in ("second", "third"):
        commit = commit_all(repository, message)

    assert version(repository, tmp_path / "a", "v2.3.4") == "2.3.4"
    assert version(repository, tmp_path / "b") == f"2.3.5.dev2+g{commit[:12]}"
    assert version(repository, tmp_path / "c", commit) == f"2.3.5.dev2+g{commit[:12]}"


def test_without_tags_there_is_a_version_too(repository: Path, tmp_path: Path) -> None:
    (repository / "pyproject.toml").write_text(_SCM)
    commit = commit_all(repository)

    assert version(repository, tmp_path / "a") == f"0.1.dev0+g{commit[:12]}"
    git(repository, "tag", "release")
    assert version(repository, tmp_path / "b") == f"0.1.dev0+g{commit[:12]}"


def test_other_repositories_get_none_and_their_tags_are_not_fetched(repository: Path, tmp_path: Path) -> None:
    (repository / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    commit_all(repository)
    git(repository, "tag", "v1")

    assert version(repository, tmp_path / "a") == ""
    assert git(tmp_path / "a", "tag") == ""


@pytest.mark.parametrize(
    ("tag", "distance", "expected"),
    [
        ("v1.2.3", 0, "1.2.3"),
        ("1.2", 1, "1.3.dev1+gabc"),
        ("release-1.2.3", 2, "1.2.4.dev2+gabc"),
        ("package/v1.0rc1", 3, "1.0rc2.dev3+gabc"),
        ("2!1.0", 1, "2!1.1.dev1+gabc"),
        ("1.0.dev4", 1, "1.0.dev1+gabc"),
        ("v1; touch /tmp/x", 0, ""),
        ("nightly-2026-of-v", 0, ""),
    ],
)
def test_versions_of_tags(tag: str, distance: int, expected: str) -> None:
    found = next_version(tag, distance, "abc")

    assert found == expected
    assert not found or Version(found)


@pytest.mark.parametrize(
    ("file", "text", "variable"),
    [
        ("pyproject.toml", _SCM, "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_PACKAGE"),
        (
            "setup.cfg",
            "[metadata]\nname = a\n[options]\nsetup_requires = setuptools_scm\n",
            "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_A",
        ),
        ("setup.py", "setup(name='a', use_scm_version=True)", "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_A"),
        ("setup.py", "setup(use_scm_version=True)", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("pyproject.toml", 'requires = ["hatchling", "hatch-vcs"]', "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("setup.py", "setup(setup_requires=['pbr'], pbr=True)", "PBR_VERSION"),
        ("pyproject.toml", '[tool.pdm.version]\nsource = "scm"', "PDM_BUILD_SCM_VERSION"),
        ("pyproject.toml", 'requires = ["poetry-dynamic-versioning"]', "POETRY_DYNAMIC_VERSIONING_BYPASS"),
        ("libs/a/pyproject.toml", _SCM, "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_MY_PACKAGE"),
    ],
)
def test_every_tool_gets_its_variable(file: str, text: str, variable: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)

    assert version_variables(packaging_texts(tmp_path), "1.2") == {variable: "1.2"}


def test_packaging_files_are_read_one_after_the_other_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them were kept, in each fetch of a repository."""
    for number in range(20):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / "setup.cfg").write_text(f"{_CFG}{' ' * 500_000}\n")
    tracemalloc.start()
    try:
        count = sum(1 for _ in packaging_texts(tmp_path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(versions, "_MOST_TEXT", 5_000_000)

    assert (count, sum(1 for _ in packaging_texts(tmp_path))) == (20, 9)
    assert peak < 5_000_000
