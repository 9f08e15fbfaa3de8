"""Health of the service, and its metrics."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from ci_service import ACCESS, TRIGGER, Service
from prometheus_client.parser import text_string_to_metric_families

from generator.service.api import operation
from generator.service.store.database import Database, sqlite_url


def test_health_is_at_gitlab_s_addresses_and_needs_no_token(service: Service) -> None:
    names = ("health", "liveness", "readiness")
    health, live, ready = (requests.get(f"{service.url}/-/{name}", timeout=60) for name in names)

    assert (health.status_code, health.text) == (200, "GitLab OK")
    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    checks = {name: [{"status": "ok"}] for name in ("db_check", "disk_check", "queue_check")}
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", **checks})


@pytest.mark.parametrize(
    ("wrong", "check", "message"),
    [
        ({"data": "missing"}, "disk_check", "the data folder is unavailable"),
        ({"is_alive": False}, "queue_check", "the job queue has stopped"),
        ({"database": "postgresql"}, "db_check", "the database is unavailable"),
    ],
)
def test_a_service_that_cannot_take_pipelines_is_not_ready(
    tmp_path: Path, wrong: dict[str, Any], check: str, message: str
) -> None:
    def fail() -> None:
        raise sa.exc.OperationalError("SELECT 1", {}, OSError("db.internal refused"))

    usual = Database(sqlite_url(tmp_path / "rows.sqlite3"))
    database = SimpleNamespace(connection=fail) if "database" in wrong else usual
    here = SimpleNamespace(
        pipelines=SimpleNamespace(database=database),
        data=SimpleNamespace(path=tmp_path / wrong.get("data", "")),
        scheduler=SimpleNamespace(is_alive=wrong.get("is_alive", True)),
    )
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(context=here)))
    answer = json.loads(bytes(operation.readiness(request).body))

    assert (operation.readiness(request).status_code, operation.health(request).status_code) == (503, 503)
    assert answer.pop(check) == [{"status": "failed", "message": message}]
    assert answer.pop("status") == "failed"
    assert list(answer.values()) == [[{"status": "ok"}]] * 2
    assert operation.liveness().status_code == 200


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
