"""The files for MAAP and HySDS: what their readers take, and that nothing of the interface is lost on the way."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from document_context import context_of
from support import Finished, cases, commit_all, write_notebook

from generator.documents.context import DocumentContext
from generator.documents.cwl.process import input_entry, output_entries
from generator.documents.descriptors import hysds, maap
from generator.metadata.metadata import Person, state
from generator.process.algorithm_config import read_algorithm_config
from generator.process.process import read_process
from generator.repository.source import Source
from generator.request.resources import Resources, resources_from
from generator.shared.errors import ParametersError

_CELL = """city = 'Lisbon'  # the place to look at
days = 600
count: int = 3
far = 1.5  # type: float? how far
flag = True
mode: Literal['a b', 'c'] = 'c'
later: Literal['a b', 'c'] = None
odd: Literal['a/b', 'c'] = 'c'
table = {'a': 1}
rewritten = {'id': 1}
numbers = [1, 2]
texts: list[str] = []
token = ''  # type: secret
key: secret
tile = 'x.tif'  # type: stage-in
tiles = ['x.tif']  # type: stage-in the tiles
folder = 'in/'  # type: stage-in?
extra = 'a.csv'  # type: File
nothing = None  # type: string?
stamp = datetime.now()
needed: str
padded = '012'
id = 'x'
plot = 'x.png'  # type: stage-out the map
logs = '*.log'  # type: stage-out?
results = 'res/'  # type: stage-out
"""
_IO = {
    "required": ["label", "submission_type", "params"],
    "properties": {
        "label": {"type": "string"},
        "submission_type": {"enum": ["individual", "iteration"]},
        "component": {"enum": ["tosca", "figaro"]},
        "enable_dedup": {"type": "boolean"},
        "params": {"items": {"$ref": "#/definitions/param"}},
    },
    "definitions": {
        "param": {
            "required": ["name", "from", "type"],
            "properties": {
                "from": {"enum": ["submitter"]},
                "type": {"enum": "text number datetime date boolean enum email textarea region object".split()},
                "optional": {"type": "boolean"},
                "placeholder": {"type": "string"},
                "enumerables": {"type": "array", "items": {"type": "string"}},
            },
            "allOf": [
                {
                    "if": {"properties": {"type": {"const": "enum"}}},
                    "then": {"required": ["enumerables"]},
                },
                {
                    "if": {"properties": {"type": {"const": "object"}}},
                    "then": {"properties": {"default": {"type": ["array", "object"]}}},
                    "else": {"properties": {"default": {"type": "string"}}},
                },
            ],
        }
    },
}
"""The rules of HySDS for ``hysds-io.json`` (hysds_commons, ``hysds-io-schema.json`` and its tests)."""
_SPEC = {
    "required": ["command", "params", "disk_usage", "soft_time_limit", "time_limit"],
    "properties": {
        "command": {"type": "string"},
        "disk_usage": {"type": "string", "pattern": "^[0-9]+(GB|MB|KB)$"},
        "soft_time_limit": {"type": "integer"},
        "time_limit": {"type": "integer"},
        "imported_worker_files": {"type": "object"},
        "post": {"type": "array", "items": {"type": "string"}},
        "recommended-queues": {"type": "array", "items": {"type": "string"}},
        "dependency_images": {"items": {"required": ["container_image_name"]}},
        "params": {
            "items": {
                "required": ["name", "destination"],
                "properties": {"destination": {"enum": ["positional", "localize", "context"]}},
            }
        },
    },
}
"""The rules for ``job-spec.json`` (hysds_commons, ``job-spec-schema.json``)."""


@pytest.fixture
def context() -> DocumentContext:
    return context_of(_CELL)


def with_resources(context: DocumentContext, **resources: Any) -> DocumentContext:
    return replace(context, process=replace(context.process, resources=Resources(**resources)))


def with_metadata(context: DocumentContext, source: str, **metadata: Any) -> DocumentContext:
    return replace(context, process=replace(context.process, metadata=state(source, **metadata)))


def job_spec(context: DocumentContext) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(maap.job_spec_json(context))
    return document


def fields(context: DocumentContext) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in json.loads(maap.hysds_io_json(context))["params"]}


def test_an_algorithm_config_reads_back_to_the_same_interface(context: DocumentContext, tmp_path: Path) -> None:
    file = tmp_path / "algorithm_config.yml"
    file.write_text(maap.algorithm_config_yml(context), encoding="utf-8")

    interface, _ = read_algorithm_config(file, file.name)

    before, after = context.process.interface, interface
    assert {one.id: input_entry(one) for one in after.inputs} == {one.id: input_entry(one) for one in before.inputs}
    assert [one.hint.secret for one in after.inputs] == [one.hint.secret for one in before.inputs]
    assert output_entries(replace(context.process, interface=after)) == output_entries(context.process)


def test_an_algorithm_config_reads_back_to_the_same_metadata(context: DocumentContext, tmp_path: Path) -> None:
    people = (Person(name="Ada", email="ada@example.org"), Person(name="Grace"))
    stated = with_metadata(
        context,
        "algorithm_config.yml",
        name="tree_height",
        description="Height of trees\nfrom lidar",
        version="1.10",
        author=people,
        license="Apache-2.0",
        keywords=("trees", "lidar"),
    )
    resources = resources_from({"cores": 2.5, "ram": 4096, "disk": 2048, "time": 90, "gpu": 1}, "a cell")
    stated = replace(stated, process=replace(stated.process, resources=resources))
    file = tmp_path / "algorithm_config.yml"
    file.write_text(maap.algorithm_config_yml(stated), encoding="utf-8")

    _, read = read_algorithm_config(file, "algorithm_config.yml")

    same = "name description version author license keywords".split()
    assert {name: getattr(read.metadata, name) for name in same} == {
        name: getattr(stated.process.metadata, name) for name in same
    }
    assert (read.resources.cores, read.resources.ram, read.resources.disk) == (2.5, 4096, 2048)
    assert (read.resources.time, read.resources.gpu) == (90, 1)


@pytest.mark.parametrize("symbols", ["[]", "[1]", "3", "{a: b}"])
def test_an_enum_without_texts_is_refused(symbols: str, tmp_path: Path) -> None:
    file = tmp_path / "algorithm_config.yml"
    file.write_text(f"inputs: [{{name: mode, type: {{type: enum, symbols: {symbols}}}}}]")

    with pytest.raises(ParametersError, match="is not a type"):
        read_algorithm_config(file, file.name)


def test_maap_py_can_send_an_algorithm_config(context: DocumentContext) -> None:
    """maap-py 4 loads the file with PyYAML and sends it as JSON, which dates and sets cannot become."""
    cell = "day = '2026-01-01'\nwhen = '12:30'\nyes = 'yes'"
    config = yaml.safe_load(maap.algorithm_config_yml(context_of(cell)))

    assert [one["default"] for one in json.loads(json.dumps(config))["inputs"]] == ["2026-01-01", "12:30", "yes"]


def test_maaps_generator_finds_what_it_reads(context: DocumentContext) -> None:
    """Its keys become label, doc, requirements and baseCommand of its CWL; a name, type, doc and label each input."""
    config = yaml.safe_load(maap.algorithm_config_yml(context))

    assert {"algorithm_name", "algorithm_description", "algorithm_version", "run_command"} < config.keys()
    assert {"ram_min", "cores_min", "outdir_max", "algorithm_container_url"} < config.keys()
    assert all(one["name"] and one["type"] and one["doc"] and one["label"] for one in config["inputs"])
    assert [(one["name"], one["type"]) for one in config["outputs"]] == [
        ("plot", "File"),
        ("logs", "File[]?"),
        ("results", "Directory"),
    ]


def test_the_descriptions_of_a_job_follow_the_rules_of_hysds(context: DocumentContext) -> None:
    form = json.loads(maap.hysds_io_json(context))

    jsonschema.validate(form, _IO)
    jsonschema.validate(job_spec(context), _SPEC)
    assert [one["name"] for one in form["params"]] == [one["name"] for one in job_spec(context)["params"]]


def test_a_field_of_the_form_fits_its_input(context: DocumentContext) -> None:
    shown = {
        name: {key: field.get(key) for key in ("type", "default", "optional")}
        for name, field in fields(context).items()
    }

    assert shown["city"] == {"type": "text", "default": "Lisbon", "optional": None}
    assert shown["count"] == {"type": "number", "default": "3", "optional": None}
    assert shown["flag"] == {"type": "boolean", "default": "true", "optional": None}
    assert shown["numbers"] == {"type": "object", "default": [1, 2], "optional": None}
    assert shown["table"] == {"type": "text", "default": '{"a": 1}', "optional": None}
    assert shown["tile"] == {"type": "text", "default": None, "optional": None}
    assert shown["tiles"] == {"type": "text", "default": None, "optional": None}
    assert shown["texts"] == {"type": "object", "default": [], "optional": None}
    assert shown["extra"] == {"type": "text", "default": None, "optional": True}
    assert shown["token"] == {"type": "text", "default": None, "optional": True}
    assert shown["needed"] == {"type": "text", "default": None, "optional": None}
    assert fields(context)["odd"]["enumerables"] == ["a/b", "c"]
    assert fields(context)["city"]["description"] == "the place to look at"


@pytest.mark.parametrize(
    ("format_", "default", "kind"),
    [
        ("date", "'2026-01-01'", "date"),
        ("date-time", "'2026-01-01T00:00:00Z'", "datetime"),
        ("date", "None  # type: string", "date"),
        ("date", "'today-5d'", "text"),
        ("uri", "'2026'", "text"),
    ],
)
def test_a_date_has_a_field_for_dates(format_: str, default: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hysds, "value_schema", lambda _: {"type": "string", "format": format_})

    assert fields(context_of(f"day = {default}"))["day"]["type"] == kind


def test_files_are_fetched_and_other_values_are_context(context: DocumentContext) -> None:
    destinations = {one["name"]: one["destination"] for one in job_spec(context)["params"]}

    assert {name for name, place in destinations.items() if place == "localize"} == {"tile", "tiles", "folder", "extra"}
    assert set(destinations.values()) == {"localize", "context"}


def test_a_job_has_the_resources_of_the_process(context: DocumentContext) -> None:
    asked = job_spec(with_resources(context, ram=20000, disk=20481, time=600))

    assert (asked["disk_usage"], asked["soft_time_limit"], asked["time_limit"]) == ("21GB", 600, 660)
    assert asked["recommended-queues"] == ["maap-dps-worker-32gb"]
    assert job_spec(context)["recommended-queues"] == ["maap-dps-worker-8gb"]
    assert job_spec(with_resources(context, ram=70000))["recommended-queues"] == []
    assert job_spec(with_resources(context, gpu=1))["recommended-queues"] == []


def test_a_stated_queue_is_recommended(context: DocumentContext) -> None:
    stated = with_metadata(context, "the metadata cell", others=[("queue", "maap-dps-gpu-worker-16gb")])

    assert job_spec(stated)["recommended-queues"] == ["maap-dps-gpu-worker-16gb"]


def test_maaps_wrapper_gets_the_address_of_the_document(context: DocumentContext) -> None:
    deposited = replace(context, address="https://example.org/raw/main")

    assert job_spec(deposited)["command"] == "/app/dps_wrapper.sh https://example.org/raw/main/application.cwl"
    assert job_spec(context)["dependency_images"][0]["container_image_name"] == "a.b:main"


@pytest.mark.parametrize(
    ("source", "metadata", "name"),
    [
        ("algorithm_config.yml", {"name": "tree"}, "tree"),
        ("algorithm_config.yml", {"name": "tree height"}, "a.b.main"),
        ("the metadata cell", {"name": "tree"}, "a.b.main"),
        ("the metadata cell", {"identifier": "trees-2"}, "trees-2"),
        ("algorithm_config.yml", {"name": "../../x"}, "a.b.main"),
    ],
)
def test_the_files_bear_the_name_of_the_algorithm(
    context: DocumentContext, source: str, metadata: dict[str, str], name: str
) -> None:
    assert list(maap.emit(with_metadata(context, source, **metadata))) == [
        "maap/algorithm_config.yml",
        f"maap/hysds-io.json.{name}",
        f"maap/job-spec.json.{name}",
    ]


def test_long_names_of_algorithms_have_names_of_files_of_their_own(context: DocumentContext) -> None:
    """File systems limit a name to 255 bytes."""
    stated = ["x" * 250 + ending for ending in ("1", "2")]
    emitted = [set(maap.emit(with_metadata(context, "algorithm_config.yml", name=one))) for one in stated]

    assert max(len(Path(path).name.encode()) for path in emitted[0] | emitted[1]) <= 255
    assert emitted[0] & emitted[1] == {"maap/algorithm_config.yml"}


def test_a_packaged_algorithm_keeps_its_name_and_its_command() -> None:
    """A shell script with an algorithm_config goes back to MAAP under its own name."""
    folder = cases / "packages" / "shell-with-a-config" / "repository"
    process = read_process(folder, "dps/run.sh")
    source = Source(
        address="https://example.org/a/b",
        owner="a",
        name="b",
        checkout="main",
        commit="0" * 40,
        message="m",
        time=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )
    context = DocumentContext(process=process, source=source, image="a.b:main")

    config = yaml.safe_load(maap.algorithm_config_yml(context))

    assert config["algorithm_name"] == process.metadata.name
    assert config["queue"] == "some-queue"
    assert config["run_command"].startswith("packmill-runner run --process dps/run.sh ")

    odd = "dps/a $(b);c.sh"
    config = yaml.safe_load(maap.algorithm_config_yml(replace(context, process=replace(process, path=odd))))

    assert shlex.split(config["run_command"])[:4] == ["packmill-runner", "run", "--process", odd], "one word of a shell"


def test_emit_takes_several_kinds(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)

    finished = packmill("build", repository, "--no-image", "--output", tmp_path, "--emit", "maap", "--emit", "airflow")

    assert finished.code == 0, finished.err
    package = Path(finished.out.strip())
    documents = json.loads((package / "package.json").read_text())["documents"]
    assert {"maap/algorithm_config.yml", "airflow"} <= {name for one in documents for name in (one, one.split("/")[0])}
    assert all((package / name).is_file() for name in documents)
