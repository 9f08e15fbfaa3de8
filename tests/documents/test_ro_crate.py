"""A package as a Workflow RO-Crate: the rules of the profile, the metadata, and that a build repeats."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crate_rules import broken_rules, entities, links
from document_context import context_of
from support import Finished, cases, commit_all, write_notebook

from generator.documents.context import DocumentContext
from generator.documents.descriptors import ro_crate
from generator.documents.package import package
from generator.metadata.metadata import Person, state

_CELL = """city = 'Lisbon'  # the place
count: int = 3
mode: Literal['a', 'b'] = None
numbers = [1, 2]
table = {'a': 1}
größe = 1.5
token = ''  # type: secret
tile = 'x.tif'  # type: stage-in
folders = ['in/']  # type: stage-in
logs = '*.log'  # type: stage-out
"""


@pytest.fixture
def context() -> DocumentContext:
    return replace(context_of(_CELL), emits=("ro-crate",))


def crate(context: DocumentContext) -> dict[str, Any]:
    files = package(context, environment=(), image_digest=None, tools={})
    document: dict[str, Any] = json.loads(files["ro-crate-metadata.json"])
    return document


def with_metadata(context: DocumentContext, **metadata: Any) -> DocumentContext:
    return replace(context, process=replace(context.process, metadata=state("a cell", **metadata)))


def test_a_package_obeys_the_profile(context: DocumentContext) -> None:
    assert broken_rules(crate(context)) == []


def test_a_package_that_states_everything_obeys_the_profile(tmp_path: Path) -> None:
    """The files of the case folder are what roc-validator was run on."""
    expected = cases / "packages" / "unity-metadata" / "expected"
    document = json.loads((expected / "ro-crate-metadata.json").read_text(encoding="utf-8"))

    assert broken_rules(document) == []


def test_a_crate_lists_every_file_of_the_package(context: DocumentContext) -> None:
    files = package(context, environment=(), image_digest=None, tools={}, image_texts={"sbom.cdx.json": "{}"})

    listed = links(entities(json.loads(files["ro-crate-metadata.json"]))["./"], "hasPart")

    assert sorted(listed) == sorted({*files} - {"ro-crate-metadata.json"})
    assert {"package.json", "sbom.cdx.json"} < set(listed)
    assert "ro-crate-metadata.json" in json.loads(files["package.json"])["documents"]


def test_an_input_is_a_formal_parameter(context: DocumentContext) -> None:
    known = entities(crate(context))

    def shown(name: str) -> tuple[Any, ...]:
        one = known[f"application.cwl#{name}"]
        return tuple(one.get(key) for key in ("additionalType", "multipleValues", "valueRequired", "defaultValue"))

    assert shown("city") == ("Text", None, False, "Lisbon")
    assert shown("count") == ("Integer", None, False, "3")
    assert shown("mode") == ("Text", None, False, None)
    assert shown("numbers") == ("Float", True, False, "[1, 2]")
    assert shown("table") == ("Text", None, False, '{"a": 1}')
    assert shown("gr%C3%B6%C3%9Fe") == ("Float", None, False, "1.5")
    assert shown("token") == ("Text", None, False, None)
    assert shown("tile") == ("Dataset", None, True, None)
    assert shown("folders") == ("Dataset", True, True, None)
    assert shown("output_dir") == ("Dataset", None, None, None)
    assert known["application.cwl#city"]["description"] == "the place"


def test_people_and_license_are_entities(context: DocumentContext) -> None:
    people = (Person(name="Ada", identifier="0000-0002-1825-0097", affiliation="Trees"), Person(name="Grace"))
    stated = with_metadata(context, author=people, publisher=(Person(name="Trees"),), license="MIT")

    known = entities(crate(stated))

    assert links(known["./"], "author") == ["https://orcid.org/0000-0002-1825-0097", "#author-2"]
    assert known["#author-1-affiliation"]["name"] == "Trees"
    assert known["#publisher-1"]["@type"] == "Organization"
    assert known["https://spdx.org/licenses/MIT"]["@type"] == "CreativeWork"
    assert broken_rules(crate(stated)) == []


@pytest.mark.parametrize(
    ("stated", "license_"),
    [
        ("", "NOASSERTION"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("ask us", "ask us"),
        ("LicenseRef-own", "LicenseRef-own"),
        ("https://example.org/license", {"@id": "https://example.org/license"}),
    ],
)
def test_a_license_is_text_where_it_has_no_address(context: DocumentContext, stated: str, license_: Any) -> None:
    document = crate(with_metadata(context, license=stated) if stated else context)

    assert entities(document)["./"]["license"] == license_
    assert broken_rules(document) == []


def test_a_crate_repeats(context: DocumentContext) -> None:
    assert ro_crate.emit_catalog(context, ["a"]) == ro_crate.emit_catalog(context, ["a"])
    assert entities(crate(context))["./"]["datePublished"] == "2026-01-01T00:00:00Z"


def test_file_names_become_uris(context: DocumentContext) -> None:
    text = ro_crate.emit_catalog(context, ["example/0_my tiles #1?.tif"])["ro-crate-metadata.json"]

    known = entities(json.loads(text))
    assert known["example/0_my%20tiles%20%231%3F.tif"]["name"] == "example/0_my tiles #1?.tif"


def test_a_build_writes_a_crate(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)

    finished = packmill("build", repository, "--no-image", "--output", tmp_path / "out", "--emit", "ro-crate")

    assert finished.code == 0, finished.err
    folder = Path(finished.out.strip())
    document = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    assert broken_rules(document, folder) == []
