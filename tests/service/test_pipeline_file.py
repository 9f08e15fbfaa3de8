"""``.gitlab-ci.yml``: the project's own, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from support import here

from generator.request.settings import variables
from generator.service.project.durations import seconds
from generator.service.project.pipeline_file import read
from generator.shared.errors import NotRunError, RunError, UsageError

_own = (here.parent / ".gitlab-ci.yml").read_text(encoding="utf-8")


def _jobs(**given: str) -> list[str]:
    return [job.name for job, _ in read(_own, timeout=60).jobs_for(given)]


def test_a_push_tests_the_project_and_a_trigger_packages_a_repository() -> None:
    assert _jobs(CI_PIPELINE_SOURCE="push") == ["test", "audit"]
    assert _jobs(CI_PIPELINE_SOURCE="merge_request_event") == ["test", "audit"]
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
        ("a: {script: x, allow_failure: [b]}", "a: allow_failure: ['b'] is not true or false, and has no exit_codes"),
        (
            "a: {script: x, allow_failure: {exit_codes: [b]}}",
            "a: allow_failure: exit_codes: ['b'] is not a whole number",
        ),
        ("a: {script: x, allow_failure: {exit_codes: []}}", "a: allow_failure: exit_codes: [] is not a whole number"),
        ("a: {script: x, allow_failure: {exit_codes: true}}", "exit_codes: True is not a whole number"),
        ("a: {script: x, allow_failure: {codes: 1}}", "a: allow_failure: {'codes': 1} is not true or false"),
        ("a: {script: x, rules: {if: $a}}", "a: rules: must be a list"),
        ("a: {script: x, variables: [b]}", "a: variables: ['b'] is not a mapping"),
        ("a: 5", "a: 5 is not a mapping"),
        ("default: {stage: build}", "default: keyword 'stage' is not supported"),
        ("variables: {a: {default: 1}}", "variables: a: keyword 'default'"),
        ("a: {script: x, timeout: 3 parsecs}", "a: timeout: '3 parsecs' is not a duration"),
        ("a: {script: x, timeout: soon}", "'soon' is not a duration"),
        ("a: {script: x, artifacts: {paths: [y], expire_in: 10000 years}}", "'10000 years' is more than 1000 years"),
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


@pytest.mark.parametrize(
    ("allowed", "when", "exit_code", "may_fail"),
    [
        ("false", "on_success", 1, False),
        ("true", "on_success", 1, True),
        ("false", "manual", 1, True),
        ("{exit_codes: 21}", "on_success", 21, True),
        ("{exit_codes: [3, 21]}", "on_success", 21, True),
        ("{exit_codes: 21}", "on_success", 1, False),
        ("{exit_codes: 21}", "on_success", None, False),
        ("{exit_codes: 21}", "manual", None, False),
    ],
)
def test_a_job_may_fail_as_on_gitlab(allowed: str, when: str, exit_code: int | None, may_fail: bool) -> None:
    [job] = read(f"a: {{script: x, when: {when}, allow_failure: {allowed}}}", timeout=60).jobs

    assert job.may_fail(when, exit_code) is may_fail


def test_the_check_of_packmill_s_own_pipeline_may_run_nothing() -> None:
    check = next(job for job in read(_own, timeout=60).jobs if job.name == "check")

    assert check.may_fail("on_success", NotRunError.exit_code)
    assert not check.may_fail("on_success", RunError.exit_code)


@pytest.mark.parametrize(("code", "published"), [(0, True), (NotRunError.exit_code, True), (RunError.exit_code, False)])
@pytest.mark.parametrize("template", ["packmill.gitlab-ci.yml", "packmill.github.yml"])
def test_the_templates_publish_a_package_that_was_not_run(
    code: int, published: bool, template: str, tmp_path: Path
) -> None:
    """The template's own lines, with a ``packmill`` whose check ends with this code."""
    document = YAML(typ="safe").load((here.parent / "templates/ci" / template).read_text())
    if "packmill" in document:
        scripts = ["\n".join(document["packmill"]["script"])]
        assert document["packmill"]["allow_failure"]["exit_codes"] == [NotRunError.exit_code]
    else:
        [job] = document["jobs"].values()
        scripts = [step["run"] for step in job["steps"] if "packmill ci" in step.get("run", "")]
    program = tmp_path / "packmill"
    program.write_text(f'#!/bin/sh\necho "$2" >> "{tmp_path}/stages"\n[ "$2" != check ] || exit {code}\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CI_PROJECT_URL": "x",
        "CI_COMMIT_TAG": "v1",
    }
    environment |= {"CI_REGISTRY_IMAGE": "x"}

    codes = []
    for script in scripts:
        codes.append(
            subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, check=False).returncode
        )
        if codes[-1]:
            break

    assert (tmp_path / "stages").read_text().split() == ["build", "check", *(["publish"] if published else [])]
    assert codes[-1] == (code if "packmill" in document or not published else 0)
