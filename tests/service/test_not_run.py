"""A check that had no values to run the process with: yellow on every page, in the API, and in ``query.py``."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from ci_service import ACCESS, PIPELINE_FILE, TRIGGER, Service, make_project
from support import here

from generator.ci.checks import CheckResult, junit
from generator.service.pages.badges import job_status, pipeline_status, reasons_not_run

sys.path.insert(0, str(here.parent))
import query

_FILE = PIPELINE_FILE.replace("one:\n", "one:\n  allow_failure: {exit_codes: [21]}\n", 1)
_REPORT = junit(
    [
        CheckResult(package="ada/trees/main", name="process.cwl: cwltool", seconds=1),
        CheckResult(package="ada/trees/main", name="run", seconds=0, skipped="no example value for <table>"),
    ]
)
_REASON = "ada/trees/main: no example value for <table>"


@pytest.fixture(scope="module")
def service(marks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    project = make_project(tmp_path_factory.mktemp("not-run") / "ada" / "toy", _FILE)
    data = tmp_path_factory.mktemp("service") / "data"
    running = Service(project, data, "--jobs", "2", "--job-writes", str(marks)).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def pipeline(service: Service) -> int:
    """The number of a pipeline whose check left the run out."""
    number = service.trigger(script=f"echo {shlex.quote(_REPORT)} > report.xml; exit 21")
    assert service.wait(number) == "success"
    return number


@pytest.fixture
def run(service: Service, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs query.py."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        known = {
            "PACKMILL_CI_URL": service.url,
            "PACKMILL_CI_ACCESS_TOKEN": ACCESS,
            "PACKMILL_CI_TRIGGER_TOKEN": TRIGGER,
        }
        environment = {**os.environ, **known, "PACKMILL_CI_CONFIG": str(tmp_path / "query.json")}
        command = [sys.executable, str(here.parent / "query.py"), *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_api_has_a_pipeline_that_passed_with_warnings(service: Service, pipeline: int) -> None:
    jobs = service.jobs(pipeline)

    assert (jobs["one"]["status"], jobs["one"]["allow_failure"]) == ("failed", True)
    assert jobs["one"]["failure_reason"] == "script_failure"
    assert (jobs["two"]["status"], jobs["two"]["allow_failure"]) == ("success", False)
    found = service.get(f"/pipelines/{pipeline}")
    assert found["status"] == "success"
    shown = {name: found["detailed_status"][name] for name in ("icon", "text", "label", "group")}
    assert shown == {
        "icon": "status_warning",
        "text": "Warning",
        "label": "passed with warnings",
        "group": "success-with-warnings",
    }
    [suite] = service.get(f"/pipelines/{pipeline}/test_report")["test_suites"]
    assert [case["status"] for case in suite["test_cases"]] == ["success", "skipped"]
    assert suite["test_cases"][1]["system_output"] == "no example value for <table>"


def test_every_page_shows_it(service: Service, pipeline: int) -> None:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    job = service.jobs(pipeline)["one"]["id"]

    def text(path: str) -> str:
        answer = session.get(f"{service.url}/ada/toy/-/{path}", timeout=60)
        assert answer.status_code == 200
        return answer.text

    reason = '<p class="notice warning">Not run: ada/trees/main: no example value for &lt;table&gt;</p>'
    assert reason in text(f"jobs/{job}")
    assert reason in text(f"pipelines/{pipeline}")
    assert len(re.findall('<span class="status warning">not run</span>', text(f"jobs/{job}"))) == 2
    assert '<span class="status warning">not run</span>' in text(f"pipelines/{pipeline}")
    for path in (f"pipelines/{pipeline}", "pipelines"):
        assert '<span class="status warning">passed, not run</span>' in text(path)
    assert f'jobs/{job}" class="dot warning" title="one: not run"' in text("pipelines")


@pytest.mark.parametrize("wait", [(), ("--wait",)])
def test_query_says_what_was_not_run_and_why(
    wait: tuple[str, ...], pipeline: int, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run("status", str(pipeline), *wait)

    assert done.returncode == 0, done.stderr
    assert f"pipeline {pipeline}  success (passed with warnings)" in done.stdout
    assert "script_failure, allowed" in done.stdout
    assert f"  not run: {_REASON}\n" in done.stdout
    assert run("status", str(pipeline), *wait, "--json").stdout.lstrip().startswith("{")


@pytest.mark.parametrize(("code", "status"), [(0, "success"), (1, "failed")])
def test_a_retry_ends_as_its_own_exit_code_says(code: int, status: str, service: Service, marks: Path) -> None:
    mark = shlex.quote(str(marks / str(code)))
    number = service.trigger(script=f"if [ -e {mark} ]; then exit {code}; fi; touch {mark}; exit 21")
    assert service.wait(number) == "success"

    service.ask("POST", f"/jobs/{service.jobs(number)['one']['id']}/retry")

    assert service.wait(number) == status
    assert service.jobs(number)["one"]["status"] == status
    assert service.get(f"/pipelines/{number}")["detailed_status"]["icon"] == f"status_{status}"


@pytest.mark.parametrize("code", [1, 20, 22])
def test_other_exit_codes_fail_the_pipeline(code: int, service: Service) -> None:
    number = service.trigger(script=f"exit {code}")

    assert service.wait(number) == "failed"
    assert service.jobs(number)["one"]["allow_failure"] is False
    assert service.get(f"/pipelines/{number}")["detailed_status"]["label"] == "failed"


def _job(status: str = "failed", **values: object) -> dict[str, object]:
    return {"status": status, "allow_failure": True, "exit_code": 21, "retried": False, "tests": None, **values}


def test_the_words_of_a_status() -> None:
    assert job_status(_job()) == "not run"
    assert job_status(_job(exit_code=1)) == "failed, allowed"
    assert job_status(_job(allow_failure=False)) == "failed"
    assert job_status(_job("success")) == "success"
    assert pipeline_status("success", [_job(), _job(exit_code=1)]) == "passed, not run"
    assert pipeline_status("success", [_job("success"), _job(exit_code=1)]) == "passed with warnings"
    assert pipeline_status("success", [_job(retried=True), _job("success")]) == "success"
    assert pipeline_status("failed", [_job(), _job(allow_failure=False)]) == "failed"


def test_a_job_without_a_report_has_a_reason_too() -> None:
    assert reasons_not_run(_job()) == ["there were no values to run the process with"]
    assert reasons_not_run(_job(exit_code=1)) == []


@pytest.mark.parametrize(
    ("output", "reason"),
    [("why", "why"), ({"message": "why"}, "why"), (None, "run"), ("", "run")],
)
def test_a_reason_is_read_as_gitlab_reports_it(output: object, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = {"status": "skipped", "classname": "a/b/main", "name": "run", "system_output": output}
    report = {"test_suites": [{"test_cases": [case, {**case, "status": "success"}]}]}
    monkeypatch.setattr(query.Client, "_object", lambda *_: report)

    assert query.Client("http://127.0.0.1").reasons_not_run(1) == [f"a/b/main: {reason}"]
