"""Crates of runs: what they say of a run, that they obey the profiles, and that no secret is in them.

`tests/e2e/test_runs.py` runs a real package with ``--provenance``.
"""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from crate_rules import RUN_PROFILES, broken_rules, broken_run_rules, entities, links, types
from cwltool.stdfsaccess import StdFsAccess
from cwltool.utils import get_listing
from document_context import context_of
from support import Finished

from generator.crates.graph import Graph
from generator.crates.parameters import add_example
from generator.documents.package import package
from generator.metadata.metadata import Person, state
from generator.package.file_objects import file_objects, local_path
from generator.package.hints import read_hints
from generator.package.inputs import check_job
from generator.package.run_crate.crate import check_provenance
from generator.package.run_crate.recording import recorded
from generator.package.run_crate.run import Given
from generator.package.run_crate.values import shown_value
from generator.shared import durable_files
from generator.shared.errors import DiskFullError, RunError, UsageError

_CELL = """city = 'Lisbon'
days: int = 3
numbers = [1, 2]
table = {'a': 1}
token = ''  # type: secret
extra = 'a.csv'  # type: File
tables = []  # type: File[]
folder = 'in/'  # type: Directory
tile = 'x.tif'  # type: stage-in
plot = 'x.png'  # type: stage-out
"""
_TOKEN = "hunter2hunter2"


class Package:
    """A package in a folder, and runs of it without an engine."""

    def __init__(self, top: Path) -> None:
        self.folder, self.outdir, self.crate = top / "package", top / "out", top / "crate"
        people = (Person(name="Ada", email="ada@example.org"),)
        context = context_of(_CELL)
        process = replace(context.process, metadata=state("a cell", name="Trees", author=people, license="MIT"))
        for name, text in package(
            replace(context, process=process, image="example.org:5000/a/b:main", staging_image="s:1"),
            environment=(),
            image_digest=None,
            tools={},
        ).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        (self.outdir / "output" / "sub").mkdir(parents=True)
        (self.outdir / "output" / "x.png").write_text("plot")
        (self.outdir / "output" / "sub" / "y.txt").write_text("y")

    def given(self, job: dict[str, Any], *, document: str = "process.cwl") -> Given:
        hints = read_hints(self.folder)
        values = check_job(job, hints, self.folder / "job.yml")
        secrets = frozenset(name for name, hint in hints.items() if hint.secret)
        return Given(document=self.folder / document, job=values, secrets=secrets, outdir=self.outdir)

    def outputs(self) -> dict[str, Any]:
        place = self.outdir / "output"
        folder: Any = {"class": "Directory", "location": place.as_uri()}
        get_listing(StdFsAccess(""), folder)
        for one in file_objects(folder):
            one["path"] = str(local_path(one))
        return {
            "plot": {"class": "File", "path": str(place / "x.png"), "location": (place / "x.png").as_uri()},
            "output_dir": folder,
            "scraps": None,
        }

    def record(self, job: dict[str, Any], *, document: str = "process.cwl") -> dict[str, Any]:
        recorded(self.outputs, self.given(job, document=document), self.crate)
        return self.read()

    def read(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.crate / "ro-crate-metadata.json").read_text(encoding="utf-8"))
        return document

    def everything(self) -> str:
        """All bytes of the crate as text."""
        files = [path for path in self.crate.rglob("*") if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in files)


@pytest.fixture
def made(tmp_path: Path) -> Package:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a b.csv").write_text("a")
    return Package(tmp_path)


@pytest.fixture
def job(tmp_path: Path, made: Package) -> dict[str, Any]:
    data = tmp_path / "data"
    return {
        "city": "Porto",
        "numbers": [3, 4],
        "table": {"b": "https://user:pw@example.org/x?sig=abc"},
        "token": _TOKEN,
        "extra": {"class": "File", "path": str(data / "a b.csv")},
        "tables": [
            {"class": "File", "path": str(data / "a b.csv")},
            {"class": "File", "location": "https://example.org/t.csv"},
        ],
        "folder": {"class": "Directory", "path": str(data)},
        "tile": {"class": "File", "path": str(data / "a b.csv")},
    }


def action_of(document: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in document["@graph"] if one["@type"] == "CreateAction")


def value_of(document: dict[str, Any], name: str) -> Any:
    return entities(document)[f"#value-{name}"]["value"]


def test_a_run_obeys_the_profiles(made: Package, job: dict[str, Any]) -> None:
    document = made.record(job)

    assert broken_rules(document, made.crate) == []
    assert list(broken_run_rules(document)) == []
    assert sorted(links(entities(document)["./"], "conformsTo")) == sorted(RUN_PROFILES)


def test_a_run_has_its_values_and_defaults(made: Package, job: dict[str, Any]) -> None:
    document = made.record(job)

    assert value_of(document, "city") == "Porto"
    assert value_of(document, "days") == "3"
    assert value_of(document, "numbers") == "[3, 4]"
    assert links(entities(document)["process.cwl#city"], "workExample") == ["#value-city"]


def test_numbers_that_json_lacks_are_texts_in_a_crate() -> None:
    assert [shown_value(one) for one in (math.inf, -math.inf, 0.5)] == ["inf", "-inf", 0.5]
    assert shown_value({"cutoff": [math.nan]}) == '{"cutoff": ["nan"]}'


def test_a_run_has_copies_of_its_files(made: Package, job: dict[str, Any]) -> None:
    document = made.record(job)

    assert (made.crate / "inputs/extra/a b.csv").read_text() == "a"
    assert (made.crate / "inputs/folder/data/a b.csv").read_text() == "a"
    assert (made.crate / "outputs/output/sub/y.txt").read_text() == "y"
    assert links(action_of(document), "result") == ["outputs/output/x.png", "outputs/output/"]
    assert {
        "inputs/extra/a%20b.csv",
        "inputs/tables/0/a%20b.csv",
        "https://example.org/t.csv",
        "inputs/folder/data/",
    } < set(links(action_of(document), "object"))
    assert types(entities(document)["inputs/folder/data/"]) == {"Dataset"}


def test_a_run_names_the_people_and_the_image(made: Package, job: dict[str, Any]) -> None:
    document = made.record(job)
    known = entities(document)

    assert known["#author-1"]["name"] == "Ada"
    assert known["./"]["license"] == {"@id": "https://spdx.org/licenses/MIT"}
    image = known["#container-image"]
    assert (image["registry"], image["name"], image["tag"]) == ("example.org:5000", "a/b", "main")


def test_no_secret_is_in_a_crate(made: Package, job: dict[str, Any]) -> None:
    """Neither a secret input, nor what a user wrote into inputs.yml, nor a password in a URL."""
    (made.folder / "inputs.yml").write_text(f"token: {_TOKEN}\n")

    document = made.record(job)

    assert value_of(document, "token") == "(secret)"
    assert _TOKEN not in made.everything()
    assert "user:pw" not in made.everything()
    assert "sig=abc" not in made.everything()


def test_records_of_the_workflow_keep_addresses_alone(made: Package, job: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "credentials").write_text(_TOKEN)
    keys = {"aws_access_key_id": "AKIA0", "aws_secret_access_key": _TOKEN, "aws_session_token": _TOKEN}
    job |= {
        "tile": {"s3_url": "s3://bucket/x.tif", **keys},
        "stage_out": {"s3_url": "s3://bucket/results", **keys},
        "credentials": {"password": _TOKEN},
        "config_dir": {"class": "Directory", "path": str(config)},
        "cache_dir": {"class": "Directory", "path": str(config)},
    }

    document = made.record(job, document="workflow.cwl")

    assert json.loads(value_of(document, "tile")) == {"s3_url": "s3://bucket/x.tif"}
    assert json.loads(value_of(document, "stage_out")) == {"s3_url": "s3://bucket/results"}
    assert _TOKEN not in made.everything()
    assert "AKIA0" not in made.everything()
    assert broken_rules(document, made.crate) == []
    assert list(broken_run_rules(document)) == []


def test_a_graph_is_described_by_its_workflow(made: Package, job: dict[str, Any]) -> None:
    document = made.record(job, document="application.cwl")

    assert links(entities(document)["./"], "mainEntity") == ["application.cwl"]
    assert links(entities(document)["application.cwl#city"], "workExample") == ["#value-city"]
    assert links(entities(document)["application.cwl#output_dir"], "workExample") == ["outputs/output/"]
    assert broken_rules(document, made.crate) == []
    assert list(broken_run_rules(document)) == []


def test_a_presigned_address_loses_its_signature(made: Package, job: dict[str, Any]) -> None:
    job["tile"] = "https://bucket.example.org/x.tif?X-Amz-Signature=" + _TOKEN

    document = made.record(job, document="workflow.cwl")

    assert value_of(document, "tile") == "https://bucket.example.org/x.tif?"
    assert _TOKEN not in made.everything()


def test_a_run_that_fails_has_a_crate_with_the_error(made: Package, job: dict[str, Any]) -> None:
    def fail() -> dict[str, Any]:
        raise RunError("the run failed: see https://user:pw@example.org/log")

    with pytest.raises(RunError, match="the run failed"):
        recorded(fail, made.given(job), made.crate)

    action = action_of(made.read())
    assert action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert action["error"] == "the run failed: see https://example.org/log"
    assert broken_rules(made.read(), made.crate) == []
    assert list(broken_run_rules(made.read())) == []


def test_a_crate_may_be_in_a_folder_that_it_describes(made: Package, job: dict[str, Any], tmp_path: Path) -> None:
    made.crate = tmp_path / "data" / "crate"

    made.record(job)

    assert [path.name for path in (made.crate / "inputs/folder/data").iterdir()] == ["a b.csv"]


def test_a_result_outside_of_the_outputs_leaves_no_crate(made: Package, job: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = {"plot": {"class": "File", "path": str(tmp_path / "out" / ".." / "data" / "a b.csv")}}

    with pytest.raises(RunError, match=r"cannot be written: .*; the run succeeded"):
        recorded(lambda: elsewhere, made.given(job), made.crate)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "package"]


def test_a_crate_that_does_not_fit_on_its_disk_has_the_exit_code_of_a_full_disk(
    made: Package, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fill(_tree: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable_files, "sync_tree", fill)

    with pytest.raises(DiskFullError, match=r"crate: No space left on device; free some space.*the run succeeded"):
        made.record(job)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "package"]


def test_links_in_results_stay_links(made: Package, job: dict[str, Any], tmp_path: Path) -> None:
    (made.outdir / "output" / "link").symlink_to(tmp_path / "data" / "a b.csv")

    made.record(job)

    assert (made.crate / "outputs/output/link").is_symlink()


def test_files_of_earlier_runs_are_not_in_the_crate(made: Package, job: dict[str, Any], tmp_path: Path) -> None:
    (made.outdir / "output/latest").symlink_to("sub/y.txt")
    outputs = made.outputs()
    for name in ("lisbon.csv", "sub/lisbon.csv", "plots/lisbon.png"):
        (made.outdir / "output" / name).parent.mkdir(exist_ok=True)
        (made.outdir / "output" / name).write_text("of an earlier run")

    recorded(lambda: outputs, made.given(job), made.crate)

    copied = made.crate / "outputs/output"
    assert {str(path.relative_to(copied)) for path in copied.rglob("*")} == {"x.png", "sub", "sub/y.txt", "latest"}


def test_links_in_an_input_multiply_nothing(made: Package, tmp_path: Path) -> None:
    """Copies of what each link leads to would be thousands of millions here."""
    top = tmp_path / "data"
    for number in range(30):
        (top / f"d{number}").mkdir()
        for name in ("one", "two"):
            (top / f"d{number}" / name).symlink_to(f"../d{number + 1}")
    (top / "d30").mkdir()
    (top / "up").symlink_to(".")
    (top / "loop").symlink_to("loop")
    (tmp_path / "elsewhere").write_text("found")
    for name in ("first", "second"):
        (top / name).symlink_to(tmp_path / "elsewhere")

    made.record({"folder": {"class": "Directory", "path": str(top)}})

    copy = made.crate / "inputs/folder/data"
    assert len(list(copy.rglob("*"))) == len(list(top.rglob("*")))
    assert [(copy / name).read_text() for name in ("up/a b.csv", "first", "second")] == ["a", "found", "found"]
    assert (copy / "d0/one/two/one").resolve() == copy.resolve() / "d3"


def test_a_crate_of_many_results_takes_time_with_their_number() -> None:
    """With the square of it, these take minutes."""
    graph, many = Graph(), [f"outputs/{number}" for number in range(40_000)]
    begin = time.process_time()

    for name in many:
        graph.add_file(name)
        add_example(graph, "process.cwl", "scraps", name, is_declared=True)

    assert len(entities(graph.to_dict())["process.cwl#scraps"]["workExample"]) == len(many)
    assert time.process_time() - begin < 15


def test_folders_beyond_what_python_can_walk_leave_no_crate(made: Package, tmp_path: Path) -> None:
    deep = tmp_path / "data"
    for _ in range(1100):
        deep /= "d"
    subprocess.run(["mkdir", "-p", deep], check=True)

    with pytest.raises(RunError, match=r"cannot be written: .*; the run succeeded"):
        made.record({"folder": {"class": "Directory", "path": str(tmp_path / "data")}})

    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "package"]
    subprocess.run(["rm", "-rf", tmp_path / "data"], check=True)


@pytest.mark.parametrize(
    "record", ["[]", "{", '{"metadata": 3, "image": []}', '{"metadata": {"author": [1], "name": {}}}']
)
def test_a_package_of_a_stranger_has_a_crate(made: Package, job: dict[str, Any], record: str) -> None:
    given = made.given(job)
    (made.folder / "package.json").write_text(record)

    recorded(made.outputs, given, made.crate)

    assert broken_rules(made.read(), made.crate) == []


def test_a_link_in_a_package_is_not_copied(made: Package, job: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "private.cwl").write_text(_TOKEN)
    (made.folder / "more.cwl").symlink_to(tmp_path / "private.cwl")

    made.record(job)

    assert _TOKEN not in made.everything()


@pytest.mark.parametrize("sizes", [(65 << 20,), (33 << 20, 33 << 20)], ids=["one", "together"])
def test_documents_of_a_stranger_have_a_limit(
    made: Package, job: dict[str, Any], sizes: tuple[int, ...], tmp_path: Path
) -> None:
    """Before the run, also if the package grows after the first check."""
    given = made.given(job)
    for number, size in enumerate(sizes):
        with (made.folder / f"more-{number}.cwl").open("wb") as file:
            file.truncate(size)

    with pytest.raises(UsageError, match="documents of the package have more than 64 MiB; run it without"):
        check_provenance(made.crate, engine="cwltool", outdir=made.outdir, document=given.document)
    with pytest.raises(UsageError, match="documents of the package have more than 64 MiB; run it without"):
        recorded(lambda: pytest.fail("the run was started"), given, made.crate)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "package"]


def test_a_crate_describes_the_package_that_ran_and_not_one_built_meanwhile(made: Package, job: dict[str, Any]) -> None:
    given, before = made.given(job), {path.name: path.read_bytes() for path in made.folder.iterdir()}

    def rebuild() -> dict[str, Any]:
        for name in ("process.cwl", "package.json", "README.md"):
            text = (made.folder / name).read_text(encoding="utf-8")
            (made.folder / name).write_text(text.replace("a/b:main", "a/b:new").replace("Trees", "Other trees"))
        return made.outputs()

    recorded(rebuild, given, made.crate)

    assert (made.folder / "package.json").read_bytes() != before["package.json"]
    assert {name: (made.crate / name).read_bytes() for name in before if name.endswith((".cwl", "package.json"))} == {
        name: content for name, content in before.items() if name.endswith((".cwl", "package.json"))
    }
    assert "a/b:new" not in made.everything()
    assert "Other trees" not in made.everything()


@pytest.mark.parametrize("change", ["none", "edited", "another file"])
def test_a_crate_states_which_inputs_changed_after_the_run_had_begun(
    change: str, made: Package, job: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its copies are made after the run, which may have read something else."""

    def run() -> dict[str, Any]:
        if change != "none":
            (tmp_path / "data" / ("a b.csv" if change == "edited" else "b.csv")).write_text("after")
        return made.outputs()

    recorded(run, made.given(job), made.crate)

    remarks = {name for name, one in entities(made.read()).items() if "changed after" in str(one.get("description"))}
    expected = {"none": set(), "edited": {"inputs/extra/a%20b.csv"}, "another file": {"inputs/folder/data/"}}[change]
    assert remarks >= expected
    assert bool(remarks) == ("changed after the run had begun" in capsys.readouterr().err) == bool(expected)
    assert broken_rules(made.read(), made.crate) == []


def test_an_unfit_folder_is_refused_before_the_run(made: Package, tmp_path: Path) -> None:
    document = made.folder / "process.cwl"
    (tmp_path / "file").write_text("")

    for folder in (tmp_path / "data", tmp_path / "file"):
        with pytest.raises(UsageError, match="not an empty folder"):
            check_provenance(folder, engine="cwltool", outdir=made.outdir, document=document)
    with pytest.raises(UsageError, match="contains the folder of the outputs"):
        check_provenance(tmp_path / "new", engine="cwltool", outdir=tmp_path / "new" / "out", document=document)
    check_provenance(tmp_path / "new", engine="cwltool", outdir=made.outdir, document=document)


def test_toil_is_refused(made: Package, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    (made.folder / "x.tif").write_text("")
    words = ("--engine", "toil", "--trust", "--provenance", tmp_path / "crate", "--outdir", tmp_path / "results")

    finished = packmill("run", made.folder, "-p", f"tile={made.folder}/x.tif", *words)

    assert finished.code == 2
    assert "--provenance: toil does not report where its results are; use --engine cwltool" in finished.err
    assert not (tmp_path / "results").exists()
