"""``.gitlab-ci.yml``: the project's own, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import here

from generator.request.settings import variables
from generator.service.project.pipeline_file import read, seconds
from generator.shared.errors import UsageError

_own = (here.parent / ".gitlab-ci.yml").read_text(encoding="utf-8")


def _jobs(**given: str) -> list[str]:
    return [job.name for job, _ in read(_own, timeout=60).jobs_for(given)]


def test_a_push_tests_the_project_and_a_trigger_packages_a_repository() -> None:
    assert _jobs(CI_PIPELINE_SOURCE="push") == ["test"]
    assert _jobs(CI_PIPELINE_SOURCE="merge_request_event") == ["test"]
    assert _jobs(CI_PIPELINE_SOURCE="push", CI_COMMIT_TAG="v1") == []
    assert _jobs(CI_PIPELINE_SOURCE="trigger", repository="https://x") == ["build", "check"]
    assert _jobs(CI_PIPELINE_SOURCE="web", repository="https://x", registry="r.io") == ["build", "check", "publish"]
    assert _jobs(CI_PIPELINE_SOURCE="trigger", package="12") == ["run"]


def test_every_variable_of_the_file_is_one_of_build_sh() -> None:
    assert {one.name for one in read(_own, timeout=60).variables} <= set(variables)


def test_the_file_is_one_that_gitlab_takes() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    files = [here.parent / ".gitlab-ci.yml", *(here.parent / "templates" / "ci").glob("*gitlab*.yml")]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {script: x, needs: [b]}", "keyword 'needs' is not supported"),
        ("include: other.yml", "include: 'other.yml' is not a mapping"),
        ("a: {script: x, artifacts: {exclude: [b]}}", "artifacts: keyword 'exclude'"),
        ("a: {script: x, artifacts: {reports: {sast: b}}}", "reports: keyword 'sast'"),
        ("a: {script: x, rules: [{changes: [b]}]}", "rules: keyword 'changes'"),
        ("a: {script: x, when: delayed}", "when: 'delayed' is not supported"),
        ("a: {script: x, stage: nowhere}", "stage 'nowhere' is not defined"),
        ("a: {stage: test}", "the job has no script"),
        (
            "a: {script: x, artifacts: {when: later}}",
            "a: artifacts: when: 'later' is not supported; use one of on_success",
        ),
        ("a: {script: x, allow_failure: [b]}", "a: allow_failure: ['b'] is not true or false"),
        ("a: {script: x, rules: {if: $a}}", "a: rules: must be a list"),
        ("a: {script: x, variables: [b]}", "a: variables: ['b'] is not a mapping"),
        ("a: 5", "a: 5 is not a mapping"),
        ("default: {stage: build}", "default: keyword 'stage' is not supported"),
        ("variables: {a: {default: 1}}", "variables: a: keyword 'default'"),
        ("a: {script: x, timeout: 3 parsecs}", "a: timeout: '3 parsecs' is not a duration"),
        ("a: {script: x, timeout: soon}", "'soon' is not a duration"),
        ("a: {script: x, rules: [{if: $a ==}]}", "invalid expression at"),
        ("a: [", ".gitlab-ci.yml"),
        ("- a", "must be a mapping of jobs"),
    ],
)
def test_what_the_service_cannot_do_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(text, timeout=60)

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("2 hours", 7200), ("1h 30m", 5400), ("3 mins 4 sec", 184), ("1 week", 604800), ("2 mos", 5184000)],
)
def test_durations_are_gitlab_s(text: str, expected: float) -> None:
    assert seconds(text, "timeout") == expected


def test_keywords_without_a_value_and_nested_scripts_are_gitlab_s() -> None:
    text = """
    default: {before_script: [a], artifacts: }
    x: {script: [b, [c, [d]]], rules: , artifacts: {expire_in: never, reports: {junit: r.xml}}, variables: {n: 1}}
    y: {script: 5, before_script: }
    """

    first, second = read(text, timeout=60).jobs

    assert first.script == ("a", "b", "c", "d")
    assert (first.artifacts.expire_in, first.artifacts.reports.junit, first.variables) == (None, ("r.xml",), {"n": "1"})
    assert (first.stage, first.timeout, second.script, second.artifacts.paths) == ("test", 60, ("5",), ())
