"""What a job is given, what is kept of it, and how it ends."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

from ci_service import ACCESS, Service
from waiting import processes_naming, wait_until


def _run(service: Service, script: str, **variables: str) -> int:
    """A pipeline that ran to its end; the number of its first job."""
    number = service.trigger(script=script, **variables)
    service.wait(number)
    return int(service.jobs(number)["one"]["id"])


def test_a_job_runs_in_a_fresh_clone_of_the_project_at_the_pipeline_s_commit(service: Service) -> None:
    job = _run(service, "ls -A | grep -v script; git log -1 --format=%s; pwd; echo left > behind; ls")
    trace = service.trace(job)

    assert ".gitlab-ci.yml" in trace
    assert "A pipeline" in trace
    assert "Job succeeded" in trace
    assert not (service.data / "builds" / str(job)).exists()


def test_a_job_knows_gitlab_s_variables_and_the_pipeline_s_own(service: Service) -> None:
    shown = "CI_JOB_ID CI_PIPELINE_SOURCE CI_PROJECT_PATH CI_API_V4_URL GITLAB_CI repository".split()
    job = _run(service, "; ".join(f'echo "{name}=${name}"' for name in shown), repository="https://x/y.git")
    trace = service.trace(job)

    assert f"CI_JOB_ID={job}" in trace
    assert "CI_PIPELINE_SOURCE=trigger" in trace
    assert "CI_PROJECT_PATH=ada/toy" in trace
    assert f"CI_API_V4_URL={service.url}/api/v4" in trace
    assert "GITLAB_CI=true" in trace
    assert "repository=https://x/y.git" in trace


def test_variables_that_the_pipeline_does_not_declare_do_not_reach_a_job(service: Service) -> None:
    job = _run(service, 'echo "BASH_ENV=$BASH_ENV LD_PRELOAD=$LD_PRELOAD"', BASH_ENV="/evil", LD_PRELOAD="/evil.so")
    trace = service.trace(job)

    assert "BASH_ENV= LD_PRELOAD=\n" in trace
    assert "variable 'BASH_ENV': not declared in the pipeline file; ignored" in trace


def test_the_tokens_of_the_service_are_not_in_a_job_s_environment(service: Service) -> None:
    job = _run(service, "env | sort")

    assert ACCESS not in service.trace(job)
    assert "PACKMILL_CI_ACCESS_TOKEN" not in service.trace(job)


def test_a_job_s_own_token_is_masked_even_when_it_comes_in_pieces(service: Service) -> None:
    script = 'echo "all: $CI_JOB_TOKEN"; printf "half: %s" "${CI_JOB_TOKEN:0:9}"; sleep 0.3; echo "${CI_JOB_TOKEN:9}."'
    trace = service.trace(_run(service, script))

    assert "all: [MASKED]" in trace
    assert "half: [MASKED]." in trace
    assert "glcbt-" not in trace


def test_a_job_s_token_reads_artifacts_as_long_as_the_job_runs(service: Service) -> None:
    job = _run(service, "mkdir out; echo for later > out/a.txt; echo $CI_JOB_ID > out/number")
    ask = f'curl -s -H "JOB-TOKEN: $CI_JOB_TOKEN" $CI_API_V4_URL/projects/1/jobs/{job}/artifacts/out/a.txt'

    assert "for later" in service.trace(_run(service, ask))


def test_a_job_s_token_reads_no_logs_variables_and_schedules(service: Service) -> None:
    job = _run(service, "echo of the other job")
    number = service.get(f"/jobs/{job}")["pipeline"]["id"]
    paths = ("/jobs/{job}/trace", "/jobs/{job}", "/pipelines", "/pipelines/{number}", "/pipelines/{number}/jobs")
    paths += ("/pipelines/{number}/variables", "/pipelines/{number}/test_report", "/pipeline_schedules", "/hooks", "")
    asked = " ".join(f"$CI_API_V4_URL/projects/1{path.format(job=job, number=number)}" for path in paths)
    script = f'curl -s -o out -w "%{{http_code}}," -H "JOB-TOKEN: $CI_JOB_TOKEN" {asked.replace(" ", " -o out ")}'

    assert "403," * len(paths) in service.trace(_run(service, script))


def test_artifacts_are_kept_and_given_whole_or_file_by_file(service: Service) -> None:
    job = _run(
        service, "mkdir -p out/deep; echo one > out/a.txt; echo two > 'out/deep/ü b.txt'; ln -s /etc/passwd out/link"
    )
    archive = service.ask("GET", f"/jobs/{job}/artifacts")

    with zipfile.ZipFile(io.BytesIO(archive.content)) as packed:
        assert sorted(packed.namelist()) == ["out/a.txt", "out/deep/ü b.txt"]
    assert service.ask("GET", f"/jobs/{job}/artifacts/out/deep/%C3%BC%20b.txt").text == "two\n"
    assert service.ask("GET", f"/jobs/{job}/artifacts/out/link").status_code == 404
    assert service.ask("GET", f"/jobs/{job}/artifacts/../../../etc/passwd").status_code == 404
    assert service.ask("GET", "/jobs/artifacts/main/raw/out/a.txt?job=one").text == "one\n"
    assert service.ask("GET", "/jobs/artifacts/main/download?job=one").content == archive.content
    assert service.ask("GET", "/jobs/artifacts/main/download").json() == {"error": "job is missing"}
    assert service.ask("GET", "/jobs/artifacts/nowhere/download?job=one").status_code == 404


def test_later_jobs_have_the_files_and_variables_of_earlier_ones(service: Service) -> None:
    number = service.trigger(
        script="mkdir out; echo carried > out/a.txt; echo 'MADE=a b' > made.env", later='cat out/a.txt; echo "<$MADE>"'
    )
    assert service.wait(number) == "success"
    trace = service.trace(service.jobs(number)["two"]["id"])

    assert "carried" in trace
    assert "<a b>" in trace


def test_a_junit_report_is_part_of_the_pipeline(service: Service) -> None:
    report = (
        "<testsuite name='s'><testcase name='good' classname='c' time='0.5'/><testcase name='bad'>"
        "<failure>because</failure></testcase><testcase name='left'><skipped/></testcase></testsuite>"
    )
    number = service.trigger(script=f'echo "{report}" > report.xml')
    service.wait(number)
    found = service.get(f"/pipelines/{number}/test_report")

    assert (found["total_count"], found["success_count"], found["failed_count"], found["skipped_count"]) == (3, 1, 1, 1)
    cases = found["test_suites"][0]["test_cases"]
    assert [case["status"] for case in cases] == ["success", "failed", "skipped"]
    assert cases[1]["system_output"] == "because"
    summary = service.get(f"/pipelines/{number}/test_report_summary")
    assert summary["total"]["count"] == 3
    assert summary["test_suites"][0]["build_ids"] == [service.jobs(number)["one"]["id"]]


def test_a_report_with_entities_is_left_out(service: Service) -> None:
    job = _run(service, "echo '<!DOCTYPE a [<!ENTITY b \"c\">]><testsuite/>' > report.xml")

    assert "not a readable JUnit report" in service.trace(job)


def test_the_exit_code_is_told(service: Service) -> None:
    number = service.trigger(script="exit 13")

    assert service.wait(number) == "failed"
    assert "ERROR: Job failed: exit code 13" in service.trace(service.jobs(number)["one"]["id"])
    assert service.jobs(number)["two"]["status"] == "skipped"


def test_a_job_that_is_killed_says_by_what(service: Service) -> None:
    job = _run(service, "kill -9 $PPID")

    assert "killed by SIGKILL" in service.trace(job)


def test_a_job_that_takes_too_long_is_ended(service: Service) -> None:
    number = service.trigger(repository="too long")

    assert service.wait(number) == "failed"
    job = service.jobs(number)["quick"]
    assert job["failure_reason"] == "job_execution_timeout"
    assert "took longer than 1 seconds" in service.trace(job["id"])


def test_what_a_canceled_job_left_is_kept_and_its_children_end(service: Service, marks: Path) -> None:
    mark = marks / "canceled"
    script = f"mkdir out; echo part > out/a.txt; (sleep 300; touch {mark}) & echo begun; wait"
    number = service.trigger(script=script)
    jobs = service.jobs(number)
    wait_until(lambda: "begun" in service.trace(jobs["one"]["id"]))
    service.ask("POST", f"/pipelines/{number}/cancel")

    assert service.wait(number) == "canceled"
    assert service.ask("GET", f"/jobs/{jobs['one']['id']}/artifacts/out/a.txt").text == "part\n"
    wait_until(lambda: not processes_naming(f"touch {mark}"), message="the child has ended")
    assert not mark.exists()


def test_a_daemon_that_a_job_leaves_does_not_keep_it_open(service: Service) -> None:
    job = _run(service, "setsid sleep 1000 & echo done")

    assert "done" in service.trace(job)


def test_the_log_can_be_had_from_a_byte_on(service: Service) -> None:
    job = _run(service, "echo 0123456789")
    whole = service.ask("GET", f"/jobs/{job}/trace").content
    rest = service.ask("GET", f"/jobs/{job}/trace", headers={"Range": "bytes=20-"})

    assert (rest.status_code, rest.content) == (206, whole[20:])


def test_a_log_ends_at_its_limit_and_the_job_goes_on(another_service: Callable[..., Service]) -> None:
    service = another_service("--log-limit", "1")
    number = service.trigger(script="yes | head -c 3000000; mkdir out; echo end > out/a.txt")
    assert service.wait(number) == "success"
    job = service.jobs(number)["one"]["id"]
    trace = service.ask("GET", f"/jobs/{job}/trace").content

    assert len(trace) < 1_200_000
    assert b"the rest is discarded" in trace
    assert service.ask("GET", f"/jobs/{job}/artifacts/out/a.txt").text == "end\n"


def test_jobs_wait_for_their_turn_and_repositories_take_turns(another_service: Callable[..., Service]) -> None:
    service = another_service("--jobs", "1")
    first = service.trigger(script="sleep 1", repository="a")
    many = [service.trigger(repository="a") for _ in range(4)]
    other = service.trigger(repository="b")
    for number in (first, *many, other):
        assert service.wait(number) == "success"

    started = {number: service.jobs(number)["one"]["started_at"] for number in (*many, other)}
    assert sorted(many, key=lambda number: started[number]) == many
    assert started[other] < started[many[1]]
