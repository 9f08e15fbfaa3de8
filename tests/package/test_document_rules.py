"""A stranger's package: what its documents may hold, and what ``--trust`` is for."""

from __future__ import annotations

import json
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, cases, commit_all, write_notebook

from generator.package.document_rules import broken_rules
from generator.package.document_rules.values import foreign_files
from generator.package.hints import find_process, processes_below
from generator.package.map.tool import read_tool
from generator.package.oracles.documents import existing, leaves_package
from generator.package.validation import validate
from generator.shared import yaml_limits
from generator.shared.errors import DocumentError, UsageError

_CELL = "tiles = []  # type: stage-in\ntoken = ''  # type: secret\nout = 'x.txt'  # type: stage-out"


@pytest.fixture
def package(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> Path:
    """A package with every document, without an image."""
    write_notebook(repository / "process.ipynb", _CELL)
    commit_all(repository)
    return Path(packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip())


@pytest.mark.parametrize("document", sorted((cases / "packages").glob("*/expected/**/*.cwl")), ids=str)
def test_what_packmill_writes_obeys_the_rules(document: Path) -> None:
    assert broken_rules(document) == []


@pytest.mark.parametrize(
    ("document", "old", "new", "said"),
    [
        ("application", "class: CommandLineTool", "class: ExpressionTool", "$graph: a Workflow and a CommandLineTool"),
        ("application", "$graph:", "$schemas: [x]\n$graph:", "packmill writes no '$schemas'"),
        ("application", "run: '#process'", "run: process.cwl", "'process.cwl' is not the tool of the graph"),
        ("application", "run: '#process'", "run: '#other'", "'#other' is not the tool of the graph"),
        ("application", "run: '#process'", "run: {class: ExpressionTool}", "is not the tool of the graph"),
        ("application", "id: process", "id: process\n    cwlVersion: v1.0", "packmill writes no 'cwlVersion'"),
        ("application", "id: process", "id: elsewhere#process", "is not a plain name"),
        ("application", "dockerPull: {image}", "dockerPull: eve.trees:main", "is not the image of package.json"),
        ("application", "glob: output", "glob: $(inputs.x)", "is not a pattern below output/"),
        ("application", "- --process", "- $(runtime.outdir)", "the expression in '$(runtime.outdir)'"),
        ("application", "s:version:", "s:x: {s:a: {s:b: {s:c: d}}}\ns:version:", "s:x/s:a/s:b: text"),
        ("scatter", "scatterMethod: dotproduct", "scatterMethod: nested_crossproduct", "is not packmill's"),
        ("scatter", "scatter: [tiles]", "scatter: [elsewhere#tiles]", "is not a plain name"),
        ("scatter", "ScatterFeatureRequirement: {}", "ScatterFeatureRequirement: {x: y}", "packmill writes no 'x'"),
        ("process", "class: CommandLineTool", "class: ExpressionTool", "'ExpressionTool' is not a CommandLineTool"),
        ("process", "  DockerRequirement:\n    dockerPull: {image}\n", "", "DockerRequirement is missing"),
        ("process", "dockerPull:", "dockerFile: FROM x\n    dockerPull:", "packmill writes no 'dockerFile'"),
        ("process", "dockerPull: {image}", "dockerPull: --privileged", "is not an image name"),
        ("process", "dockerPull: {image}", "dockerPull: eve.trees:main", "is not the image of package.json"),
        ("process", "requirements:", "requirements:\n  InlineJavascriptRequirement: {}", "no InlineJavascriptReq"),
        ("process", "requirements:", "requirements:\n  ShellCommandRequirement: {}", "no ShellCommandRequirement"),
        ("process", "requirements:", "requirements:\n  EnvVarRequirement: {envDef: {A: b}}", "no EnvVarRequirement"),
        ("process", "requirements:", "requirements:\n  $import: process.cwl", "packmill writes no $import"),
        ("process", "coresMin: 1", "coresMin: $(inputs.n)", "coresMin: '$(inputs.n)' is not what packmill writes"),
        ("process", "entry: $(inputs)", "entry: ${return 1;}", "is not one of packmill's"),
        ("process", "entryname: inputs.json", "entryname: ../inputs.json", "is not a plain file name"),
        ("process", "hints:", "hints:\n  cwltool:MPIRequirement: {}", "packmill writes no cwltool:MPIRequirement"),
        ("process", "hints:", "hints:\n  InplaceUpdateRequirement: {inplaceUpdate: true}", "no cache to update"),
        ("process", "  - --process", "  - $(runtime.outdir)", "the expression in '$(runtime.outdir)'"),
        ("process", "  - --process", r"  - '\\$(runtime.outdir)'", "the expression in"),
        ("process", "  - --process", "  - valueFrom: x", "text is needed"),
        ("process", "baseCommand:", "stdin: x\nbaseCommand:", "packmill writes no 'stdin'"),
        ("process", "inputs:", "$schemas: [x]\ninputs:", "packmill writes no '$schemas'"),
        ("process", "id: process", "id: file:///elsewhere/process", "is not a plain name"),
        ("process", "  s: https://schema.org/", "  s: https://elsewhere.org/", "$namespaces"),
        ("process", "type: File[]", "type: elsewhere.cwl#x", "is not one of packmill's types"),
        ("process", "type: File[]", "type: {type: record, fields: [{$import: x}]}", "fields: a mapping is needed"),
        ("process", "type: File[]", "type: {type: record, fields: {}, doc: {$include: x}}", "doc: text is needed"),
        ("process", "type: File[]", "type: {type: record, fields: {a: {type: int, doc: [x]}}}", "a/doc: text"),
        ("process", "type: File[]", "type: File[]\n    secondaryFiles: [../x]", "no 'secondaryFiles'"),
        ("process", "type: File[]", "type: File[]\n    default: {class: File, path: /x}", "no default with the key"),
        ("process", "type: File[]", "type: File[]\n    default: [{a: {$include: x}}]", "no default with the key"),
        ("process", "glob: output/x.txt", "glob: output/../../x.txt", "leaves the folder"),
        ("process", "glob: output/x.txt", "glob: /x.txt", "is not a pattern below output/"),
        ("process", "glob: output/x.txt", "glob: output/$(inputs.x)", "is not a pattern below output/"),
        ("process", "label: tiles", "label: &x tiles", "anchors"),
        ("process", "label: tiles", "label: !x tiles", "tags"),
        ("process", "label: tiles", "label: tiles\n    label: tiles", "given twice"),
        ("process", "cwlVersion: v1.2", "%YAML 1.1\n---\ncwlVersion: v1.2", "directives"),
        ("process", "cwlVersion: v1.2", "cwlVersion: v1.0", "is not v1.2"),
        ("process", "cwlVersion: v1.2", "cwlVersion: v1.2\ncwl:tool: x", "packmill writes no 'cwl:tool'"),
        ("workflow", "run: process.cwl", "run: ../process.cwl", "is not a document of the package"),
        ("workflow", "run: process.cwl", "run: https://example.org/process.cwl", "is not a document of the package"),
        ("workflow", "run: process.cwl", "run: {class: Operation}", "is not a document of the package"),
        ("workflow", "run: process.cwl", "run: workflow.cwl", "'Workflow' is not a CommandLineTool"),
        ("workflow", "run: process.cwl", "run: process.cwl\n    when: $(true)", "packmill writes no 'when'"),
        ("workflow", "run: process.cwl", "run: process.cwl\n    hints: {}", "packmill writes no 'hints'"),
        ("workflow", "valueFrom: $(self)", "valueFrom: $(self.path)", "the expression '$(self.path)'"),
        ("workflow", "StepInputExpressionRequirement:", "SubworkflowFeatureRequirement:", "packmill writes no Subw"),
        ("stage_in", "entry: $(inputs.cache_dir)", "entry: $(inputs.config_dir)", "is not one of packmill's"),
        ("stage_in", "name: S3", "name: http://x", "is not a plain name"),
    ],
)  # fmt: skip
def test_more_than_packmill_writes_is_named(document: str, old: str, new: str, said: str, package: Path) -> None:
    image = json.loads((package / "package.json").read_text())["image"]["reference"]
    path = package / f"{document}.cwl"
    text = path.read_text()
    assert old.replace("{image}", image) in text
    path.write_text(text.replace(old.replace("{image}", image), new, 1))

    problems = broken_rules(path)

    assert any(said in problem for problem in problems), problems


def test_a_workflow_answers_for_the_tools_that_it_runs(package: Path) -> None:
    tool = package / "stage_out.cwl"
    tool.write_text(tool.read_text().replace("DockerRequirement", "EnvVarRequirement"))

    assert broken_rules(package / "process.cwl") == []
    problems = broken_rules(package / "workflow.cwl")
    missing = "workflow.cwl: stage_out.cwl: requirements: DockerRequirement is missing"
    assert any(problem.startswith(missing) for problem in problems)


@pytest.mark.parametrize("target", ["process.cwl", "x" * 3000], ids=["itself", "long"])
def test_a_link_that_leads_to_no_path_is_no_document(target: str, tmp_path: Path) -> None:
    """pathlib raises errors for such links."""
    (tmp_path / "process.cwl").symlink_to(target)

    problem = "process.cwl: it is a link that leaves the package"
    assert broken_rules(tmp_path / "process.cwl") == foreign_files(tmp_path / "process.cwl") == [problem]
    assert leaves_package(tmp_path / "process.cwl")
    assert existing(tmp_path, "process.cwl") == processes_below(tmp_path) == []
    for look in (find_process, validate):
        with pytest.raises(UsageError, match="not a package"):
            look(tmp_path)


def test_a_document_behind_a_link_that_leaves_is_refused(package: Path, tmp_path: Path) -> None:
    (package / "stage_out.cwl").rename(tmp_path / "stage_out.cwl")
    (package / "stage_out.cwl").symlink_to(tmp_path / "stage_out.cwl")

    assert broken_rules(package / "workflow.cwl") == [
        "workflow.cwl: stage_out.cwl: it is a link that leaves the package"
    ]


def test_validate_gives_a_verdict_on_each(package: Path, tmp_path: Path) -> None:
    (tmp_path / "marker").write_text("x")
    (package / "inputs.yml").write_text("tiles: [{class: File, path: link}]\n")
    (package / "link").symlink_to(tmp_path / "marker")
    process = package / "process.cwl"
    process.write_text(process.read_text().replace("entry: $(inputs)", "entry: $(inputs.tiles)"))

    verdicts = validate(package, profile=None)

    wrong = {(one.document, one.oracle): one.problem for one in verdicts if one.problem}
    assert set(wrong) == {
        ("process.cwl", "container and expressions"),
        ("process.cwl", "cwltool --validate --strict"),
        ("workflow.cwl", "container and expressions"),
        ("workflow.cwl", "cwltool --validate --strict"),
        ("inputs.yml", "files in the package"),
    }
    assert "'$(inputs.tiles)' is not one of packmill's" in wrong["process.cwl", "container and expressions"]
    assert "link is not in the package" in wrong["inputs.yml", "files in the package"]


def test_validate_loads_nothing_that_a_stranger_s_document_names(package: Path, tmp_path: Path) -> None:
    (tmp_path / "marker.cwl").write_text("marker")
    with (package / "process.cwl").open("a") as process:
        process.write("doc2: {$include: ../../../../marker.cwl}\n")

    verdicts = validate(package, profile=None)

    assert [one.document for one in verdicts if one.problem.startswith("not loaded")] == ["process.cwl", "workflow.cwl"]


@pytest.mark.usefixtures("forked_cwltool")
class TestTrust:
    """A tool without a container, run by the real engine: its mark says whether it ran."""

    @pytest.fixture
    def stranger(self, package: Path, tmp_path: Path) -> Path:
        (package / "process.cwl").write_text(
            "cwlVersion: v1.2\nclass: CommandLineTool\nid: process\n"
            f"baseCommand: [touch, {tmp_path}/marker]\ninputs: {{}}\noutputs: {{}}\n"
        )
        (package / "inputs.yml").write_text("{}\n")
        return package

    @pytest.mark.parametrize("name", [".", "process.cwl"])
    def test_without_it_nothing_starts(
        self, name: str, stranger: Path, tmp_path: Path, packmill: Callable[..., Finished]
    ) -> None:
        finished = packmill("run", stranger / name, "--outdir", tmp_path / "out")

        assert finished.code == 17
        assert "DockerRequirement is missing" in finished.err
        assert "--trust" in finished.err
        assert not (tmp_path / "marker").exists()

    @pytest.mark.parametrize("name", [".", "process.cwl"])
    def test_with_it_the_run_goes_on_and_says_so(
        self, name: str, stranger: Path, tmp_path: Path, packmill: Callable[..., Finished]
    ) -> None:
        finished = packmill("run", stranger / name, "--trust", "--outdir", tmp_path / "out")

        assert finished.code == 0, finished.err
        assert "trusted: process.cwl: requirements: DockerRequirement is missing" in finished.err
        assert (tmp_path / "marker").exists()

    def test_the_check_of_a_pipeline_never_trusts(self, stranger: Path, tmp_path: Path) -> None:
        from generator.ci.checks import check
        from generator.progress import Progress

        checks = check([stranger], base=stranger.parent, results=tmp_path / "out", progress=Progress())

        failed = {one.name: one.exit_code for one in checks if one.problem}
        assert failed["process.cwl: container and expressions"] == 17
        assert failed["run on its example values"] == 17
        assert not (tmp_path / "marker").exists()

    def test_a_file_outside_is_the_user_s_to_name(
        self, package: Path, tmp_path: Path, packmill: Callable[..., Finished]
    ) -> None:
        (tmp_path / "marker").write_text("x")
        job = package / "inputs.yml"
        job.write_text(f"tiles: [{{class: File, path: {tmp_path}/marker}}]\nnothing: 1\n")

        assert packmill("run", package).code == 17
        assert packmill("run", package, job).code == 2, "named by the user, it is read: 'nothing' is no input"


@pytest.mark.parametrize("trusted", [False, True])
def test_values_of_the_host_do_not_come_by_a_link(
    package: Path, tmp_path: Path, packmill: Callable[..., Finished], trusted: bool
) -> None:
    (tmp_path / "settings.yml").write_text("nothing: marker\n")
    (package / "inputs.yml").unlink()
    (package / "inputs.yml").symlink_to(tmp_path / "settings.yml")

    finished = packmill("run", package, *(["--trust"] if trusted else []))

    assert finished.code == (2 if trusted else 17), "a trusted one is read: 'nothing' is no input"
    if not trusted:
        assert "inputs.yml: it is a link that leaves the package" in finished.err


def test_the_rules_cost_little(package: Path) -> None:
    began = time.process_time()
    broken_rules(package / "workflow.cwl")

    assert time.process_time() - began < 1


def test_a_resource_that_no_machine_can_count_is_an_error_of_a_map(package: Path) -> None:
    document = package / "process.cwl"
    document.write_text(re.sub(r"ramMin: \d+", f"ramMin: {'9' * 400}", document.read_text()))

    with pytest.raises(DocumentError, match="too large"):
        read_tool(document)


def test_a_document_of_too_many_values_is_not_parsed_to_its_end(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The events of a document of 16 MiB take gigabytes, and an hour."""
    monkeypatch.setattr(yaml_limits, "most_values", 100)
    (package / "process.cwl").write_text(f"[{'a,' * 200} ]]")

    assert "more than 100 values" in broken_rules(package / "process.cwl")[0]


@pytest.mark.parametrize("name", ["process.cwl", "inputs.yml"])
def test_no_more_of_a_document_is_read_than_it_may_have(name: str, package: Path) -> None:
    with (package / name).open("wb") as file:
        file.truncate(256 << 20)  # of zeros, which take no room
    tracemalloc.start()
    try:
        problems = broken_rules(package / name) if name == "process.cwl" else foreign_files(package / name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert "longer than the limit" in problems[0]
    assert peak < 128 << 20
