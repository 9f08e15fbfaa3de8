"""Values of a run: what the CWL engine would act on is refused before it sees it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked_programs import PACKMILL, start
from support import Finished, commit_all, here, write_notebook
from waiting import has_ended, wait_until

from generator.notebook.literals import MisfitError
from generator.notebook.parameters import CwlType, Hint, Role
from generator.package.assignments import typed_value, typed_values
from generator.package.engines.cluster import Cluster, remove_store
from generator.package.file_objects import is_inside, local_path, refuse_local_files
from generator.package.hints import read_hints
from generator.package.inputs import check_job, refuse_remote_files
from generator.package.job_file import job_values, read_job, read_yaml, refuse_address_keys
from generator.package.run import run_package
from generator.runner.standalone.parameters import ParameterOptions, read_parameters
from generator.service.pages.run_form import fields, values
from generator.shared import yaml_limits
from generator.shared.errors import ParametersError, UsageError
from generator.shared.failures import BadInputsError
from generator.staging.network.credentials import parse_credentials

_CELL = (
    "tiles = []  # type: stage-in\nn = 1  # type: int\noptions = {}\ntable = None  # type: File\n"
    "out = 'x.txt'  # type: stage-out"
)
_DIRECTIVES = ("$import", "$include", "$mixin", "$graph", "$base", "$schemas", "$namespaces", "$profile", "$other")
_RENAMED = ("cwl:tool", "cwl:requirements", "cwltool:overrides", "http://commonwl.org/cwltool#overrides", "__id")
_CLUSTER = Cluster(batch_system="slurm")


@pytest.fixture
def package(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> Path:
    """A package with an input of each kind, without an image."""
    write_notebook(repository / "process.ipynb", _CELL)
    commit_all(repository)
    return Path(packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip())


class TestTypesOfEarthScience:
    """Dates, boxes, GeoJSON and bounds after ``-p``, in a job and in a form."""

    package = here / "cases" / "packages" / "earth-types" / "expected"

    def test_are_read_from_the_command_line(self) -> None:
        point = '{"type": "Point", "coordinates": [1, 2]}'
        given = ["area=1,2,3,4", "start=today-1d", "n=7", f"aoi={point}", "days=today", "days=2020-01-01"]

        values = typed_values(given, read_hints(self.package), self.package)

        dates = ["today", "2020-01-01"]
        assert values == {"area": [1, 2, 3, 4], "start": "today-1d", "n": 7, "aoi": point, "days": dates}

    def test_are_checked_before_an_engine_starts(self) -> None:
        job = {"n": 30, "start": "2014-01-01", "area": [1, 2], "aoi": {"type": "Point"}, "name": "too long"}

        with pytest.raises(UsageError) as caught:
            check_job(job, read_hints(self.package), Path("job.yml"))

        assert [line.split(",")[0] for line in str(caught.value).splitlines()[1:]] == [
            "  n is 30",
            "  start is '2014-01-01'",
            "  area is [1",
            "  aoi is {'type': 'Point'}",
            "  name is 'too long'",
        ]

    def test_geojson_is_text_for_the_engine_which_rewrites_keys_of_objects(self) -> None:
        feature = {"type": "Feature", "id": "f", "geometry": None, "properties": {"path": "x"}}

        fitted = check_job({"aoi": feature}, read_hints(self.package), Path("job.yml"))

        assert json.loads(fitted["aoi"]) == feature

    @pytest.mark.parametrize(
        "change",
        [
            {"type": "int", "format": "date"},
            {"type": "Any", "minimum": 1},
            {"type": "string", "format": "date", "minimum": 1},
            {"type": "int", "minimum": "2020-01-31"},
            {"type": "int", "maximum": True},
            {"type": "string", "format": "email"},
            {"type": "enum", "symbols": ["a", 1]},
            {"type": "enum", "symbols": "ab"},
        ],
    )
    def test_of_a_package_that_packmill_did_not_write_are_refused(self, change: dict[str, Any], tmp_path: Path) -> None:
        record = json.loads((self.package / "package.json").read_text(encoding="utf-8"))
        known = {"name": "x", "array": False, "optional": False, "symbols": [], "secret": False}
        record["interface"]["inputs"] = [{**known, **change}]
        (tmp_path / "package.json").write_text(json.dumps(record), encoding="utf-8")

        with pytest.raises(UsageError, match=r"package\.json cannot be read"):
            read_hints(tmp_path)

    def test_have_fields_in_the_form_of_a_package(self) -> None:
        record = json.loads((self.package / "package.json").read_text(encoding="utf-8"))
        form = {field.id: field for field in fields(record["interface"])}

        assert (form["end"].control, form["start"].control, form["when"].control) == ("date", "text", "text")
        assert form["n"].doc == "at least 1, at most 10, in K"
        assert form["area"].doc == "west, south, east, north"


class TestKeysOfTheLoader:
    """Schema Salad's directives, and the keys that it renames."""

    @pytest.mark.parametrize("key", [*_DIRECTIVES, *_RENAMED])
    @pytest.mark.parametrize(
        "shape",
        [lambda key: {key: "x"}, lambda key: {"options": {key: "x"}}, lambda key: {"options": [{"a": [{key: 1}]}]}],
        ids=["top", "value", "deep"],
    )
    @pytest.mark.parametrize("write", [json.dumps, lambda job: f"# YAML\n{json.dumps(job)}"], ids=["json", "yaml"])
    def test_are_refused_at_any_depth(
        self, key: str, shape: Callable[[str], Any], write: Callable[[Any], str], tmp_path: Path
    ) -> None:
        with pytest.raises(UsageError, match="act on while they load"):
            job_values(write(shape(key)), tmp_path, name="the variable 'inputs'")

    @pytest.mark.parametrize(
        "value",
        [
            "options={$import: marker}",
            "options=[{a: {$include: marker}}]",
            "stage_out={$include: marker}",
            "stage_out={s3_url: s3://b/k, aws_config: {$import: marker}}",
        ],
    )
    def test_are_refused_on_the_command_line(
        self, value: str, package: Path, packmill: Callable[..., Finished]
    ) -> None:
        finished = packmill("run", package, "-p", value)

        assert (finished.code, "act on while they load" in finished.err) == (2, True), finished.err

    @pytest.mark.parametrize(
        "job",
        [
            {"tiles": [{"s3_url": {"$include": "marker"}}]},
            {"tiles": {"url": "https://x.org/a", "checksum": {"$import": "marker"}}},
            {"stage_out": {"$mixin": "marker"}},
            {"credentials": {"token": {"$include": "marker"}}},
        ],
    )
    def test_are_refused_in_records_and_credentials(
        self, job: dict[str, Any], package: Path, tmp_path: Path, packmill: Callable[..., Finished]
    ) -> None:
        (tmp_path / "job.json").write_text(json.dumps(job))

        finished = packmill("run", package, tmp_path / "job.json")

        assert (finished.code, "act on while they load" in finished.err) == (2, True), finished.err

    def test_are_refused_in_the_package_s_own_values(self, package: Path, packmill: Callable[..., Finished]) -> None:
        (package / "inputs.yml").write_text("options: {$include: package.json}\n")

        finished = packmill("run", package)

        assert (finished.code, "act on while they load" in finished.err) == (2, True), finished.err

    @pytest.mark.parametrize("text", ['{"$import": "x"}', '[{"a": {"cwl:tool": "x"}}]', "[" * 200 + "]" * 200])
    def test_are_refused_on_the_page(self, text: str) -> None:
        form = fields({"inputs": [{"name": "options", "type": "Any"}]})

        found, wrong = values({"input-options": text}, form)

        assert (found, list(wrong)) == ({}, ["options"])

    def test_other_keys_are_values(self, tmp_path: Path) -> None:
        job = {"options": {"eo:cloud_cover": {"lt": 10}, "a$b": 1, "text": "$import", "id": "x", "class": "water"}}

        assert job_values(json.dumps(job), tmp_path, name="job") == job


class TestFileObjects:
    """CWL's File and Directory, wherever an engine takes a mapping for one."""

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ({"class": "File", "path": "x", "writable": True}, "unknown field 'writable'"),
            ({"class": "Directory", "path": "x", "contents": "y"}, "unknown field 'contents'"),
            ({"class": "File", "path": "x", "basename": "../x"}, "basename"),
            ({"class": "File", "path": "x", "basename": ".."}, "basename"),
            ({"class": "File", "contents": "x", "basename": "a/b"}, "basename"),
            ({"class": "File", "path": "x", "secondaryFiles": ["y"]}, "secondaryFiles"),
            ({"class": "File", "path": "x", "secondaryFiles": [{"class": "File", "path": "y", "z": 1}]}, "field 'z'"),
            ({"class": "Directory", "listing": [{"class": "File", "path": "x", "basename": "/x"}]}, "basename"),
            ({"class": "File"}, "without a path"),
            ({"class": "File", "path": ["x"]}, "path is ['x']"),
            ({"class": "File", "location": "file://other.host/x"}, "file:///"),
            ({"deep": [{"class": "File", "path": "x", "entryname": "y"}]}, "unknown field 'entryname'"),
        ],
    )
    def test_with_more_than_cwl_defines_are_refused(self, value: Any, said: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError) as refused:
            job_values(json.dumps({"options": value}), tmp_path, name="job")

        assert said in str(refused.value)

    @pytest.mark.parametrize(
        "value",
        [
            {"path": "a b#1.csv"},
            {"location": "a%20b%231.csv"},
            {"path": "in/../a b#1.csv"},
            {"location": "{file}", "path": "/elsewhere", "dirname": "/elsewhere", "nameroot": "x"},
        ],
    )
    def test_become_absolute_addresses_that_mean_one_thing(self, value: dict[str, str], tmp_path: Path) -> None:
        file = tmp_path / "a b#1.csv"
        given = {key: text.replace("{file}", file.as_uri()) for key, text in value.items()}

        job = job_values(json.dumps({"x": {"class": "File", **given}}), tmp_path, name="job")

        assert job == {"x": {"class": "File", "location": f"file://{tmp_path}/a%20b%231.csv"}}
        assert local_path(job["x"]) == file

    @pytest.mark.parametrize(
        "value",
        [
            {"class": "File", "location": "%2e%2e/marker"},
            {"class": "File", "location": "file:{outside}/marker"},
            {"class": "File", "location": "FILE://localhost{outside}/marker"},
            {"class": "File", "location": "file://{inside}/%2e%2e/marker"},
            {"class": "File", "path": "link/marker"},
            {"class": "Directory", "path": "folder"},
            {"class": "Directory", "listing": [{"class": "File", "path": "../marker"}]},
            {"url": "https://example.org", "more": {"class": "File", "path": "../marker"}},
            {
                "class": "File",
                "location": "https://example.org/x",
                "secondaryFiles": [{"class": "File", "path": "../m"}],
            },
        ],
    )
    def test_of_this_machine_are_found_behind_links_and_encodings(self, value: Any, tmp_path: Path) -> None:
        (tmp_path / "marker").write_text("x")
        folder = tmp_path / "package"
        (folder / "folder").mkdir(parents=True)
        (folder / "link").symlink_to(tmp_path)
        (folder / "folder" / "link").symlink_to(tmp_path / "marker")
        text = json.dumps(value).replace("{outside}", str(tmp_path)).replace("{inside}", str(folder))

        with pytest.raises(UsageError, match="local files are not allowed here"):
            refuse_local_files(json.loads(text), folder)
        assert not is_inside(job_values(f'{{"x": {text}}}', folder, name="job"), folder)

    def test_that_are_missing_are_named_at_any_depth(self, package: Path) -> None:
        hints = read_hints(package)
        job = {"options": {"a": [{"class": "File", "path": "gone.txt"}]}}

        with pytest.raises(UsageError, match=r"options: .*/gone\.txt does not exist"):
            check_job(job, hints, package / "inputs.yml")


_HINTS = {
    "tile": Hint(type=CwlType.STRING),
    "tiles": Hint(type=CwlType.STRING, array=True),
    "n": Hint(type=CwlType.INT),
    "mode": Hint(type=CwlType.ENUM, symbols=("012", "1.10")),
    "maybe": Hint(type=CwlType.STRING, optional=True),
    "token": Hint(type=CwlType.STRING, secret=True),
    "table": Hint(type=CwlType.FILE),
    "source": Hint(type=CwlType.FILE, role=Role.STAGE_IN),
    "stage_out": Hint(optional=True),
    "credentials": Hint(optional=True, secret=True),
    "many": Hint(type=CwlType.LONG),
}


def test_the_earlier_field_of_a_destination_becomes_one_that_cwltool_keeps(tmp_path: Path) -> None:
    job = job_values("stage_out: {path: results}", tmp_path, name="job.yml")

    assert check_job(job, _HINTS, tmp_path / "job.yml") == {"stage_out": {"folder": "results"}}


class TestValuesThatYamlOrCwlWouldChange:
    """YAML reads 012 as a number, and CWL's int has 32 bits."""

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("tile: 012", "tile is the number 12, but a string is needed; write it in quotes"),
            ("tiles: [1.10, b]", "tiles is the number 1.1, but a string is needed; write it in quotes"),
            ("tile: 1.10", "tile is the number 1.1, but a string is needed; write it in quotes"),
            ("tile: 1e3", "tile is the number 1000.0"),
            ("tile: 0x1F", "tile is the number 31"),
            ("tile: 1_000", "tile is the number 1000"),
            ("tile: true", "tile is the boolean true, but a string is needed; write it in quotes"),
            ("tiles: [a, ~]", "tiles is null, but a string is needed"),
            ("mode: 012", "mode is the number 12, but one of '012', '1.10' is needed; write it in quotes"),
            ("maybe: 1.10", "maybe is the number 1.1, but a string is needed; write it in quotes"),
            ("token: 012345", "token: the secret value is not text; write it in quotes"),
            ("token: [s3cret]", "token: the secret value is not text; write it in quotes"),
            ("table: {class: File, path: 012}", "table has a File whose path is 12; write it in quotes"),
            ("source: {url: https://x.org, password: 012}", "source is or has a number or a boolean where text is"),
            ("stage_out: 2024", "stage_out is or has a number or a boolean where text is needed"),
            ("credentials: {password: 012}", "credentials: the secret value is not text; write it in quotes"),
            ('{"tile": 1.10}', "tile is the number 1.1, but a string is needed; write it in quotes"),
            (
                "n: 99999999999",
                "n is 99999999999, which is too large for an int of 32 bits; declare the parameter as long",
            ),
        ],
    )
    def test_are_refused(self, text: str, said: str, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=re.escape(said)) as refusal:
            check_job(job_values(text, tmp_path, name="job.yml"), _HINTS, tmp_path / "job.yml")

        problem = str(refusal.value).partition("\n")[2]  # the path of the file has the test's name
        assert "12345" not in problem
        assert "s3cret" not in problem

    @pytest.mark.parametrize(
        "text",
        ["2020-01-01", "2001-12-14t21:59:43.10-05:00", "2001-1-1 1:1:1", "12:30:00", "yes", "NO", "on", "0o", "1.2.3"],
    )
    def test_keep_a_text_that_other_readers_change(self, text: str, tmp_path: Path) -> None:
        job = job_values(f"tile: {text}\ntiles: [{text}]", tmp_path, name="job.yml")

        assert check_job(job, _HINTS, tmp_path / "job.yml") == {"tile": text, "tiles": [text]}

    def test_are_kept_in_quotes_or_in_a_type_that_fits(self, tmp_path: Path) -> None:
        text = "tile: '012'\ntiles: ['1.10', '1e3']\nmany: 99999999999\nn: -2147483648"

        fitted = check_job(job_values(text, tmp_path, name="job.yml"), _HINTS, tmp_path / "job.yml")

        assert fitted == {"tile": "012", "tiles": ["1.10", "1e3"], "many": 99999999999, "n": -(2**31)}

    def test_a_command_line_keeps_the_text_of_a_string(self, tmp_path: Path) -> None:
        assert typed_value("012", _HINTS["tile"], tmp_path) == "012"
        assert typed_value("1.10", _HINTS["mode"], tmp_path) == "1.10"
        assert typed_value("null", _HINTS["maybe"], tmp_path) == "null"
        assert typed_value("1e3", _HINTS["tiles"], tmp_path) == ["1e3"]
        with pytest.raises(MisfitError, match=r"is the number 1\.1, but a string is needed; write it in quotes"):
            typed_value("[1.10]", _HINTS["tiles"], tmp_path)
        with pytest.raises(MisfitError, match="too large for an int"):
            typed_value("2147483648", _HINTS["n"], tmp_path)

    @pytest.mark.parametrize(
        "text",
        ["#ff0000", "Run #5", "Lisbon: old town", "012", "1_000", "~", "|", "*.nc", ".inf", "[draft] map", "9" * 5000],
    )
    def test_a_command_line_keeps_a_text_without_a_type(self, text: str, tmp_path: Path) -> None:
        assert typed_value(text, Hint(), tmp_path) == text
        if not text.startswith("["):
            assert typed_value(text, Hint(array=True), tmp_path) == [text]

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("12", 12),
            ("1.50", 1.5),
            ('"012"', "012"),
            ("true", True),
            ("True", True),
            ("null", None),
            ("None", None),
            ("", None),
            ('{"a": [1]}', {"a": [1]}),
            ("{a: 1}", {"a": 1}),
            ("[red,nir]", ["red", "nir"]),
        ],
    )
    def test_a_command_line_has_json_and_yaml_in_brackets_without_a_type(
        self, text: str, value: Any, tmp_path: Path
    ) -> None:
        assert typed_value(text, Hint(optional=True), tmp_path) == value

    def test_a_destination_on_the_command_line_is_no_broken_record(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="neither an address nor a record") as refusal:
            typed_values(["stage_out={password: s3cret"], _HINTS, tmp_path)

        assert "s3cret" not in str(refusal.value)

    @pytest.mark.parametrize(
        "text",
        [
            '{"s3_url": "s3://b/x", "aws_secret_access_key": "s3cret"}',
            ' {s3_url: s3://b/x, aws_secret_access_key: "s3cret',
            '[{"s3_url": "s3://b/x", "aws_secret_access_key": "s3cret"}]',
            's3_url: s3://b/x\naws_secret_access_key: "s3cret',
        ],
    )
    @pytest.mark.parametrize("name", ["stage_out", "source"])
    def test_a_record_in_text_is_no_address_in_a_job_file(self, name: str, text: str, tmp_path: Path) -> None:
        for value in (text, [text]):
            with pytest.raises(UsageError, match=f"{name} is neither an address nor a record") as refusal:
                check_job({name: value}, _HINTS, tmp_path / "job.yml")

            assert "s3cret" not in str(refusal.value)

    @pytest.mark.parametrize("text", ["results", "out/{n}", "s3://bucket/url: x", "file:///a?url=b", "2024"])
    def test_a_destination_may_be_an_address_or_a_folder(self, text: str, tmp_path: Path) -> None:
        assert check_job({"stage_out": text}, _HINTS, tmp_path / "job.yml") == {"stage_out": text}

    def test_a_mistake_in_yaml_has_its_line(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"job\.yml line 2: 'n' is given twice"):
            job_values("n: 1\nn: 2\n", tmp_path, name="job.yml")


_FILE, _FOLDER = {"class": "File", "path": "a.txt"}, {"class": "Directory", "path": "in"}
_STAGED = {
    "one": Hint(type=CwlType.FILE, role=Role.STAGE_IN),
    "many": Hint(type=CwlType.FILE, array=True, role=Role.STAGE_IN),
    "folder": Hint(type=CwlType.DIRECTORY, role=Role.STAGE_IN),
    "folders": Hint(type=CwlType.DIRECTORY, array=True, role=Role.STAGE_IN),
    "plain": Hint(type=CwlType.FILE),
    "plain_many": Hint(type=CwlType.FILE, array=True),
    "plain_folder": Hint(type=CwlType.DIRECTORY),
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a file and a folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "a.txt").write_text("a")
    return tmp_path


class TestFilesAndFolders:
    """A value has the class and the number that the type needs; a step makes the rest of addresses and records."""

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("folder", _FILE, "folder is a File, but a Directory is needed; write it as {class: Directory, path: ...}"),
            ("folder", [_FILE], "folder is a list, but one Directory is needed"),
            ("folder", [_FOLDER], "folder is a list, but one Directory is needed"),
            ("folder", {"class": "File", "location": "https://x.org/a"}, "folder is a File, but a Directory is needed"),
            ("one", _FOLDER, "one is a Directory, but a File is needed"),
            ("one", [_FILE], "one is a list, but one File is needed"),
            ("one", "a.txt", "one is 'a.txt'; write it as a URL, a record, or {class: File, path: ...}"),
            ("folders", [_FOLDER, _FILE], "folders is a File, but a Directory is needed"),
            ("plain", _FOLDER, "plain is a Directory, but a File is needed"),
            ("plain_folder", _FILE, "plain_folder is a File, but a Directory is needed"),
            ("plain_many", _FILE, "but a list of File is needed"),
            ("plain_many", [_FILE, _FOLDER], "plain_many is a Directory, but a File is needed"),
        ],
    )
    def test_of_another_shape_are_refused(self, name: str, value: Any, problem: str, files: Path) -> None:
        with pytest.raises(UsageError) as refusal:
            check_job({name: value}, _STAGED, files / "job.yml")

        assert problem in str(refusal.value)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("folder", ["https://x.org/a", {"s3_url": "s3://b/k"}]),
            ("folder", {"stac_url": "https://x.org/item.json"}),
            ("one", "https://x.org/a"),
            ("many", ["https://x.org/a"]),
            ("folders", ["https://x.org/a", {"s3_url": "s3://b/k/"}]),
            ("many", "https://x.org/a"),
        ],
    )
    def test_from_elsewhere_are_left_to_a_step(self, name: str, value: Any, files: Path) -> None:
        assert check_job({name: value}, _STAGED, files / "job.yml") == {name: value}

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("one", "a.txt", "File a.txt"),
            ("one", '{"class": "File", "path": "a.txt"}', "File a.txt"),
            ("one", "{class: File, path: a.txt}", "File a.txt"),
            ("one", "file://{here}/a.txt", "File a.txt"),
            ("many", "a.txt", ["File a.txt"]),
            ("many", '{"class": "File", "path": "a.txt"}', ["File a.txt"]),
            ("many", "[a.txt, {class: File, path: a.txt}]", ["File a.txt", "File a.txt"]),
            ("many", "[https://x.org/a, a.txt]", ["https://x.org/a", "File a.txt"]),
            ("folder", "in", "Directory in"),
            ("folder", "in/", "Directory in"),
            ("folder", '{"class": "Directory", "path": "in/"}', "Directory in"),
            ("folder", "s3://bucket/in/", "s3://bucket/in/"),
            ("folder", '{"s3_url": "s3://bucket/in/"}', {"s3_url": "s3://bucket/in/"}),
            ("folders", "in", ["Directory in"]),
            (
                "folders",
                "[in, {class: Directory, path: in/}, s3://b/k/]",
                ["Directory in", "Directory in", "s3://b/k/"],
            ),
            ("plain", '{"class": "File", "path": "a.txt"}', "File a.txt"),
            ("plain_many", '[{"class": "File", "path": "a.txt"}]', ["File a.txt"]),
            ("plain_folder", "{class: Directory, path: in}", "Directory in"),
        ],
    )
    def test_on_the_command_line_are_paths_addresses_or_objects(
        self, name: str, text: str, expected: Any, files: Path
    ) -> None:
        def shown(value: Any) -> Any:
            if isinstance(value, list):
                return [shown(item) for item in value]
            local = isinstance(value, dict) and local_path(value)
            return f"{value['class']} {local.relative_to(files)}" if local else value

        given = typed_values([f"{name}={text.replace('{here}', str(files))}"], _STAGED, files)

        assert shown(check_job(given, _STAGED, files / "job.yml")[name]) == expected

    @pytest.mark.parametrize(
        ("name", "text", "problem"),
        [
            ("one", "in", "one is 'in', which is a Directory, but File is needed"),
            ("folder", "a.txt", "folder is 'a.txt', which is a File, but Directory is needed"),
            ("one", "gone.txt", "one is 'gone.txt', but this file does not exist"),
            ("folder", "gone", "folder is 'gone', but this folder does not exist"),
            ("one", "[a.txt]", "one is ['a.txt'], but a file path, a URL or an object is needed"),
            ("folder", "{class: File, path: a.txt}", "folder is a File, but a Directory is needed"),
            ("one", "{class: File, path: gone.txt}", "gone.txt does not exist"),
            ("one", "{class: File, path: a.txt, writable: true}", "unknown field 'writable'"),
            ("one", "{class: File", "one is not YAML with JSON values"),
            ("many", "[a.txt, 2]", "many is 2, but a file path, a URL or an object is needed"),
        ],
    )
    def test_on_the_command_line_that_do_not_fit_are_refused(
        self, name: str, text: str, problem: str, files: Path
    ) -> None:
        with pytest.raises(UsageError) as refusal:
            check_job(typed_values([f"{name}={text}"], _STAGED, files), _STAGED, files / "job.yml")

        assert problem in str(refusal.value)

    @pytest.mark.parametrize(
        ("name", "text", "shown"),
        [
            ("one", os.fsdecode(b"gr\xfcn.txt"), r"gr\xfcn.txt"),
            ("one", "file://{here}/gr%FCn.txt", r"gr\xfcn.txt"),
            ("one", "{class: File, location: gr%FCn.txt}", r"gr\xfcn.txt"),
            ("many", os.fsdecode(b"gr\xfcn.txt"), r"gr\xfcn.txt"),
            ("folder", os.fsdecode(b"d\xfc"), r"d\xfc"),
            ("one", os.fsdecode(b"d\xfc/a.txt"), r"d\xfc/a.txt"),
            ("plain", '{"class": "File", "location": "gr%FCn.txt"}', r"gr\xfcn.txt"),
        ],
    )
    def test_with_names_that_are_not_utf_8_are_refused_with_the_reason(
        self, name: str, text: str, shown: str, files: Path
    ) -> None:
        """A CWL engine reads the path in a URI as UTF-8, and does not find the file."""
        folder = files / os.fsdecode(b"d\xfc")
        folder.mkdir()
        for file in (files / os.fsdecode(b"gr\xfcn.txt"), folder / "a.txt"):
            file.touch()

        with pytest.raises(UsageError) as refusal:
            check_job(
                typed_values([f"{name}={text.replace('{here}', str(files))}"], _STAGED, files),
                _STAGED,
                files / "job.yml",
            )

        problem = "its name is not UTF-8, and CWL engines cannot open it; rename it, or the folder"
        assert f"{name}: {files}/{shown}: {problem}" in str(refusal.value)


class TestLimits:
    """Documents that grow when they are read; the limits are lowered, so that no test holds a large one."""

    tree = "a: &a [1, 1, 1]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"
    """59 values once it is expanded, with 14 in the text."""

    def test_aliases_are_counted_before_they_are_expanded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert len(read_yaml(self.tree)["c"]) == 3
        monkeypatch.setattr(yaml_limits, "most_values", 58)

        with pytest.raises(MisfitError, match="more than 58 values"):
            read_yaml(self.tree)

    def test_a_long_text_counts_as_several_values_where_it_is_repeated(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(yaml_limits, "most_values", 58)
        long = "x" * 16 * 58
        read_yaml(f"[{long}, {long}, {long}]")

        with pytest.raises(MisfitError, match="more than 58 values"):
            read_yaml(f"[&a {long}, *a]")

    @pytest.mark.parametrize("text", ["[[[[1]]]]", '{"a": {"b": [[1]]}}', "- - - - 1", "a: &a [[1]]\nb: [*a, *a]"])
    def test_depth_has_a_limit(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(yaml_limits, "deepest", 4)
        read_yaml(text)
        monkeypatch.setattr(yaml_limits, "deepest", 3)

        with pytest.raises(MisfitError, match="more than 3 levels"):
            read_yaml(text)

    def test_length_has_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(yaml_limits, "largest_text", 5)

        with pytest.raises(MisfitError, match="the limit of 5 characters"):
            read_yaml("abcdef")

    def test_they_hold_wherever_others_write_yaml(
        self, package: Path, tmp_path: Path, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from generator.process.algorithm_config import read_algorithm_config

        (tmp_path / "job.yml").write_text(f"options:\n  {self.tree.replace(chr(10), chr(10) + '  ')}")
        config = tmp_path / "algorithm_config.yml"
        config.write_text(self.tree)
        monkeypatch.setattr(yaml_limits, "most_values", 58)

        finished = packmill("run", package, tmp_path / "job.yml")

        assert (finished.code, "more than 58 values" in finished.err) == (2, True), finished.err
        with pytest.raises(MisfitError, match="more than 58 values"):
            typed_value(
                "{a: &a [1, 1, 1], b: &b [*a, *a, *a], c: [*b, *b, *b]}", read_hints(package)["options"], tmp_path
            )
        with pytest.raises(BadInputsError, match="more than 58 values"):
            parse_credentials(self.tree)
        with pytest.raises(BadInputsError, match="more than 58 values"):
            read_parameters(ParameterOptions(yaml=(self.tree,)), {})
        with pytest.raises(ParametersError, match="more than 58 values"):
            read_algorithm_config(config, config.name)

    def test_a_value_in_itself_is_refused(self) -> None:
        with pytest.raises(MisfitError, match="contains itself"):
            read_yaml("a: &a {b: *a}")

    @pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '{"a": NaN}', '{"a": 1e999}', '"\\ud800"', "a: .nan"])
    def test_json_is_held_to_the_same(self, text: str) -> None:
        try:
            value = read_yaml(text)
        except MisfitError:
            return
        assert value == {"a": "NaN"}


class TestGuard:
    """Under the address guard no engine fetches anything."""

    @pytest.mark.parametrize(
        "value",
        [
            {"class": "File", "location": "https://example.org/x"},
            [[{"class": "File", "location": "http://example.org/x"}]],
            {"class": "File", "contents": "", "secondaryFiles": [{"class": "File", "path": "https://example.org/x"}]},
            {"class": "Directory", "listing": [{"class": "File", "location": "ftp://example.org/x"}]},
            {"path": {"class": "File", "location": "HTTPS://example.org/x"}},
        ],
    )
    def test_remote_files_are_refused_at_any_depth(self, value: Any, tmp_path: Path) -> None:
        job = job_values(json.dumps({"options": value}), tmp_path, name="job")

        with pytest.raises(UsageError, match="make the parameter a stage-in"):
            refuse_remote_files(job)

    def test_a_run_under_the_guard_starts_no_engine_for_them(self, package: Path, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("a")
        values = (f"tiles={tmp_path}/a.txt", "table=https://example.org/x.csv")

        with pytest.raises(UsageError, match=r"table: https://example\.org/x\.csv would be fetched by the CWL engine"):
            run_package(
                package,
                job=None,
                values=values,
                outdir=tmp_path / "out",
                engine="cwltool",
                options=(),
                guarded=("PACKMILL_STAGE_GUARD",),
            )
        assert not (tmp_path / "out").exists()

    def test_a_stage_in_is_left_to_its_step(self, package: Path) -> None:
        job = {"tiles": [{"class": "File", "location": "https://example.org/x"}, "https://example.org/y"]}

        fitted = check_job(job, read_hints(package), package / "inputs.yml")

        refuse_remote_files(fitted)
        assert fitted == {"tiles": ["https://example.org/x", "https://example.org/y"]}


def test_toil_continues_no_run_that_began_with_other_values(package: Path, tmp_path: Path) -> None:
    begun = tmp_path / "out" / ".packmill-toil"
    (begun / "jobstore").mkdir(parents=True)
    (begun / "run").write_text("")  # which is no digest of any values

    with pytest.raises(UsageError, match="another package or other values"):
        run_package(
            package,
            job=None,
            values=(f"tiles={package}/package.json", f"table={package}/package.json"),
            outdir=tmp_path / "out",
            engine="toil",
            options=(),
            trust=True,
            resume=True,
        )


@pytest.mark.parametrize("options", [{"engine": "cwltool"}, {"engine": "toil", "resume": True}], ids=str)
@pytest.mark.parametrize("name", ["file", "file/results"])
def test_a_file_is_no_folder_for_outputs(options: dict[str, Any], name: str, package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    values = (f"tiles={package}/package.json", f"table={package}/package.json")

    with pytest.raises(UsageError, match=r"file(/results)?: cannot be written: .*; choose another --outdir"):
        run_package(package, job=None, values=values, outdir=tmp_path / name, options=(), trust=True, **options)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("options", [{"engine": "cwltool"}, {"engine": "toil", "resume": True}], ids=str)
def test_a_folder_that_cannot_be_written_is_refused_before_the_run(options: dict[str, Any], package: Path) -> None:
    """Such as one of another user, or on a read-only disk; here, one of the kernel's."""
    values = (f"tiles={package}/package.json", f"table={package}/package.json")
    outdir = Path("/proc/self")

    with pytest.raises(UsageError, match=r"cannot be written: .*; choose another --outdir"):
        run_package(package, job=None, values=values, outdir=outdir, options=(), trust=True, **options)


@pytest.mark.parametrize(
    ("link", "options"),
    [
        ("output", {"engine": "cwltool"}),
        (".packmill-toil", {"engine": "toil", "resume": True}),
        (".packmill-toil/run", {"engine": "toil", "cluster": Cluster(batch_system="slurm")}),
    ],
    ids=str,
)
def test_a_run_begins_in_no_folder_whose_own_files_are_links(
    link: str, options: dict[str, Any], package: Path, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("kept")
    place = tmp_path / "out" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "kept")
    values = (f"tiles={package}/package.json", f"table={package}/package.json")

    with pytest.raises(UsageError, match=f"{link}: is a link, and results do not go through links"):
        run_package(package, job=None, values=values, outdir=tmp_path / "out", options=(), trust=True, **options)
    assert (tmp_path / "kept").read_text() == "kept"


def test_a_leader_of_toil_whose_packmill_was_killed_keeps_its_job_store(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second leader would run its jobs again, and the first to end would remove the other's store."""
    program, out = tmp_path / "toil-cwl-runner", tmp_path / "out"
    (tmp_path / "waits").touch()
    program.write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/own\nmv {tmp_path}/own {tmp_path}/leader\n"
        f'mkdir -p {out}/.packmill-toil/jobstore\n[ ! -e {tmp_path}/waits ] || exec sleep 60\necho "{{}}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    given = (f"tiles={package}/package.json", f"table={package}/package.json")
    words = ("run", package, "--engine", "toil", "--batch-system", "slurm", "--trust", "--outdir", out)

    def resume() -> dict[str, Any]:
        return run_package(
            package, job=None, values=given, outdir=out, engine="toil", options=(), trust=True, resume=True
        )

    with start(PACKMILL, *words, "-p", given[0], "-p", given[1], stderr=subprocess.DEVNULL) as killed:
        leader = int(wait_until(lambda: (tmp_path / "leader").exists() and (tmp_path / "leader").read_text()))
        with pytest.raises(UsageError, match="a run of Toil still uses it"):
            resume()
        killed.kill()
    try:
        with pytest.raises(UsageError, match="a run of Toil still uses it"):
            resume()
        remove_store(out / ".packmill-toil")
        assert (out / ".packmill-toil" / "jobstore").exists()
    finally:
        os.kill(leader, signal.SIGKILL)
        (tmp_path / "waits").unlink()
    wait_until(lambda: has_ended(leader))

    assert resume() == {}
    assert not (out / ".packmill-toil").exists()


_MINE = ("--jobStore", "file:/nowhere/mine")


@pytest.mark.parametrize(
    ("own", "options"),
    [
        ({}, {"engine": "cwltool", "options": ()}),
        ({}, {"engine": "toil", "options": ()}),
        ({}, {"engine": "toil", "options": _MINE, "cluster": _CLUSTER}),
        ({"options": _MINE}, {"engine": "toil", "options": (), "cluster": _CLUSTER}),
        ({"options": _MINE}, {"engine": "toil", "options": (), "resume": True}),
    ],
    ids=["cwltool", "toil", "toil with a store of the user's", "after a store of the user's", "resumed"],
)
def test_a_run_that_succeeds_removes_nothing_that_another_one_needs_to_continue(
    own: dict[str, Any], options: dict[str, Any], package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its job store nor the digest of its values, without which a run with others would continue it."""
    folder = tmp_path / "out" / ".packmill-toil"
    store = folder / "jobstore"
    _CLUSTER.options(folder, own.get("options", ()), digest="interrupted")
    if not own:
        store.mkdir()
    (folder / "logs" / "of a job").touch()
    left = sorted(folder.rglob("*"))

    def execute(*_args: object, **_options: object) -> dict[str, Any]:
        if own:
            store.mkdir()
        return {}

    monkeypatch.setattr("generator.package.engines.execution.execute", execute)
    values = (f"tiles={package}/package.json", f"table={package}/package.json")

    assert run_package(package, job=None, values=values, outdir=tmp_path / "out", trust=True, **options) == {}

    assert sorted(path for path in folder.rglob("*") if path.name != "lock") == left
    with pytest.raises(UsageError, match="another package or other values"):
        _CLUSTER.options(folder, own.get("options", ()), resume=True, digest="of others")


def test_a_store_in_which_another_run_began_meanwhile_is_not_removed(tmp_path: Path) -> None:
    _CLUSTER.options(tmp_path / "toil", digest="theirs")
    (tmp_path / "toil" / "jobstore").mkdir()

    remove_store(tmp_path / "toil", digest="ours")
    assert (tmp_path / "toil" / "jobstore").exists()

    remove_store(tmp_path / "toil", digest="theirs")
    assert not (tmp_path / "toil").exists()


def test_a_run_whose_terminal_is_closed_leaves_no_values(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a lost connection; the file with the job has secret values."""
    program, temporary, begun = tmp_path / "toil-cwl-runner", tmp_path / "temporary", tmp_path / "begun"
    program.write_text(f"#!/bin/sh\ntrap '' HUP\ntouch {begun}\nexec sleep 60\n")
    program.chmod(0o755)
    temporary.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(temporary))
    values = ("-p", f"tiles={package}/package.json", "-p", f"table={package}/package.json")
    words = ("run", package, "--engine", "toil", "--trust", "--outdir", tmp_path / "out", *values)
    command = (sys.executable, "-m", "generator", *words)
    ours, theirs = os.openpty()
    apart = ("setsid", "--ctty", "env", "--default-signal=HUP")  # the tests may have been started with nohup

    with subprocess.Popen((*apart, *command), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        try:
            os.close(theirs)
            wait_until(begun.exists)
            values_were_there = list(temporary.glob("packmill-run-*/job.json"))
            os.close(ours)
            process.wait(timeout=60)
        finally:
            process.kill()

    assert len(values_were_there) == 1
    assert process.returncode == 130
    assert list(temporary.iterdir()) == []


def test_nohup_keeps_a_command_from_its_end_with_the_terminal(packmill: Callable[..., Finished]) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        packmill("--version")
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_input_s_name_is_no_key_of_the_loader(package: Path) -> None:
    document = json.loads((package / "package.json").read_text())
    document["interface"]["inputs"][0]["name"] = "http://commonwl.org/cwltool#overrides"
    (package / "package.json").write_text(json.dumps(document))

    with pytest.raises(UsageError, match="is not an input's name"):
        read_hints(package)


def test_a_job_file_names_files_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "job.yml").write_text("x: [{class: File, path: a.txt}, {deep: {class: Directory, path: .}}]\n")

    assert read_job(tmp_path / "job.yml")["x"] == [
        {"class": "File", "location": f"file://{tmp_path}/a.txt"},
        {"deep": {"class": "Directory", "location": f"file://{tmp_path}"}},
    ]


@pytest.mark.parametrize("value", [{"path": "a.csv"}, [{"a": {"location": 3}}], {"path": ["a"]}])
def test_an_engine_that_changes_addresses_gets_no_text_below_their_keys(value: Any) -> None:
    with pytest.raises(UsageError, match="v: Toil takes the value of the key"):
        refuse_address_keys({"v": value})


def test_a_folder_for_the_cache_is_created_where_it_is_a_path(tmp_path: Path) -> None:
    hints = {"cache_dir": Hint(type=CwlType.DIRECTORY, optional=True)}
    (tmp_path / "file").touch()

    for text in ("a/cache", "file:{0}/of a url"):
        assert "cache_dir" in typed_values([f"cache_dir={text.format(tmp_path)}"], hints, tmp_path)
    typed_values(["cache_dir=s3://bucket/cache"], hints, tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "file", "of a url"]
    with pytest.raises(UsageError, match="the folder cannot be created: Not a directory"):
        typed_values(["cache_dir=file/cache"], hints, tmp_path)


def test_files_are_no_texts_below_the_key_of_an_address() -> None:
    file = {"class": "File", "location": "file:///a"}

    refuse_address_keys({"v": file, "staged": {"path": file}, "many": [{"path": [file]}]})


@pytest.mark.parametrize("name", ["n\npackmill: made up (exit code 2)", "n\r\x1b[2K", "n\u2028x"])
def test_a_name_that_is_no_input_adds_no_line_to_a_log(name: str) -> None:
    """The service reads why a job failed from the lines of its log."""
    with pytest.raises(UsageError) as refused:
        check_job({name: 1}, {"m": Hint(type=CwlType.INT)}, Path("job.yml"))

    first, second = str(refused.value).split("\n")
    assert first == "job.yml does not fit the package"
    assert second.startswith("  n")
    assert second.isprintable()
    with pytest.raises(UsageError) as refused:
        typed_values([f"{name}=1"], {"m": Hint(type=CwlType.INT)}, Path())
    assert all(map(str.isprintable, str(refused.value).split("\n")))
    assert len(str(refused.value).split("\n")) == 2
