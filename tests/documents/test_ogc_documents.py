"""``processDescription.json`` and ``ogcapppkg.json``: valid by the standard's schemas, in agreement with the CWL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ogc_api_processes_client.models.process import Process as OgcProcess
from referencing import Registry, Resource
from ruamel.yaml import YAML
from support import folders, here, notebook

from generator.documents.context import DocumentContext
from generator.documents.cwl.application import application, application_cwl
from generator.documents.descriptors import ogc
from generator.metadata.metadata import Metadata, Person
from generator.notebook.interface import Interface
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.process.process import Process
from generator.repository.source import Source
from generator.request.resources import Resources
from generator.shared.errors import ParametersError

_schemas = here.parent / "templates" / "schemas"
_SOURCE = Source(
    address="https://git.example.org/ada/trees",
    owner="ada",
    name="trees",
    checkout="main",
    commit="0" * 40,
    message="m",
    time=datetime(2026, 1, 1, tzinfo=timezone.utc),
)


def read(cell: str) -> Interface:
    return read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "process.ipynb"))


def context_of(interface: Interface, *, address: str = "", **known: Any) -> DocumentContext:
    process = Process(path="process.ipynb", language="python", kernel="python3", interface=interface, **known)
    return DocumentContext(process=process, source=_SOURCE, image="registry.example.org/trees:1", address=address)


def emit(context: DocumentContext) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the description and the package of a process."""
    files = ogc.emit(context)
    return json.loads(files["processDescription.json"], parse_constant=_refuse), json.loads(files["ogcapppkg.json"])


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def workflow_of(context: DocumentContext) -> Mapping[str, Any]:
    return next(one for one in application(context)["$graph"] if one["class"] == "Workflow")


@cache
def validator(name: str) -> Draft202012Validator:
    def load(uri: str) -> dict[str, Any]:
        return dict(json.loads((_schemas / uri).read_text(encoding="utf-8")))

    registry: Registry[Any] = Registry(retrieve=lambda uri: Resource.from_contents(load(uri)))
    return Draft202012Validator(load(f"{name}.schema.json"), registry=registry)


def _faults(name: str, document: Any) -> list[str]:
    return [f"{list(one.absolute_path)}: {one.message}" for one in validator(name).iter_errors(document)]


def _interface_of(case: Path) -> Interface:
    cell = next(case.glob("cell.*"))
    try:
        return read(cell.read_text(encoding="utf-8")) if cell.suffix == ".py" else Interface()
    except ParametersError:
        return Interface()


@pytest.mark.parametrize("case", folders("interface"), ids=lambda path: path.name)
def test_every_interface_is_described_as_the_schemas_and_the_cwl_have_it(case: Path) -> None:
    context = context_of(_interface_of(case), address="https://deposit.example.org/p")
    description, package = emit(context)
    workflow = workflow_of(context)

    assert _faults("processDescription", description) == []
    assert _faults("ogcapppkg", {**package, "processDescription": {"id": "a", "version": "1"}}) == []
    assert OgcProcess.from_json(json.dumps(description)) is not None
    assert package["processDescription"] == description
    assert description["id"] == workflow["id"]
    assert list(description["inputs"]) == list(workflow["inputs"])
    assert list(description["outputs"]) == list(workflow["outputs"])
    for name, entry in workflow["inputs"].items():
        described = description["inputs"][name]
        may_be_null = isinstance(entry["type"], list) or str(entry["type"]).endswith("?")
        assert described["minOccurs"] == int("default" not in entry and not may_be_null)
        assert (described["title"], described["description"]) == (entry["label"], entry["doc"].strip())


@pytest.mark.parametrize(
    ("line", "default"),
    [
        ("a = False", False),
        ("a = 0", 0),
        ("a = 0.0", 0.0),
        ("a = ''", ""),
        ("a = []  # type: int[]", []),
        ("a = [0, 1]", [0, 1]),
        ("a = {'b': None}", '{"b": null}'),
    ],
)
def test_a_default_is_kept_though_it_is_empty(line: str, default: Any) -> None:
    described = emit(context_of(read(line)))[0]["inputs"]["a"]

    assert described["schema"]["default"] == default
    assert type(described["schema"]["default"]) is type(default)
    assert described["minOccurs"] == 0


def test_choices_types_and_secrets_are_described() -> None:
    cell = "a: int\nb: Literal['red', 'green'] = 'red'\nkey = ''  # type: secret\nc = None  # type: string?"
    inputs = emit(context_of(read(cell)))[0]["inputs"]

    assert inputs["a"] == {"title": "a", "description": "a", "schema": {"type": "integer"}, "minOccurs": 1}
    assert inputs["b"]["schema"] == {"type": "string", "enum": ["red", "green"], "default": "red"}
    assert inputs["key"]["schema"] == {
        "type": "string",
        "format": "password",
        "writeOnly": True,
        "nullable": True,
    }
    assert (inputs["c"]["schema"], inputs["c"]["minOccurs"]) == ({"type": "string", "nullable": True}, 0)


def test_folders_are_stac_and_several_are_repeated_inputs() -> None:
    cell = "scene = 'x.tif'  # type: stage-in\nparts = ['a/', 'b/']  # type: stage-in"
    description, _ = emit(context_of(read(cell)))
    folder = description["inputs"]["scene"]["schema"]

    assert [one["type"] for one in folder["oneOf"]] == ["string", "object"]
    assert description["inputs"]["parts"] | {"maxOccurs": 0} == {
        **description["inputs"]["scene"],
        "title": "parts",
        "description": description["inputs"]["parts"]["description"],
        "maxOccurs": 0,
    }
    assert description["inputs"]["parts"]["maxOccurs"] == "unbounded"
    assert description["outputs"]["output_dir"]["schema"] == folder


def test_a_list_of_files_has_no_empty_list_as_the_default_of_a_file() -> None:
    description, _ = emit(context_of(read("x = ['a.tif']  # type: file[]")))

    assert description["inputs"]["x"]["minOccurs"] == 0
    assert description["inputs"]["x"]["maxOccurs"] == "unbounded"
    assert "default" not in description["inputs"]["x"]["schema"]


def test_the_package_has_the_image_with_its_resources_and_the_cwl() -> None:
    resources = Resources(cores=0.5, ram=8192, disk=50_000, time=5400)
    context = context_of(read("a = 1"), resources=resources)
    image, inline = emit(context)[1]["executionUnit"]

    assert image == {
        "type": "docker",
        "image": "registry.example.org/trees:1",
        "config": {"cpuMin": 1, "memoryMin": 8.59, "storageOutputsMin": 52.429, "jobTimeout": 5400},
    }
    assert inline["mediaType"] == "application/cwl+json"
    assert inline["value"] == YAML(typ="safe", pure=True).load(application_cwl(context))


def test_a_deposited_package_has_the_address_of_its_cwl() -> None:
    units = emit(context_of(read("a = 1"), address="https://deposit.example.org/p"))[1]["executionUnit"]

    assert units[1] == {"href": "https://deposit.example.org/p/application.cwl", "type": "application/cwl"}


def test_numbers_that_json_lacks_are_in_yaml() -> None:
    read_inputs = read("a = 1.0\nb = [1.0]").inputs
    values = (float("inf"), [1.0, float("nan")])
    inputs = tuple(replace(one, default=value) for one, value in zip(read_inputs, values, strict=True))
    context = context_of(Interface(inputs=inputs))
    description, package = emit(context)

    for name in ("a", "b"):
        assert "default" not in description["inputs"][name]["schema"]
        assert description["inputs"][name]["minOccurs"] == 0
    assert package["executionUnit"][-1] == {"value": application_cwl(context), "mediaType": "application/cwl+yaml"}
    assert _faults("ogcapppkg", package) == []


def test_metadata_are_texts_roles_and_links() -> None:
    metadata = Metadata(
        name="Trees",
        description="Counts trees.",
        version="1.2",
        author=(Person(name="Ada Lovelace"),),
        license="Apache-2.0",
        keywords=("forest", "lidar"),
        code_repository="https://git.example.org/ada/trees",
        software_help="https://trees.example.org/docs",
        citation="Lovelace (1843)",
    )
    description, _ = emit(context_of(read("a = 1"), metadata=metadata))

    assert [description[name] for name in ("title", "description", "version", "keywords")] == [
        "Trees",
        "Counts trees.",
        "1.2",
        ["forest", "lidar"],
    ]
    assert {"role": "https://schema.org/author", "title": "Ada Lovelace"} in description["metadata"]
    assert {"role": "https://schema.org/citation", "title": "Lovelace (1843)"} in description["metadata"]
    assert [(one["rel"], one["href"]) for one in description["links"]] == [
        ("license", "https://spdx.org/licenses/Apache-2.0.html"),
        ("help", "https://trees.example.org/docs"),
        ("https://schema.org/codeRepository", "https://git.example.org/ada/trees"),
    ]


@pytest.mark.parametrize("text", ["javascript:alert(1)", "see the README", "LicenseRef-own", "MIT OR Apache-2.0"])
def test_texts_that_are_no_web_addresses_are_no_links(text: str) -> None:
    metadata = Metadata(license=text, software_help=text, code_repository=text)
    description, _ = emit(context_of(read("a = 1"), metadata=metadata))

    assert description["links"] == []


def test_a_script_s_description_has_its_own_inputs_alone() -> None:
    context = context_of(read("a = 1"))
    context = replace(context, process=replace(context.process, path="run.sh", language="bash", kernel=None))

    assert list(emit(context)[0]["inputs"]) == ["a"]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"id": "a"}, []),
        ({"id": "a", "version": "1", "inputs": {"b": {}}}, ["inputs", "b"]),
        ({"id": "a", "version": "1", "inputs": {"b": {"schema": {"type": "int"}}}}, ["inputs", "b", "schema"]),
        ({"id": "a", "version": "1", "jobControlOptions": ["now"]}, ["jobControlOptions", 0]),
    ],
)
def test_the_schema_refuses_what_the_standard_does(document: dict[str, Any], place: list[Any]) -> None:
    assert [list(one.absolute_path) for one in validator("processDescription").iter_errors(document)] == [place]
