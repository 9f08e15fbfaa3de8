"""Health of the service, and its metrics."""

from __future__ import annotations

from typing import Any

import requests
from ci_service import ACCESS, TRIGGER, Service
from prometheus_client.parser import text_string_to_metric_families


def test_health_is_at_gitlab_s_addresses_and_needs_no_token(service: Service) -> None:
    names = ("health", "liveness", "readiness")
    health, live, ready = (requests.get(f"{service.url}/-/{name}", timeout=60) for name in names)

    assert (health.status_code, health.text) == (200, "GitLab OK")
    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    checks = {name: [{"status": "ok"}] for name in ("db_check", "disk_check", "queue_check")}
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", **checks})


def test_a_service_without_its_data_is_alive_and_not_ready(another_service: Any) -> None:
    service = another_service()
    service.data.rename(service.data.with_name("elsewhere"))
    answers = [requests.get(f"{service.url}/-/{name}", timeout=60) for name in ("health", "readiness", "liveness")]
    service.data.with_name("elsewhere").rename(service.data)

    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[1].json()["disk_check"] == [{"status": "failed", "message": "the data folder is unavailable"}]
    assert str(service.data) not in answers[1].text


def test_metrics_count_pipelines_jobs_and_requests(service: Service) -> None:
    service.wait(service.trigger())
    answer = requests.get(f"{service.url}/metrics", headers={"PRIVATE-TOKEN": ACCESS}, timeout=60)
    found = {family.name: family.samples for family in text_string_to_metric_families(answer.text)}

    def value(name: str, **labels: str) -> float:
        samples = [one for one in found[name] if not one.name.endswith("_created")]
        return sum(one.value for one in samples if labels.items() <= one.labels.items())

    assert answer.headers["Content-Type"].startswith("text/plain")
    assert value("packmill_ci_pipelines", status="success") >= 1
    assert value("packmill_ci_jobs", status="success") >= 2
    assert value("packmill_ci_concurrent_jobs") == 4
    assert value("packmill_disk_free_bytes") > 0
    route = "/api/v4/projects/{project:int}/trigger/pipeline"
    assert value("packmill_http_requests", method="POST", route=route, status="201") >= 1
    assert value("process_open_fds") > 0


def test_metrics_are_for_tokens_that_may_read(service: Service) -> None:
    def status(token: str) -> int:
        headers = {"PRIVATE-TOKEN": token}
        return requests.get(f"{service.url}/-/metrics", headers=headers, timeout=60).status_code

    assert [status(token) for token in ("", "wrong", TRIGGER, ACCESS)] == [401, 401, 403, 200]
