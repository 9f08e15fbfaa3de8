"""What a pipeline says of a package: a JUnit report, and variables for later jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import Finished, commit_all, write_notebook

from generator.ci.checks import CheckResult, check, junit
from generator.ci.stages import dotenv
from generator.progress import Progress
from generator.service.jobs.junit_reports import read


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
    assert len(checks) == 2 * len([*top.glob("*.cwl")]) + 3
    assert checks[-1].skipped == f"no example value for {left_out}"
    assert {one.package for one in checks} == {"ada/trees/main"}


def test_a_document_that_is_not_valid_is_a_failure_of_its_own(package: Callable[[str], Path], tmp_path: Path) -> None:
    top = package("x: float")
    descriptor = top / "applicationDescriptor.json"
    descriptor.write_text(json.dumps({**json.loads(descriptor.read_text()), "processDescription": 1}))
    checks = check([top], base=tmp_path / "packages", results=tmp_path / "results", progress=Progress())

    assert [bool(one.problem) for one in checks] == [False, False, False, True, False]
    assert checks[3].exit_code == 17
