"""Each source states what it has, and nothing else; a source that cannot be read is a warning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from identify.vendor.licenses import LICENSES
from support import Finished, commit_all, git, write_notebook

_MIT = dict(LICENSES)["MIT"].replace("[year] [fullname]", "2026 Ada")
_CITATION = """\
cff-version: 1.2.0
message: Please cite this.
title: Trees from space
abstract: Heights of trees.
version: 1.10
date-released: 2026-02-01
license: [mit, apache-2.0]
keywords: [trees, lidar]
doi: 10.5281/zenodo.1
repository-code: https://example.org/code
url: https://example.org/manual
authors:
  - {given-names: Ada, family-names: Lovelace, orcid: https://orcid.org/0000-0002-1825-0097, affiliation: Trees Inc.}
  - name: The Trees Team
"""
_CODEMETA = {
    "@context": "https://w3id.org/codemeta/3.0",
    "type": "SoftwareSourceCode",
    "name": "Trees",
    "description": "Heights",
    "version": "3.0",
    "license": "https://spdx.org/licenses/BSD-3-Clause",
    "author": [{"type": "Person", "givenName": "Grace", "familyName": "Hopper", "email": "grace@example.org"}],
    "publisher": {"type": "Organization", "name": "Institute of Trees"},
    "keywords": "trees, radar",
    "codeRepository": "https://example.org/repository",
    "dateCreated": "2025-05-05",
    "softwareHelp": {"type": "CreativeWork", "url": "https://example.org/help"},
}
_PYPROJECT = """\
[project]
name = "trees"
description = "Tools for trees"
version = "4.0"
authors = [{name = "Edsger", email = "edsger@example.org"}]
license = "mpl-2.0"
keywords = ["trees"]

[project.urls]
Documentation = "https://example.org/docs"
Repository = "https://example.org/source"
"""


@pytest.fixture
def inspect(repository: Path, packmill: Callable[..., Finished]) -> Callable[..., dict[str, Any]]:
    """The object of ``packmill inspect`` for a repository with these files, and a notebook without metadata."""

    def of(*options: str, **files: str) -> dict[str, Any]:
        if not (repository / "process.ipynb").exists():
            write_notebook(repository / "process.ipynb", "n = 1")
        for name, text in files.items():
            (repository / name.replace("_dot_", ".")).write_text(text)
        done = packmill("inspect", repository, "--json", *options)
        assert done.code == 0, done.err
        result: dict[str, Any] = done.json()
        return result

    return of


def _stated(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described["metadata"].items() if name not in ("sources", "missing")}


def test_a_citation_file(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(CITATION_dot_cff=_CITATION)

    assert _stated(described) == {
        "name": "Trees from space",
        "description": "Heights of trees.",
        "version": "1.10",
        "author": [
            {
                "name": "Ada Lovelace",
                "givenName": "Ada",
                "familyName": "Lovelace",
                "identifier": "https://orcid.org/0000-0002-1825-0097",
                "affiliation": "Trees Inc.",
            },
            {"name": "The Trees Team"},
        ],
        "license": "MIT OR Apache-2.0",
        "keywords": ["trees", "lidar"],
        "citation": "https://doi.org/10.5281/zenodo.1",
        "codeRepository": "https://example.org/code",
        "softwareHelp": "https://example.org/manual",
        "datePublished": "2026-02-01",
    }
    assert set(described["metadata"]["sources"].values()) == {"CITATION.cff"}
    parts = ("givenName", "familyName", "email", "affiliation")
    assert described["metadata"]["missing"] == [*(f"author.{part}" for part in parts), "publisher"]
    assert described["warnings"] == []


def test_a_codemeta_file(inspect: Callable[..., dict[str, Any]]) -> None:
    assert _stated(inspect(codemeta_dot_json=json.dumps(_CODEMETA))) == {
        "name": "Trees",
        "description": "Heights",
        "version": "3.0",
        "author": [
            {"name": "Grace Hopper", "givenName": "Grace", "familyName": "Hopper", "email": "grace@example.org"}
        ],
        "publisher": [{"name": "Institute of Trees"}],
        "license": "BSD-3-Clause",
        "keywords": ["trees", "radar"],
        "codeRepository": "https://example.org/repository",
        "dateCreated": "2025-05-05",
        "softwareHelp": "https://example.org/help",
    }


def test_a_pyproject(inspect: Callable[..., dict[str, Any]]) -> None:
    assert _stated(inspect(pyproject_dot_toml=_PYPROJECT)) == {
        "name": "trees",
        "description": "Tools for trees",
        "version": "4.0",
        "author": [{"name": "Edsger", "email": "edsger@example.org"}],
        "license": "MPL-2.0",
        "keywords": ["trees"],
        "codeRepository": "https://example.org/source",
        "softwareHelp": "https://example.org/docs",
    }


@pytest.mark.parametrize(
    ("value", "spdx"),
    [('{file = "TERMS"}', "MIT"), ('{text = "BSD"}', "BSD"), ('{file = "../TERMS"}', None), ("5", None)],
)
def test_the_older_license_of_a_pyproject(
    value: str, spdx: str | None, repository: Path, inspect: Callable[..., dict[str, Any]]
) -> None:
    (repository.parent / "TERMS").write_text(_MIT)
    described = inspect(pyproject_dot_toml=f'[project]\nname = "x"\nversion = "1"\nlicense = {value}\n', TERMS=_MIT)

    assert described["metadata"].get("license") == spdx


def test_the_project_s_table_alone_counts(inspect: Callable[..., dict[str, Any]]) -> None:
    assert _stated(inspect(pyproject_dot_toml="[tool.ruff]\nline-length = 100\n")) == {}


@pytest.mark.parametrize("name", ["LICENSE", "licence.txt", "COPYING", "LICENSE.md", "LICENSE-MIT"])
def test_a_license_file(name: str, inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(**{name.replace(".", "_dot_"): _MIT})

    assert described["metadata"]["license"] == "MIT"
    assert described["metadata"]["sources"] == {"license": name}


def test_an_unknown_license_is_not_guessed(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(LICENSE="You may look at this.")

    assert "license" not in described["metadata"]
    assert "license" in described["metadata"]["missing"]
    [warning] = described["warnings"]
    assert warning["message"].startswith(
        "LICENSE: not the text of a well-known license, so that the license is unknown"
    )


def test_two_licenses_are_not_combined(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(**{"LICENSE-MIT": _MIT, "LICENSE-ISC": dict(LICENSES)["ISC"]})

    assert "license" not in described["metadata"]
    assert "LICENSE-ISC, LICENSE-MIT: several licenses (ISC, MIT)" in described["warnings"][0]["message"]


def test_no_more_than_twenty_license_files_are_read(inspect: Callable[..., dict[str, Any]]) -> None:
    few = inspect(**{f"LICENSE-{number}": _MIT for number in range(20)})
    described = inspect(**{f"LICENSE-{number}": _MIT for number in range(21)})

    assert (few["metadata"]["license"], "license" in described["metadata"]) == ("MIT", False)
    assert "21 license files, so that the license is unknown" in described["warnings"][0]["message"]


def test_a_license_file_is_not_read_if_the_license_is_stated(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(LICENSE="You may look at this.", CITATION_dot_cff="title: x\nlicense: MIT\n")

    assert described["metadata"]["license"] == "MIT"
    assert described["warnings"] == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("CITATION.cff", "title: [x", "line 1: not valid YAML"),
        ("CITATION.cff", "- a\n", "not a mapping"),
        ("CITATION.cff", "a: &a [*a]", "contains itself"),
        ("CITATION.cff", "[" * 2000, "nested"),
        ("codemeta.json", "{", "line 1: not valid JSON"),
        ("codemeta.json", "[]", "not a JSON object"),
        ("codemeta.json", "[" * 50_000, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_warning(
    name: str, text: str, problem: str, inspect: Callable[..., dict[str, Any]]
) -> None:
    described = inspect(**{name.replace(".", "_dot_"): text})

    [warning] = described["warnings"]
    assert warning["message"].startswith(f"{name}: its metadata cannot be read: ")
    assert problem in warning["message"]


@pytest.mark.parametrize("value", ["5", "[1, {}]", "{a: [b]}", "~", "[[x]]", "{name: [x]}"])
def test_values_of_other_kinds_are_left_out(value: str, inspect: Callable[..., dict[str, Any]]) -> None:
    keys = "title abstract version license keywords doi repository-code url authors date-released".split()

    described = inspect(CITATION_dot_cff="".join(f"{key}: {value}\n" for key in keys))

    assert json.dumps(described)


def test_links_that_leave_the_repository_are_not_read(
    repository: Path, tmp_path: Path, inspect: Callable[..., dict[str, Any]]
) -> None:
    (tmp_path / "secret.cff").write_text("title: secret\n")
    for name in ("CITATION.cff", "LICENSE", "algorithm_config.yml"):
        (repository / name).symlink_to(tmp_path / "secret.cff")

    assert "secret" not in json.dumps(inspect()["metadata"])


def test_control_characters_and_passwords_stay_out(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(CITATION_dot_cff='title: "a\\u001b[31m"\nrepository-code: https://me:geheim@example.org/x\n')

    assert _stated(described) == {"name": "a [31m", "codeRepository": "https://example.org/x"}


def test_git_states_the_rest_of_a_commit(
    repository: Path, inspect: Callable[..., dict[str, Any]], packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit = commit_all(repository)
    git(repository, "tag", "v1")

    described = packmill("inspect", repository, "--checkout", "v1", "--json").json()["metadata"]

    assert _stated({"metadata": described}) == {
        "version": "v1",
        "codeRepository": str(repository),
        "commitHash": commit,
        "dateCreated": "2026-02-03",
    }
    assert set(described["sources"].values()) == {"git"}
    assert described["missing"] == ["author", "license", "publisher"]
