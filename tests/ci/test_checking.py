"""What a pipeline says of a package: a JUnit report, and variables for later jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import Finished, commit_all, write_notebook

from generator.ci.checks import CheckResult, check, junit
from generator.ci.stages import check_stage, dotenv
from generator.progress import Progress
from generator.request.build import build_request
from generator.request.settings import read_settings
from generator.service.jobs.junit_reports import read
from generator.shared.errors import DocumentError, NotRunError


def test_a_report_counts_what_failed_and_what_was_left_out() -> None:
    text = junit(
        [
            CheckResult(package="a/b/main", name="process.cwl: cwltool", seconds=1.25),
            CheckResult(
                package="a/b/main", name="run", seconds=2, problem="it <failed>\x00\x1b\nfor a reason", exit_code=20
            ),
            CheckResult(package="a/b/main", name="other", seconds=0, skipped="no example value for x"),
        ]
    )
    suite = ElementTree.fromstring(text).find("testsuite")

    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    cases = read(text.encode())[0]["cases"]
    assert [case["status"] for case in cases] == ["success", "failed", "skipped"]
    assert cases[1]["system_output"] == "it <failed>??\nfor a reason"
    assert cases[2]["system_output"] == "no example value for x"


def test_a_variable_cannot_end_its_line() -> None:
    assert dotenv({"A": "b c", "B": "x\nEVIL=1", "C": "josé/x\\y"}) == "A=b c\nC=josé/x\\y\n"


@pytest.fixture
def package(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> Callable[[str], Path]:
    """Builds the documents of a parameters cell."""

    def build(cell: str) -> Path:
        write_notebook(repository / "process.ipynb", cell)
        commit_all(repository)
        built = packmill("build", repository, "--no-image", "--output", tmp_path / "packages", "--json")
        assert built.code == 0, built.err
        return Path(built.json()["package"])

    return build


@pytest.mark.parametrize(
    ("cell", "left_out"),
    [
        ("x: float", "x"),
        ("table = [{'path': 'missing.csv'}]  # type: stage-in", "table"),
        ("table = [{'path': '/etc/passwd'}]  # type: stage-in", "table"),
        ("table = [{'path': 'https://example.org/x.csv'}]  # type: stage-in", "table"),
    ],
)
def test_a_run_without_example_values_is_left_out_and_says_why(
    package: Callable[[str], Path], tmp_path: Path, cell: str, left_out: str
) -> None:
    top = package(cell)
    checks = check([top], base=tmp_path / "packages", results=tmp_path / "results", progress=Progress())

    assert not [one.problem for one in checks if one.problem]
    validated = [one.name for one in checks if one.name.endswith(": cwltool --validate --strict")]
    assert sorted(validated) == sorted(f"{one.name}: cwltool --validate --strict" for one in top.glob("*.cwl"))
    assert {"inputs.yml: files in the package", "package.json: JSON Schema"} <= {one.name for one in checks}
    assert checks[-1].skipped == f"no example value for {left_out}"
    assert {one.package for one in checks} == {"ada/trees/main"}


def test_a_document_that_is_not_valid_is_a_failure_of_its_own(package: Callable[[str], Path], tmp_path: Path) -> None:
    top = package("x: float")
    descriptor = top / "applicationDescriptor.json"
    descriptor.write_text(json.dumps({**json.loads(descriptor.read_text()), "processDescription": 1}))
    checks = check([top], base=tmp_path / "packages", results=tmp_path / "results", progress=Progress())

    failed = [one for one in checks if one.problem]
    assert [one.name for one in failed] == ["applicationDescriptor.json: JSON Schema"]
    assert failed[0].exit_code == 17


def _check(repository: Path, folder: Path, *processes: str) -> None:
    request = build_request(str(repository), processes=processes, output=folder / "packages", build_image=False)
    check_stage(request, read_settings({}), Progress())


def test_a_check_that_ran_nothing_ends_with_a_code_of_its_own_and_says_why(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(repository / "process.ipynb", "x: float\ntable = 'missing.csv'  # type: stage-in")
    write_notebook(repository / "a.ipynb", "key = ''  # secret\nname: str")
    commit_all(repository)

    with pytest.raises(NotRunError) as ended:
        _check(repository, tmp_path, "process.ipynb", "a.ipynb")

    assert ended.value.exit_code == 21
    assert str(ended.value).splitlines()[:2] == [
        "ada/trees/main: not run, no example value for x, table",
        "ada/trees/main/a: not run, no example value for name",
    ]
    assert "give these inputs defaults" in str(ended.value)
    suite = ElementTree.parse(tmp_path / "report.xml").find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("skipped")) == ("0", "2")


def test_a_failed_check_is_a_failure_even_if_the_process_was_not_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_notebook(repository / "process.ipynb", "x: float")
    commit_all(repository)
    monkeypatch.setattr("generator.package.oracles.json_schema._fault", lambda _: "it is not valid")

    with pytest.raises(DocumentError, match="it is not valid"):
        _check(repository, tmp_path)
