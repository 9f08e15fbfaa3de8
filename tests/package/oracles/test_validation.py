"""``packmill validate``: which validators judge which documents, the table, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
from support import Finished

from generator.crates.graph import RUN_CONTEXT, Graph
from generator.package import validation
from generator.package.oracles import (
    Profile,
    chosen,
    cwl2ogc,
    cwltool,
    json_schema,
    oracles,
    packmill_rules,
    roc_validator,
)
from generator.package.oracles.opinion import NotInstalledError, Opinion
from generator.package.oracles.programs import INSTALL

_WRITES = "packmill does not write".split()
_FOREIGN = "class: CommandLineTool\n"


class _Oracle:
    """A validator of other people, with a list of what it was given."""

    name, profile, loads = "other", "ogc", True

    def __init__(self, opinion: Opinion | None = None) -> None:
        self.opinion, self.given = opinion, []

    def documents(self, folder: Path) -> list[Path]:
        return sorted(folder.glob("*.cwl"))

    def judge(self, documents: Sequence[Path]) -> list[Opinion]:
        self.given += [one.name for one in documents]
        if self.opinion is None:
            raise NotInstalledError(INSTALL)
        return [self.opinion] * len(documents)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[_Oracle], Path]:
    """A package of one accepted and one refused document, and one validator besides packmill's rules and cwltool."""
    refused = Opinion(faults=("has a part of others",))
    monkeypatch.setattr(
        packmill_rules,
        "judge",
        lambda documents: [refused if one.read_text() == _FOREIGN else Opinion() for one in documents],
    )
    monkeypatch.setattr(cwltool, "judge", lambda documents: [Opinion(warnings=("odd",))] * len(documents))

    def make(oracle: _Oracle) -> Path:
        monkeypatch.setattr(validation, "chosen", lambda _: [packmill_rules, cwltool, oracle])
        (tmp_path / "process.cwl").write_text("class: Workflow\n")
        (tmp_path / "workflow.cwl").write_text(_FOREIGN)
        return tmp_path

    return make


def test_every_fault_fails_the_package(package: Callable[[_Oracle], Path], packmill: Callable[..., Finished]) -> None:
    finished = packmill("validate", package(_Oracle(Opinion(faults=("first\nmore", "second")))))

    assert finished.code == 17
    assert [line.split() for line in finished.out.splitlines()] == [
        ["oracle", "document", "result", "first", "fault"],
        ["container", "and", "expressions", "process.cwl", "ok"],
        ["cwltool", "--validate", "--strict", "process.cwl", "warning", "odd"],
        ["other", "process.cwl", "FAIL", "first"],
        ["container", "and", "expressions", "workflow.cwl", "FAIL", "has", "a", "part", "of", "others"],
        [*"cwltool --validate --strict workflow.cwl FAIL not loaded, because it has parts".split(), "that", *_WRITES],
    ]
    assert "process.cwl: first\nmore\nsecond" in finished.err


def test_a_refused_document_is_given_to_no_validator_that_loads_it(package: Callable[[_Oracle], Path]) -> None:
    oracle = _Oracle(Opinion())

    validation.validate(package(oracle))

    assert oracle.given == ["process.cwl"]


def test_every_validator_that_has_documents_is_reported_when_it_ends(package: Callable[[_Oracle], Path]) -> None:
    said: list[str] = []

    validation.validate(package(_Oracle()), say=said.append)

    assert sorted(said) == [
        "container and expressions: 1 of 2 documents valid",
        "cwltool --validate --strict: 1 of 2 documents valid",
        "other: not run",
    ]


def test_validators_that_are_not_installed_are_named_with_the_command(
    package: Callable[[_Oracle], Path], packmill: Callable[..., Finished]
) -> None:
    folder = package(_Oracle())
    (folder / "workflow.cwl").unlink()

    finished = packmill("validate", folder)

    assert finished.code == 0
    assert finished.out.endswith("\nnot run: other; needed first: pip install 'packmill[validate]'\n")
    rows = packmill("validate", folder, "--json").json()
    assert [row["valid"] for row in rows] == [True, True, None]
    assert rows[2]["install"] == "pip install 'packmill[validate]'"


def test_a_requested_profile_requires_its_validators(
    package: Callable[[_Oracle], Path], packmill: Callable[..., Finished]
) -> None:
    folder = package(_Oracle())
    (folder / "workflow.cwl").unlink()

    finished = packmill("validate", folder, "--profile", "ogc")

    assert finished.code == 2
    assert "not run: other" in finished.err


def test_a_profile_without_documents_is_refused(
    package: Callable[[_Oracle], Path], packmill: Callable[..., Finished]
) -> None:
    finished = packmill("validate", package(_Oracle(Opinion())), "--profile", "eoap")

    assert finished.code == 2
    assert "no document for the profile eoap" in finished.err


def test_no_validator_reads_a_document_that_is_a_link_to_a_file_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (tmp_path / "secret.json").write_text('{"marker": 1}')
    (folder / "application.cwl").touch()
    for name in ("processDescription.json", "applicationDescriptor.json", "ro-crate-metadata.json"):
        (folder / name).symlink_to(tmp_path / "secret.json")

    described = json_schema.judge([folder / "processDescription.json", folder / "applicationDescriptor.json"])

    assert {one.faults for one in described} == {("it is a link that leaves the package",)}
    assert not cwl2ogc.documents(folder)
    assert not roc_validator.documents(folder)


@pytest.mark.parametrize(
    "text",
    [
        '{"@context": "file:///dev/null", "@graph": []}',
        '{"@context": ["https://w3id.org/ro/crate/1.1/context", "../more.json"], "@graph": []}',
        '{"@context": ["https://w3id.org/ro/crate/1.1/context", {"a": {"@context": "/dev/null"}}]}',
        '{"@graph": [{"@context": {"@import": "https://a.example/context"}}]}',
        '{"@graph": ' + "[" * 100_000,
    ],
)
def test_a_crate_with_contexts_of_others_is_not_loaded(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON-LD reads each file that is named as a context, such as one without an end."""
    loaded: list[str] = []
    monkeypatch.setattr(roc_validator, "judge_with", lambda _, found, **__: [loaded.append(one.name) for one in found])
    (tmp_path / "ro-crate-metadata.json").write_text(text)

    (opinion,) = roc_validator.judge([tmp_path / "ro-crate-metadata.json"])

    assert opinion.faults
    assert not loaded


def test_a_crate_of_packmill_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        roc_validator, "judge_with", lambda _, found, **__: [Opinion(warnings=("loaded",)) for _ in found]
    )
    contexts = json.dumps(Graph().to_dict(contexts=[RUN_CONTEXT]))
    (tmp_path / "ro-crate-metadata.json").write_text(contexts)

    assert roc_validator.judge([tmp_path / "ro-crate-metadata.json"]) == [Opinion(warnings=("loaded",))]


def test_a_description_that_is_too_large_is_given_to_no_validator_that_reads_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "application.cwl").touch()
    with (tmp_path / "processDescription.json").open("wb") as file:
        file.truncate(256 << 20)  # of zeros, which take no room

    assert not cwl2ogc.documents(tmp_path)
    assert "longer than the limit" in json_schema.judge([tmp_path / "processDescription.json"])[0].faults[0]


@pytest.mark.parametrize("error", [RecursionError("too deep"), OverflowError("too large")])
def test_a_description_that_its_validator_cannot_judge_has_a_fault(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one with a pattern or a schema of a stranger that Python's own functions refuse."""

    def fail(_faults: object) -> NoReturn:
        raise error

    (tmp_path / "processDescription.json").write_text("{}")
    monkeypatch.setattr("jsonschema.exceptions.best_match", fail)

    assert json_schema.judge([tmp_path / "processDescription.json"])[0].faults == (f"it cannot be judged: {error}",)


def test_each_profile_has_its_own_validators_and_the_general_ones() -> None:
    assert {one.profile for one in oracles} == {"", *Profile}
    assert [one.name for one in chosen(Profile.EOAP) if one.profile] == ["eoap-validator"]
    assert {one.profile for one in chosen(None)} == {""}
    assert chosen(Profile.ALL) == list(oracles)
