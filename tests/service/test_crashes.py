"""Whatever is killed, an accepted pipeline ends: finished, running again, or failed with the reason."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ci_service import Service
from waiting import has_ended, wait_until


def _begun(service: Service, number: int) -> int:
    """The first job of a pipeline, once its script has said a word."""
    job = int(service.jobs(number)["one"]["id"])
    wait_until(lambda: "begun\n" in service.trace(job), message="the job begins")
    return job


def _kill_shepherd(service: Service, job: int) -> None:
    os.kill(int((service.data / "jobs" / str(job) / "pid").read_text()), signal.SIGKILL)


def test_a_killed_service_adopts_the_jobs_that_still_run(another_service: Callable[..., Service], marks: Path) -> None:
    service, mark = another_service(), marks / "adopted"
    number = service.trigger(
        script=f"echo begun; until [ -e {mark} ]; do sleep 0.1; done; echo ended", later="echo later"
    )
    job = _begun(service, number)

    service.stop(signal.SIGKILL)
    service.start()

    assert service.get(f"/pipelines/{number}")["status"] == "running"
    mark.touch()
    assert service.wait(number) == "success"
    trace = service.trace(job)
    assert trace.count("begun\n") == 1
    assert "ended" in trace


def test_a_job_that_ends_while_the_service_is_away_is_not_run_again(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(script="echo begun; sleep 0.5; mkdir out; echo kept > out/a.txt; exit 4")
    job = _begun(service, number)

    shepherd = int((service.data / "jobs" / str(job) / "pid").read_text())
    service.stop(signal.SIGKILL)
    wait_until(lambda: has_ended(shepherd), message="the job ends")
    service.start()

    assert service.wait(number) == "failed"
    assert service.trace(job).count("begun\n") == 1
    assert "exit code 4" in service.trace(job)
    assert service.ask("GET", f"/jobs/{job}/artifacts/out/a.txt").text == "kept\n"


def test_after_everything_was_killed_the_job_runs_again(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(script="echo begun; sleep 1; echo ended")
    job = _begun(service, number)

    service.stop(signal.SIGKILL)
    _kill_shepherd(service, job)
    service.start()

    assert service.wait(number) == "success"
    trace = service.trace(job)
    assert trace.count("begun\n") == 2
    assert "the job's process was killed; running it again" in trace


def test_what_a_killed_shepherd_leaves_running_is_ended_before_the_job_runs_again(
    another_service: Callable[..., Service], marks: Path
) -> None:
    mark = marks / "ended before the job runs again"
    service = another_service()
    number = service.trigger(script=f"echo begun; sleep 2; echo x >> '{mark}'")
    _kill_shepherd(service, _begun(service, number))

    assert service.wait(number) == "success"
    assert mark.read_text() == "x\n"


def test_a_job_that_is_interrupted_again_and_again_fails_with_the_reason(
    another_service: Callable[..., Service],
) -> None:
    service = another_service()
    number = service.trigger(script="echo begun; sleep 300")
    for count in range(1, 4):
        job = _begun(service, number)
        wait_until(lambda: service.trace(job).count("begun\n") >= count)  # noqa: B023 - called before the next turn
        _kill_shepherd(service, job)
        wait_until(lambda: service.trace(job).count("process was killed") >= count)  # noqa: B023

    assert service.wait(number) == "failed"
    assert service.jobs(number)["one"]["failure_reason"] == "runner_system_failure"
    assert "the job's process was killed 3 times" in service.trace(job)


def test_every_answer_201_is_kept_by_a_service_that_is_killed_at_once(another_service: Callable[..., Service]) -> None:
    service = another_service()
    numbers = [service.trigger(script="sleep 0.2") for _ in range(6)]
    service.stop(signal.SIGKILL)
    service.start()

    assert [service.wait(number) for number in numbers] == ["success"] * 6


def test_a_service_that_is_stopped_lets_its_jobs_go_on(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(script="echo begun; sleep 1.5; echo ended")
    job = _begun(service, number)

    service.stop(signal.SIGTERM)
    assert "running jobs continue" in service.data.with_suffix(".log").read_text()
    service.start()

    assert service.wait(number) == "success"
    assert service.trace(job).count("begun\n") == 1


def test_a_cancel_reaches_a_job_that_an_earlier_service_started(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(script="echo begun; sleep 60")
    _begun(service, number)
    service.stop(signal.SIGKILL)
    service.start()

    service.ask("POST", f"/pipelines/{number}/cancel")
    assert service.wait(number) == "canceled"


def test_a_second_service_on_the_same_data_is_refused(another_service: Callable[..., Service], project: Path) -> None:
    service = another_service()

    with pytest.raises(AssertionError, match="another 'packmill serve' uses this database"):
        Service(project, service.data).start()


def test_artifacts_whose_time_is_over_are_removed(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(repository="short lived")
    assert service.wait(number) == "success"
    job = service.jobs(number)["short-lived"]
    assert job["artifacts_expire_at"] is not None
    time.sleep(1.2)
    service.stop()
    service.start()

    wait_until(lambda: not service.jobs(number)["short-lived"].get("artifacts_file"))
    assert service.ask("GET", f"/jobs/{job['id']}/artifacts").status_code == 404


def test_what_a_killed_deletion_left_is_removed(another_service: Callable[..., Service]) -> None:
    service = another_service()
    number = service.trigger(script="true")
    service.wait(number)
    job = str(service.jobs(number)["one"]["id"])
    assert service.ask("DELETE", f"/pipelines/{number}").status_code == 204
    service.stop(signal.SIGKILL)
    left = service.data / "jobs" / job
    left.mkdir(parents=True, exist_ok=True)
    (left / "trace").write_text("of a job without a row")
    work = service.data / "builds" / job
    work.mkdir(parents=True, exist_ok=True)
    service.start()

    wait_until(lambda: not left.exists() and not work.exists())
