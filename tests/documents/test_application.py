"""``application.cwl``: one self-contained document, in plain types, that platforms deploy (OGC 20-089)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any

import pytest
from support import notebook

from generator.documents.context import DocumentContext
from generator.documents.cwl.application import application, application_cwl
from generator.documents.text import yaml_text
from generator.metadata.metadata import Metadata, Person
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.package.job_file import read_yaml
from generator.process.process import Process
from generator.repository.source import Source
from generator.request.resources import Resources

_PERSON = Person(
    name="Ada Lovelace",
    given_name="Ada",
    family_name="Lovelace",
    email="ada@example.org",
    affiliation="University of Trees",
)


def context(cell: str, *, metadata: Metadata | None = None, resources: Resources | None = None) -> DocumentContext:
    read = read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "process.ipynb"))
    process = Process(
        path="process.ipynb",
        language="python",
        kernel="python3",
        interface=read,
        metadata=metadata or Metadata(),
        resources=resources or Resources(),
    )
    source = Source(
        address="https://example.org/a/b",
        owner="a",
        name="b",
        checkout="main",
        commit="0" * 40,
        message="m",
        time=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    return DocumentContext(process=process, source=source, image="a.b:main")


def document(cell: str, **options: Any) -> Any:
    return read_yaml(application_cwl(context(cell, **options)))


@pytest.mark.parametrize(
    ("cell", "kind", "default", "options"),
    [
        ("x = 1  # type: int", "int", 1, []),
        ("x = 'a'  # type: string?", "string?", "a", []),
        ("x = None  # type: string", "string?", None, []),
        ("x = ['a']  # type: string[]", "string[]", ["a"], []),
        ("x = ['a']  # type: string[]?", "string[]", ["a"], []),
        ("x = None  # type: string[]", "string[]", [], ["--plain", "x"]),
        ("x: 'Any' = {'a': 1}", "string", '{"a": 1}', ["--plain", "x"]),
        ("x = {'id': 1}", "string", '{"id": 1}', ["--plain", "x"]),
        ("x = None", "string?", None, ["--plain", "x"]),
        ("x = None  # type: Literal['a', 'b']", ["null", {"type": "enum", "symbols": ["a", "b"]}], None, []),
        ("x = 'a.csv'  # type: File", "File?", None, []),
        ("x = 'in/'  # type: stage-in", "Directory", None, []),
        ("x = 'in/'  # type: stage-in?", "Directory?", None, []),
        ("x = 'a.tif'  # type: stage-in", "Directory", None, ["--staged", "x=File"]),
        ("x = []  # type: stage-in", "Directory", None, ["--staged", "x=File[]"]),
        ("x = ['a/', 'b/']  # type: stage-in", "Directory[]", None, []),
        ("x = ['a/']  # type: stage-in[Directory[]]?", "Directory[]", [], ["--plain", "x"]),
    ],
)
def test_every_input_has_a_plain_type(cell: str, kind: Any, default: Any, options: list[str]) -> None:
    workflow, tool = document(cell)["$graph"]

    for one in (workflow["inputs"]["x"], tool["inputs"]["x"]):
        assert one["type"] == kind
        assert one.get("default") == default
        assert one["label"]
        assert one["doc"].strip()
    given = [pair for pair in pairwise(tool["arguments"]) if pair[0] in ("--staged", "--plain")]
    assert given == ([tuple(options)] if options else [])


def test_an_input_named_as_the_step_keeps_ids_unique() -> None:
    workflow, _ = document("run = 1\nrun_step = 2")["$graph"]

    assert [*workflow["steps"]] == ["run_step_step"]
    assert workflow["outputs"]["output_dir"]["outputSource"] == "run_step_step/output_dir"


@pytest.mark.parametrize(("cores", "whole"), [(0.5, 1), (2.5, 3), (4, 4)])
def test_cores_are_whole_numbers(cores: float, whole: int) -> None:
    _, tool = document("n = 1", resources=Resources(cores=cores))["$graph"]

    limits = tool["requirements"]["ResourceRequirement"]
    assert (limits["coresMin"], limits["coresMax"]) == (whole, whole)


def test_the_only_output_is_a_folder_with_a_catalog() -> None:
    workflow, tool = document("plot = 'x.png'  # type: stage-out")["$graph"]

    assert [*workflow["outputs"]] == [*tool["outputs"]] == ["output_dir"]
    assert workflow["outputs"]["output_dir"]["type"] == "Directory"
    assert tool["arguments"][-2:] == ["--catalog", "a.b.main"]
    assert tool["arguments"].count("--expect") == 1


def test_a_process_that_is_called_main_has_another_name_on_platforms() -> None:
    for name, expected in (("main", "main-application"), ("process", "process-application"), ("trees", "trees")):
        workflow, tool = document("n = 1", metadata=Metadata(identifier=name))["$graph"]

        assert workflow["id"] == expected
        assert workflow["steps"]["run"]["run"] == f"#{tool['id']}"


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(), {"coresMin": 1, "coresMax": 1, "ramMin": 2048, "ramMax": 4096, "outdirMin": 1024}),
        (
            Resources(cores=4, ram=8192, disk=9),
            {"coresMin": 4, "coresMax": 4, "ramMin": 8192, "ramMax": 8192, "outdirMin": 9},
        ),
    ],
)
def test_resources_have_a_maximum(resources: Resources, expected: dict[str, int]) -> None:
    tool = document("n = 1", resources=resources)["$graph"][1]

    assert tool["requirements"]["ResourceRequirement"] == expected


def test_metadata_is_in_objects() -> None:
    metadata = Metadata(
        name="Trees", author=(_PERSON,), publisher=(Person(name="ACME"),), license="MIT", keywords=("a", "b")
    )

    found = document("n = 1", metadata=metadata)

    assert found["s:author"][0]["class"] == "s:Person"
    assert found["s:author"][0]["s:affiliation"] == {"class": "s:Organization", "s:name": "University of Trees"}
    assert found["s:publisher"] == {"class": "s:Organization", "s:name": "ACME"}
    assert found["s:license"] == {
        "class": "s:CreativeWork",
        "s:name": "MIT",
        "s:url": "https://spdx.org/licenses/MIT.html",
    }
    assert found["s:softwareHelp"]["s:url"] == "https://example.org/a/b"
    assert (found["s:name"], found["s:keywords"]) == ("Trees", "a, b")


def test_nothing_is_stated_that_no_source_states() -> None:
    assert not {"s:author", "s:publisher", "s:license"} & set(document("n = 1"))


@pytest.mark.parametrize(
    ("license_", "url"),
    [
        ("MIT OR Apache-2.0", None),
        ("Proprietary", None),
        ("LicenseRef-Mine", None),
        ("https://example.org/terms", "https://example.org/terms"),
    ],
)
def test_only_a_listed_license_has_an_address(license_: str, url: str | None) -> None:
    assert document("n = 1", metadata=Metadata(license=license_))["s:license"].get("s:url") == url


@pytest.mark.parametrize("version", ["1.2.3", "main", "v2"])
def test_maap_reads_a_version_without_quotes(version: str) -> None:
    text = application_cwl(context("n = 1", metadata=Metadata(version=version)))

    assert f"\ns:version: {version}\n" in text


@pytest.mark.parametrize("version", ["1.0", "2026-01-01", "1e3", "yes", "010", "1.2.3: x", "1.2.3 #"])
def test_a_version_that_is_not_text_for_yaml_is_quoted(version: str) -> None:
    assert document("n = 1", metadata=Metadata(version=version))["s:version"] == version


@pytest.mark.parametrize(
    "cell",
    [
        "n = 1  # type: int\nx = []  # type: stage-in",
        "",
        "a = 'x\u2028y\x85z\\n\x1ca'\nb = ['\u2029']",
        "a = 'x\\n\\n  y: z\\n'\nb = '    inputs: those-of-both'\nc = {'k': ['\\n    inputs: those-of-both\\n']}",
    ],
)
@pytest.mark.parametrize("description", ["", "A\n  inputs: those-of-both\nB", "  indented\n\n\nmore"])
def test_text_and_document_are_equal(cell: str, description: str) -> None:
    one = context(cell, metadata=Metadata(description=description))

    assert application_cwl(one) == yaml_text(application(one))


@pytest.mark.parametrize("text", ["x\x85y", "\u2028", "a\u2029\n b"])
def test_line_breaks_of_yaml_1_1_stay_in_a_default(text: str) -> None:
    assert document(f"x = {text!a}")["$graph"][0]["inputs"]["x"]["default"] == text


def test_secrets_are_kept_from_the_workflow_on() -> None:
    workflow, tool = document("token = ''  # type: secret")["$graph"]

    assert workflow["hints"] == tool["hints"] == {"cwltool:Secrets": {"secrets": ["token"]}}


def test_a_script_gets_the_same_options() -> None:
    read = context("x = 'a.tif'  # type: stage-in\nout = 'o/'  # type: stage-out")
    script = replace(read, process=replace(read.process, path="run.sh", language="shell", kernel=None))

    words = read_yaml(application_cwl(script))["$graph"][1]["arguments"]

    assert ("--staged", "x=File") in pairwise(words)
    assert "--as-path" in words
