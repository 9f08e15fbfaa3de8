"""What a pipeline's status is, and which job is next: GitLab's rules."""

from __future__ import annotations

from typing import Any

import pytest

from generator.service.store.states import active_seconds, next_statuses, pipeline_status


def _job(status: str, stage: int = 0, **given: Any) -> dict[str, Any]:
    number = given.pop("id", stage * 10)
    return {
        "id": number, "status": status, "stage_index": stage, "when": "on_success", "allow_failure": False,
        "retried": False, **given,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("success success", "success"),
        ("success skipped", "success"),
        ("skipped skipped", "skipped"),
        ("created created", "created"),
        ("pending created", "pending"),
        ("running created", "running"),
        ("success pending", "running"),
        ("success created", "running"),
        ("failed skipped", "failed"),
        ("failed running", "running"),
        ("canceled created", "running"),
        ("success canceled", "canceled"),
        ("failed canceled", "failed"),
        ("canceling created", "canceling"),
        ("success manual", "manual"),
    ],
)
def test_a_pipeline_is_what_its_jobs_are(jobs: str, expected: str) -> None:
    assert pipeline_status([_job(status, index) for index, status in enumerate(jobs.split())]) == expected


def test_a_failure_that_is_allowed_and_an_older_attempt_do_not_count() -> None:
    assert pipeline_status([_job("failed", allow_failure=True), _job("success", 1)]) == "success"
    assert pipeline_status([_job("failed", retried=True), _job("success", 1)]) == "success"


def test_a_stage_begins_when_the_one_before_is_over() -> None:
    assert next_statuses([_job("created", 0), _job("created", 1)]) == {0: "pending"}
    assert next_statuses([_job("success", 0), _job("running", 0, id=1), _job("created", 1)]) == {}
    assert next_statuses([_job("success", 0), _job("created", 1), _job("created", 2)]) == {10: "pending"}


def test_after_a_failure_only_what_waits_for_one_runs() -> None:
    later = [_job("created", 1), _job("created", 1, id=11, when="always"), _job("created", 1, id=12, when="on_failure")]

    assert next_statuses([_job("failed", 0), *later]) == {10: "skipped", 11: "pending", 12: "pending"}
    assert next_statuses([_job("success", 0), *later]) == {10: "pending", 11: "pending", 12: "skipped"}


def test_a_manual_job_waits_for_a_person() -> None:
    assert next_statuses([_job("success", 0), _job("created", 1, when="manual")]) == {10: "manual"}
    assert next_statuses([_job("manual", 0), _job("created", 1)]) == {}
    assert next_statuses([_job("manual", 0, allow_failure=True), _job("created", 1)]) == {10: "pending"}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 0),
        ([(10, 15)], 5),
        ([(10, 15), (100, 110)], 15),
        ([(10, 20), (12, 15), (18, 30)], 20),
        ([(10, 20), (None, None), (25, None)], 10),
    ],
)
def test_a_pipeline_lasts_as_long_as_its_jobs_run(
    spans: list[tuple[float | None, float | None]], expected: float
) -> None:
    jobs = [_job("success", stage, started_at=begin, finished_at=end) for stage, (begin, end) in enumerate(spans)]
    retried = _job("failed", 9, started_at=0.0, finished_at=1000.0, retried=True)

    assert active_seconds([*jobs, retried]) == expected
