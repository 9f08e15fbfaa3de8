"""Ten pipelines that fail: the pages, JUnit, ``query.py`` and the last line of the log have the same sentence."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from ci_service import ACCESS, Service
from support import commit_all, here, write_notebook

from generator import cli
from generator.build.pipeline import build
from generator.containers.builder import summarize_failure
from generator.containers.registry import _describe_failure as describe_push
from generator.image.check import _describe_failure as describe_check
from generator.package.engines.failure import FailureReason
from generator.package.validation import Verdict
from generator.service.pages.failures import failed_sections, failure
from generator.service.pages.log import lines
from generator.shared.errors import ImageBuildError, PackmillError, PublishError, RunError, RunnerCheckError

sys.path.insert(0, str(here.parent))
import query

_UV = """\
#9 [2/3] RUN uv pip install -r requirements.txt
------
 > [2/3] RUN uv pip install -r requirements.txt:
0.8   × No solution found when resolving dependencies:
0.8   ╰─▶ Because nmupy was not found in the package registry and you require
0.8       nmupy, we can conclude that your requirements are unsatisfiable.
------
ERROR: failed to solve: process "uv pip install" did not complete successfully: exit code: 1"""
_MODULE = """\
packmill-runner: process.ipynb imports what the image does not have:
  cell 2 line 1: xarray
  add it to requirements.txt: xarray"""
_ENDED = "WARNING [job process] exited with status: 1"


def _run(*log: str) -> RunError:
    reason = FailureReason()
    for line in ("cell 2 of 3: work()", "packmill-runner: printed by the notebook", *log, _ENDED):
        reason.read(line)
    return RunError(reason.reason())


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A pipeline that fails: what is wrong with it, and the sentence about it."""

    stage: str = "build"
    notebook: str = "n = 1"
    variables: tuple[tuple[str, str], ...] = ()
    built: PackmillError | None = None
    """Ends the build in place of what needs a container engine or a registry."""
    ran: RunError | None = None
    invalid: str = ""
    reason: str


_PUSHED = (("registry", "registry.example.org/ada"),)
CASES = {
    "bad-notebook": Case(
        notebook="",
        reason="process.ipynb: the file is empty; save the notebook and commit it (exit code 12: not a notebook)",
    ),
    "missing-module": Case(
        built=RunnerCheckError(describe_check("process.ipynb", "ada.trees:main", _MODULE)),
        reason="process.ipynb cannot run in the image ada.trees:main: process.ipynb imports what the image does not "
        "have: cell 2 line 1: xarray (exit code 16: runner check in the image)",
    ),
    "bad-parameter": Case(
        notebook="n = 1  # type: itn\nm = 'x'  # type: int",
        reason="process.ipynb: cell 1 (parameters), line 1: 'itn' is not a type. Did you mean 'int'? (and 1 more) "
        "(exit code 13: parameters cell)",
    ),
    "timeout": Case(
        stage="check",
        ran=_run("WARNING [job process] exceeded time limit of 60 seconds and will be terminated", _ENDED),
        reason="ada/trees/main: run on its example values: the run exceeded its time limit of 60 s; build the package "
        "with a longer --time (exit code 20: run of the package failed)",
    ),
    "out-of-memory": Case(
        stage="check",
        ran=_run("packmill-runner: cell 2 of 3: the kernel was killed because memory ran out"),
        reason="ada/trees/main: run on its example values: cell 2 of 3: the kernel was killed because memory ran out "
        "(exit code 20: run of the package failed)",
    ),
    "registry-refused": Case(
        stage="publish",
        variables=_PUSHED,
        built=PublishError(describe_push("registry.example.org/ada:main", "denied: requested access is denied")),
        reason="registry.example.org/ada:main: the image cannot be pushed: denied: requested access is denied "
        "(exit code 18: publish)",
    ),
    "missing-repository": Case(
        variables=(("repository", "/nowhere/ada/trees"),),
        reason="/nowhere/ada/trees: folder not found; give an https, ssh or file URL or a local path "
        "(exit code 10: repository or checkout)",
    ),
    "no-such-process": Case(
        variables=(("process", "notebook.ipynb"),),
        reason="notebook.ipynb: not in the repository; did you mean 'process.ipynb'? "
        "(exit code 11: process missing or of an unknown kind)",
    ),
    "environment-does-not-build": Case(
        built=ImageBuildError(summarize_failure(deque(_UV.splitlines()))),
        reason="image build failed: Because nmupy was not found in the package registry and you require nmupy, we can "
        "conclude that your requirements are unsatisfiable. (exit code 15: image build)",
    ),
    "invalid-document": Case(
        stage="check",
        invalid="process.cwl:7:1: unknown field 'inptus'\nmore about it",
        reason="ada/trees/main: process.cwl: cwltool: process.cwl:7:1: unknown field 'inptus' "
        "(exit code 17: a document is not valid)",
    ),
    "a-cell": Case(
        stage="check",
        ran=_run("packmill-runner: cell 2 failed: ZeroDivisionError: division by zero", "  line 4: 1 / 0"),
        reason="ada/trees/main: run on its example values: cell 2 failed: ZeroDivisionError: division by zero "
        "(line 4: 1 / 0) (exit code 20: run of the package failed)",
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """What a stage left: its exit code, its log and its JUnit report."""

    code: int
    log: str
    report: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ended]]:
    """Each stage, run as a job runs it; only engine and registry are replaced."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generator.ci.stages.ensure_engine", lambda **_: None)
        yield {name: _fail(case, tmp_path_factory.mktemp(name), patch) for name, case in CASES.items()}


def _fail(case: Case, folder: Path, patch: pytest.MonkeyPatch) -> Ended:
    repository = folder / "ada" / "trees"
    write_notebook(repository / "process.ipynb", case.notebook)
    if not case.notebook:
        (repository / "process.ipynb").write_text("")
    commit_all(repository)
    (folder / "job").mkdir()

    def built(request: Any, *rest: Any) -> Any:
        if case.built:
            raise case.built
        return build(replace(request, build_image=False), *rest)

    def ran(*_: Any, **__: Any) -> dict[str, Any]:
        raise case.ran or RunError("")

    with patch.context() as own, (folder / "log").open("w") as log:
        own.chdir(folder / "job")
        for name, value in {"repository": str(repository), "GITLAB_CI": "true", **dict(case.variables)}.items():
            own.setenv(name, value)
        own.setattr("generator.ci.stages.build", built)
        own.setattr("generator.ci.checks.run_package", ran)
        verdict = Verdict(document="process.cwl", oracle="cwltool", problem=case.invalid)
        own.setattr("generator.ci.checks.validate", lambda *_, **__: [verdict])
        own.setattr("sys.stderr", log)
        code = cli.main(["ci", case.stage])
    return Ended(
        code=code, log=(folder / "log").read_bytes().decode(), report=(folder / "job" / "report.xml").read_text()
    )


@pytest.fixture(scope="module")
def pipelines(service: Service, ended: dict[str, Ended]) -> dict[str, int]:
    """Pipelines whose job ends as the stage did."""
    scripts = {
        name: f"echo {shlex.quote(one.report)} > report.xml; printf %s {shlex.quote(one.log)} >&2; exit {one.code}"
        for name, one in ended.items()
    }
    numbers = {name: service.trigger(script=script) for name, script in scripts.items()}
    for number in numbers.values():
        assert service.wait(number) == "failed"
    return numbers


@pytest.fixture(scope="module")
def open_page(service: Service) -> Callable[[str], str]:
    browser = requests.Session()
    page = browser.get(f"{service.url}/-/sign-in", timeout=60).text
    token = re.search(r'name="form_token" value="([^"]+)"', page)
    form = {"token": ACCESS, **({"form_token": token[1]} if token else {})}
    browser.post(f"{service.url}/-/sign-in", data=form, timeout=60).raise_for_status()

    def get(path: str) -> str:
        return unescape(browser.get(f"{service.url}/ada/toy/-/{path}", timeout=60).text)

    return get


@pytest.mark.parametrize("name", CASES)
def test_everything_says_why_a_pipeline_failed(
    name: str,
    ended: dict[str, Ended],
    pipelines: dict[str, int],
    service: Service,
    open_page: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason, number = CASES[name].reason, pipelines[name]
    log = ended[name].log.split("\n")[:-1]
    assert log[-1].startswith(f"packmill: {reason}")
    whole = log[-1].removeprefix("packmill: ")

    message = ElementTree.fromstring(ended[name].report).find(".//failure")
    assert message is not None
    assert f"{message.get('message')} ({message.get('type')})" in whole
    (suite,) = service.get(f"/pipelines/{number}/test_report")["test_suites"]
    assert suite["failed_count"] >= 1

    job = service.jobs(number)["one"]["id"]
    page = open_page(f"jobs/{job}")
    first_screen = page[: page.index('id="log"')]
    assert f"Failed: {whole}" in first_screen
    assert f"</a> failed: {whole}" in open_page(f"pipelines/{number}")

    monkeypatch.setenv("PACKMILL_CI_URL", service.url)
    monkeypatch.setenv("PACKMILL_CI_ACCESS_TOKEN", ACCESS)
    assert query.main(["status", str(number)]) == 1
    assert f"  one failed: {whole}\n" in capsys.readouterr().out
    assert query.main(["status", str(number), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["reason"] == f"one failed: {whole}"
    (failed,) = (one for one in found["jobs"] if one["status"] == "failed")
    assert (failed["reason"], failed["exit_code"]) == (whole, ended[name].code)
    assert f'<p class="reason">one failed: {whole[:100]}' in open_page("pipelines")


def test_only_the_section_that_failed_is_unfolded(
    pipelines: dict[str, int], open_page: Callable[[str], str], service: Service
) -> None:
    page = open_page(f"jobs/{service.jobs(pipelines['a-cell'])['one']['id']}")

    sections = re.findall(r"<details([^>]*)><summary>([^<]*)", page[page.index('id="log"') :])
    opened = [title for attributes, title in sections if " open" in attributes]
    assert opened == ["Running ada/trees/main on its example values"]
    assert len(sections) > 2
    assert 'href="#failed-section"' in page


def test_a_job_that_takes_too_long_says_so(service: Service, open_page: Callable[[str], str]) -> None:
    number = service.trigger(repository="too long")
    assert service.wait(number) == "failed"

    assert "Failed: execution took longer than 1 seconds" in open_page(f"jobs/{service.jobs(number)['quick']['id']}")


def test_a_script_that_reports_nothing_has_its_exit_code(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = service.trigger(script="echo 'packmill: printed (exit code 20: run of the package failed)'; exit 3")
    assert service.wait(number) == "failed"

    monkeypatch.setenv("PACKMILL_CI_URL", service.url)
    monkeypatch.setenv("PACKMILL_CI_ACCESS_TOKEN", ACCESS)
    assert query.main(["jobs", "--pipeline", str(number), "--json"]) == 0
    job = json.loads(capsys.readouterr().out)[0]
    assert (job["reason"], job["exit_code"]) == ("the script ended with exit code 3", 3)


def test_a_line_of_a_notebook_is_not_the_reason_of_a_job(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(
        "packmill: all is well (exit code 20: run of the package failed)\nERROR: Job failed: exit code 3\n"
    )
    job = {"status": "failed", "allow_failure": False, "exit_code": 3, "failure_reason": "script_failure"}

    assert failure(job, trace) == "the script ended with exit code 3"
    assert failure(job, tmp_path / "gone") == "the script ended with exit code 3"
    assert failure({**job, "status": "success"}, trace) == ""


def test_the_sections_around_the_failed_one_are_unfolded_too() -> None:
    marks = ["start:1:get_sources", "end:2:get_sources", "start:3:outer", "start:4:inner", "end:5:inner", "end:6:outer"]
    text = "".join(
        f"section_{mark}[collapsed=true]\r\n" if "start" in mark else f"section_{mark}\r\n" for mark in marks
    )
    found, _ = lines(f"{text}packmill: it failed\nsection_start:7:late\r\n".encode())
    job = {"status": "failed", "failure_reason": "script_failure"}

    assert [found[index]["start"] for index in sorted(failed_sections(job, found))] == ["outer", "inner"]
    assert failed_sections({**job, "status": "success"}, found) == frozenset()
