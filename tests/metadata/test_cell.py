"""The metadata cell: Unity's dialect, parsed and never run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Finished, write_notebook


@pytest.fixture
def inspect(repository: Path, packmill: Callable[..., Finished]) -> Callable[..., dict[str, Any]]:
    """The object of ``packmill inspect`` for a notebook with this metadata cell."""

    def of(cell: str, **options: Any) -> dict[str, Any]:
        write_notebook(repository / "process.ipynb", cell, tags=("metadata",), **options)
        done = packmill("inspect", repository, "--json")
        assert done.code == 0, done.err
        result: dict[str, Any] = done.json()
        return result

    return of


def _messages(described: dict[str, Any]) -> list[str]:
    """The warnings of the cell; the notebooks here have no parameters."""
    return [one["message"] for one in described["warnings"] if "'parameters'" not in one["message"]]


def _stated(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described["metadata"].items() if name not in ("sources", "missing")}


def test_unknown_words_are_kept(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect("funding = 'Grant 12'\nis_draft = True\nlevel = 3\nsensors = ['a', 'b']")

    assert _stated(described) == {"funding": "Grant 12", "is_draft": "true", "level": "3", "sensors": ["a", "b"]}
    assert _messages(described) == []


def test_words_are_known_in_every_spelling(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect("softwareVersion = '1'\ncode_repository = 'https://example.org'\nrelease_notes = 'new'")

    assert _stated(described) == {
        "version": "1",
        "codeRepository": "https://example.org",
        "releaseNotes": "new",
    }


@pytest.mark.parametrize("written", ["1.10", "1.10  # the next", "'1.10'"])
def test_a_version_stays_as_it_is_written(written: str, inspect: Callable[..., dict[str, Any]]) -> None:
    assert inspect(f"version = {written}")["metadata"]["version"] == "1.10"


@pytest.mark.parametrize(
    ("value", "people"),
    [
        ("'Ada'", [{"name": "Ada"}]),
        ("'Ada <ada@example.org>'", [{"name": "Ada", "email": "ada@example.org"}]),
        ("['Ada', 'Grace']", [{"name": "Ada"}, {"name": "Grace"}]),
        ("{'name': 'Ada', 'affiliation': 'Trees'}", [{"name": "Ada", "affiliation": "Trees"}]),
        ("{'class': 's:Person', 's:name': 'Ada', 's:email': 'a@b'}", [{"name": "Ada", "email": "a@b"}]),
    ],
)
def test_people(value: str, people: list[dict[str, str]], inspect: Callable[..., dict[str, Any]]) -> None:
    assert inspect(f"author = {value}")["metadata"]["author"] == people


def test_what_is_not_used_is_reported(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect(
        "author = get_author()\nversion = open('marker', 'w').name\ncommitHash = 'abc'\nnested = {'a': 1}"
    )

    assert _stated(described) == {}
    assert _messages(described) == [
        "process.ipynb cell 1 (metadata): not used: commitHash, nested",
        "process.ipynb cell 1 (metadata): not used, because only running the cell gives them: author, version",
    ]


@pytest.mark.parametrize(("identifier", "is_id"), [("tree-height", True), ("a b", False), ("é", False), ("-a", False)])
def test_an_identifier_that_platforms_refuse_is_reported(
    identifier: str, is_id: bool, inspect: Callable[..., dict[str, Any]]
) -> None:
    described = inspect(f"id = {identifier!r}")

    assert _stated(described) == {"identifier": identifier}
    assert [f"the identifier {identifier!r} is not the process's ID" in one for one in _messages(described)] == (
        [] if is_id else [True]
    )


def test_a_cell_with_a_syntax_error_is_a_warning(inspect: Callable[..., dict[str, Any]]) -> None:
    assert "process.ipynb cell 1 (metadata) line 1" in _messages(inspect("author = 'Ada"))[0]


def test_empty_values_state_nothing(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect("author = ''\nlicense = None\nkeywords = []\npublisher = []")

    assert _stated(described) == {}
    assert described["metadata"]["missing"] == ["author", "license", "publisher"]


def test_a_cell_in_r(inspect: Callable[..., dict[str, Any]]) -> None:
    described = inspect('author <- "Ada"\ncores <- 4', language="R", kernel="ir")

    assert described["metadata"]["author"] == [{"name": "Ada"}]
    assert described["resources"] == {"cores": 4, "sources": {"cores": "process.ipynb cell 1 (metadata)"}}


def test_the_cell_does_not_look_like_parameters(inspect: Callable[..., dict[str, Any]]) -> None:
    assert "looks like parameters" not in inspect("author = 'Ada'")["warnings"][0]["message"]


def test_a_second_cell_is_reported(repository: Path, packmill: Callable[..., Finished]) -> None:
    path = write_notebook(repository / "process.ipynb", "author = 'Ada'", "author = 'Grace'", tags=("metadata",))
    path.write_text(path.read_text().replace('"metadata": {}', '"metadata": {"tags": ["metadata"]}', 1))

    described = packmill("inspect", repository, "--json").json()

    assert described["metadata"]["author"] == [{"name": "Ada"}]
    assert "process.ipynb cell 2: a second cell with the tag 'metadata' is not used" in _messages(described)
