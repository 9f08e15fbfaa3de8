"""The first source that states a field counts, for each field; the sources are listed in docs/metadata.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from identify.vendor.licenses import LICENSES
from support import Finished, commit_all

_FILES = {
    "sub/algorithm_config.yml": "algorithm_name: from config\nalgorithm_version: '2'\nauthor: Config\n",
    "CITATION.cff": "title: from citation\nversion: '3'\nauthors: [{name: Citation}]\nlicense: BSL-1.0\n",
    "codemeta.json": json.dumps({"name": "from codemeta", "version": "4", "license": "ISC"}),
    "pyproject.toml": '[project]\nname = "from-project"\nversion = "5"\nlicense = "Zlib"\n',
    "LICENSE": dict(LICENSES)["MIT"],
}


def _write(repository: Path, cells: list[tuple[str, str, list[str]]]) -> None:
    (repository / "sub").mkdir()
    for name, text in _FILES.items():
        (repository / name).write_text(text)
    document = {
        "cells": [
            {"cell_type": kind, "metadata": {"tags": tags}, "source": source, "outputs": [], "execution_count": None}
            for kind, source, tags in cells
        ],
        "metadata": {"kernelspec": {"name": "python3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    (repository / "sub/process.ipynb").write_text(json.dumps(document))
    commit_all(repository)


_METADATA = ("code", "label = 'from cell'\nversion = '1'\nauthor = 'Cell'\nlicense = '0BSD'", ["metadata"])
_TITLE = ("markdown", "# from title", [])
_HEADING = ("markdown", "## from heading", [])
_PARAMETERS = ("code", "n = 1", ["parameters"])
_LOWEST = {"name": None, "version": "main", "license": None}


@pytest.mark.parametrize(
    ("cells", "removed", "expected"),
    [
        ([_TITLE, _METADATA], [], {"name": "from cell", "version": "1", "license": "0BSD"}),
        ([_TITLE], [], {"name": "from config", "version": "2", "license": "BSL-1.0"}),
        ([_TITLE], ["config"], {"name": "from title", "version": "3", "license": "BSL-1.0"}),
        ([_HEADING], ["config"], {"name": "from citation", "version": "3", "license": "BSL-1.0"}),
        ([_PARAMETERS, _TITLE], ["config"], {"name": "from citation", "version": "3", "license": "BSL-1.0"}),
        ([_HEADING], ["config", "CITATION"], {"name": "from codemeta", "version": "4", "license": "ISC"}),
        ([], ["config", "CITATION", "codemeta"], {"name": "from-project", "version": "5", "license": "Zlib"}),
        (
            [_HEADING],
            ["config", "CITATION", "codemeta", "pyproject"],
            {"name": "from heading", "version": "main", "license": "MIT"},
        ),
        ([], ["config", "CITATION", "codemeta", "pyproject", "LICENSE"], _LOWEST),
    ],
)
def test_the_first_source_counts(
    cells: list[tuple[str, str, list[str]]],
    removed: list[str],
    expected: dict[str, Any],
    repository: Path,
    packmill: Callable[..., Finished],
) -> None:
    _write(repository, cells)
    for name in _FILES:
        if any(one in name for one in removed):
            (repository / name).unlink()
    commit_all(repository)

    finished = packmill("inspect", repository, "--checkout", "main", "--process", "sub/process.ipynb", "--json")

    metadata = finished.json()["metadata"]
    assert {name: metadata.get(name) for name in expected} == expected


def test_fields_come_from_several_sources_each_with_its_own(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    _write(repository, [("code", "label = 'from cell'", ["metadata"])])

    metadata = packmill("inspect", repository, "--process", "sub/process.ipynb", "--json").json()["metadata"]

    assert metadata["sources"] == {
        "name": "sub/process.ipynb cell 1 (metadata)",
        "version": "sub/algorithm_config.yml",
        "author": "sub/algorithm_config.yml",
        "license": "CITATION.cff",
    }


def test_a_config_of_another_folder_is_not_the_notebook_s(repository: Path, packmill: Callable[..., Finished]) -> None:
    _write(repository, [])
    (repository / "sub/algorithm_config.yml").rename(repository / "algorithm_config.yml")

    metadata = packmill("inspect", repository, "--process", "sub/process.ipynb", "--json").json()["metadata"]

    assert metadata["name"] == "from citation"
