"""Roles of tokens, and the audit log of ``packmill serve``: who did what, without secrets, never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from ci_service import ACCESS, TRIGGER, Service, make_project
from routes import WRITING, ask_raw, filled, service_routes
from support import Finished
from waiting import wait_until

from generator.service.access import Access
from generator.service.store import audit, tokens
from generator.service.store.database import rows
from generator.service.store.opening import open_database

ROLES = tuple(tokens.roles)
HOOK = {"url": "http://ada:word-in-an-address@127.0.0.1:9/", "token": "token-of-a-hook", "pipeline_events": "true"}
SCHEDULE = {"description": "d", "ref": "main", "cron": "@daily", "variables[password]": "value-of-a-schedule"}
SHOWN = {"variables[script]": "true # of the admin"}
SECRETS = (ACCESS, TRIGGER, "word-in-an-address", "token-of-a-hook", "value-of-a-schedule", "value-of-a-run")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("audit")
    running = Service(make_project(folder / "ada" / "toy"), folder / "data", "--jobs", "2").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def of_role(service: Service) -> dict[str, str]:
    """A token of each role."""
    database = open_database(service.data, None)
    made = {role: tokens.create(database, name=role, scopes=scopes, role=role) for role, scopes in tokens.roles.items()}
    database.close()
    return made


def _events(service: Service, **query: Any) -> list[tuple[str, str, str]]:
    found = service.get("/audit_events", params={"per_page": 100, **query})
    return [(one["event_name"], one["details"]["target_details"], one["details"]["author_name"]) for one in found]


def _session(service: Service, token: str) -> requests.Session:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": token}, timeout=60)
    return session


def test_everything_that_matters_is_in_the_log(service: Service, packmill: Callable[..., Finished]) -> None:
    def ask(method: str, path: str, **data: str) -> Any:
        answer = service.ask(method, path, data=data)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer.json() if answer.content else None

    made = packmill("token", "create", "ada", "--role", "run", "--data", service.data).out.strip()
    session = _session(service, made)
    form = session.get(f"{service.url}/ada/toy/-/pipelines/new", timeout=60).text
    word = re.findall(r'name="form_token" value="([0-9a-f]+)"', form)[0]
    session.post(f"{service.url}/-/sign-out", data={"form_token": word}, timeout=60)
    _session(service, "of-nobody")
    pipeline = service.trigger(script="mkdir out; touch out/a", secret_key="value-of-a-run")
    service.wait(pipeline)
    first = service.jobs(pipeline)["two"]["id"]
    ask("POST", f"/jobs/{first}/retry")
    service.wait(pipeline)
    ask("PUT", "/packages/generic/tables/1/a.csv")
    long = service.trigger(script="sleep 600")
    wait_until(lambda: service.jobs(long)["one"]["status"] == "running", message="the job runs")
    ask("POST", f"/pipelines/{long}/cancel")
    service.wait(long)
    ask("POST", f"/pipelines/{long}/retry")
    again = service.jobs(long)["one"]["id"]
    ask("POST", f"/jobs/{again}/cancel")
    one, two = (service.jobs(pipeline)[name]["id"] for name in ("one", "two"))
    ask("POST", f"/jobs/{one}/artifacts/keep")
    ask("DELETE", f"/jobs/{one}/artifacts")
    ask("POST", f"/jobs/{two}/erase")
    ask("DELETE", f"/pipelines/{pipeline}")
    hook = ask("POST", "/hooks", **HOOK)["id"]
    ask("PUT", f"/hooks/{hook}", name="other")
    ask("DELETE", f"/hooks/{hook}")
    schedule = ask("POST", "/pipeline_schedules", **SCHEDULE)["id"]
    ask("PUT", f"/pipeline_schedules/{schedule}", description="e")
    ask("DELETE", f"/pipeline_schedules/{schedule}")
    assert packmill("token", "revoke", "ada", "--data", service.data).code == 0

    expected = [
        ("token_created", "ada", "packmill"),
        ("signed_in", "", "ada"),
        ("signed_out", "", "ada"),
        ("sign_in_failed", "", ""),
        ("pipeline_started", str(pipeline), "trigger"),
        ("job_retried", str(first), "access"),
        ("file_uploaded", "tables/1/a.csv", "access"),
        ("pipeline_started", str(long), "trigger"),
        ("pipeline_canceled", str(long), "access"),
        ("pipeline_retried", str(long), "access"),
        ("job_canceled", str(again), "access"),
        ("artifacts_kept", str(one), "access"),
        ("artifacts_deleted", str(one), "access"),
        ("job_erased", str(two), "access"),
        ("pipeline_deleted", str(pipeline), "access"),
        ("hook_created", str(hook), "access"),
        ("hook_changed", str(hook), "access"),
        ("hook_deleted", str(hook), "access"),
        ("schedule_created", str(schedule), "access"),
        ("schedule_changed", str(schedule), "access"),
        ("schedule_deleted", str(schedule), "access"),
        ("token_revoked", "ada", "packmill"),
    ]
    assert _events(service)[::-1][-len(expected) :] == expected
    printed = packmill("audit", "--json", "--last", str(len(expected)), "--data", service.data).out
    page = _session(service, ACCESS).get(f"{service.url}/ada/toy/-/audit?per_page=100", timeout=60).text
    assert [json.loads(line)["event_name"] for line in printed.splitlines()] == [one[0] for one in expected]
    assert "Pipeline deleted" in page
    for text in (printed, page, service.ask("GET", "/audit_events").text):
        assert not [secret for secret in (*SECRETS, made) if secret in text]


@pytest.mark.parametrize("number", ["0", "9" * 20])
def test_a_number_of_events_that_no_database_counts_is_refused(
    number: str, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    assert packmill("audit", "--last", number, "--data", tmp_path).code == 2


def test_what_the_log_cannot_take_is_not_deleted(service: Service) -> None:
    pipeline = service.trigger(script="mkdir out; echo kept > out/a")
    service.wait(pipeline)
    job = service.jobs(pipeline)["one"]["id"]
    database = open_database(service.data, None)
    with database.transaction() as connection:  # as a database that fails
        refusal = "BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'full'); END"
        connection.execute(sa.text(f"CREATE TRIGGER full_log {refusal}"))
    changes = ("DELETE", f"/jobs/{job}/artifacts"), ("POST", f"/jobs/{job}/erase"), ("DELETE", f"/pipelines/{pipeline}")
    statuses = [service.ask(*change).status_code for change in changes]
    with database.transaction() as connection:
        connection.execute(sa.text("DROP TRIGGER full_log"))
    database.close()

    assert statuses == [500, 500, 500]
    assert service.ask("GET", f"/jobs/{job}/artifacts/out/a").text == "kept\n"
    assert "Job succeeded" in service.trace(job)


def test_an_event_has_gitlab_s_shape_and_the_address_of_its_author(service: Service) -> None:
    service.ask("POST", "/pipeline_schedules", data=SCHEDULE)
    event = service.get("/audit_events")[0]

    assert {"id", "author_id", "entity_id", "entity_type", "details", "created_at"} <= set(event)
    assert event["details"]["ip_address"] == "127.0.0.1"
    assert service.get(f"/audit_events/{event['id']}") == event
    assert service.ask("GET", "/audit_events/999999").status_code == 404
    assert service.get("/audit_events", params={"created_before": "2020-01-01"}) == []


def test_the_log_is_kept_and_not_even_its_database_changes_it(service: Service) -> None:
    before = _events(service)
    database = open_database(service.data, None)
    for change in ("DELETE FROM audit_events", "UPDATE audit_events SET author_name = 'nobody'"):
        with pytest.raises(sa.exc.DatabaseError, match="append-only"), database.transaction() as connection:
            connection.execute(sa.text(change))
    database.close()
    service.stop()
    service.start()

    assert before
    assert _events(service) == before


def test_sign_ins_that_fail_from_very_many_addresses_do_not_fill_the_log(tmp_path: Path) -> None:
    database = open_database(tmp_path, None)
    access = Access(database, per_minute=600)
    for number in range(100):
        for _ in range(2):
            access.note_failure(f"2001:db8::{number:x}")
    with database.connection() as connection:
        noted = [one["address"] for one in rows(connection, audit.listed())]
    database.close()

    assert noted[::-1] == [f"2001:db8::{number:x}" for number in range(10)]


def test_a_start_after_a_kill_gives_the_log_its_guards(tmp_path: Path) -> None:
    database = open_database(tmp_path, None)
    tokens.create(database, name="ada", scopes=["api"])
    with database.transaction() as connection:  # as if the first start was killed before it made them
        connection.execute(sa.text("DROP TRIGGER audit_events_no_DELETE"))
    database.close()

    database = open_database(tmp_path, None)
    with pytest.raises(sa.exc.DatabaseError, match="append-only"), database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM audit_events"))
    database.close()


def test_what_a_role_may_do(service: Service, of_role: dict[str, str]) -> None:
    def statuses(method: str, path: str, **data: str) -> dict[str, int]:
        return {role: service.ask(method, path, token=of_role[role], data=data).status_code for role in ROLES}

    assert statuses("GET", "/pipelines") == {"read": 200, "run": 200, "admin": 200}
    assert statuses("POST", "/pipelines", ref="main") == {"read": 403, "run": 201, "admin": 201}
    assert statuses("POST", "/trigger/pipeline") == {"read": 400, "run": 400, "admin": 400}
    for path in ("/hooks", "/audit_events"):
        assert statuses("GET", path) == {"read": 403, "run": 403, "admin": 200}
    for method, path in (("DELETE", "/pipelines/9"), ("POST", "/jobs/9/erase"), ("DELETE", "/jobs/9/artifacts")):
        assert statuses(method, path.replace("9", "99999")) == {"read": 403, "run": 403, "admin": 404}
    for role in ROLES:
        page = _session(service, of_role[role]).get(f"{service.url}/ada/toy/-/audit", timeout=60)
        assert page.status_code == (200 if role == "admin" else 403)
        assert ("/-/hooks" in page.text) == (role == "admin")


def test_values_of_a_schedule_are_shown_to_its_owner_and_admins(service: Service, of_role: dict[str, str]) -> None:
    number = service.ask("POST", "/pipeline_schedules", token=of_role["run"], data=SCHEDULE | SHOWN).json()["id"]
    admins = service.ask("POST", "/pipeline_schedules", data=SCHEDULE | SHOWN | {"description": "x"}).json()["id"]

    def shows(role: str, path: str) -> bool:
        return "of the admin" in _session(service, of_role[role]).get(f"{service.url}/ada/toy/-{path}", timeout=60).text

    assert {role: shows(role, f"/schedules/{number}") for role in ROLES} == {"read": False, "run": True, "admin": True}
    assert {role: shows(role, f"/schedules/{admins}") for role in ROLES} == {"read": False, "run": False, "admin": True}
    service.ask("DELETE", f"/pipeline_schedules/{number}")
    assert {role: shows(role, "/schedules") for role in ROLES} == {"read": False, "run": False, "admin": True}
    service.ask("DELETE", f"/pipeline_schedules/{admins}")


def test_variables_of_a_pipeline_are_shown_to_tokens_that_may_write(service: Service, of_role: dict[str, str]) -> None:
    number = service.trigger(script="true # of the admin")
    service.wait(number)

    def shows(role: str, path: str) -> bool:
        return "of the admin" in _session(service, of_role[role]).get(f"{service.url}/ada/toy/-{path}", timeout=60).text

    for path in (f"/pipelines/{number}", "/pipelines"):
        assert {role: shows(role, path) for role in ROLES} == {"read": False, "run": True, "admin": True}, path
    statuses = {
        role: service.ask("GET", f"/pipelines/{number}/variables", token=of_role[role]).status_code for role in ROLES
    }
    assert statuses == {"read": 403, "run": 200, "admin": 200}


def test_the_role_run_changes_no_schedule_of_others(service: Service, of_role: dict[str, str]) -> None:
    def ask(role: str, method: str, path: str, **data: str) -> requests.Response:
        return service.ask(method, path, token=of_role[role], data=data)

    made = {role: ask(role, "POST", "/pipeline_schedules", **SCHEDULE).json()["id"] for role in ("run", "admin")}
    theirs, own = (f"/pipeline_schedules/{made[role]}" for role in ("admin", "run"))
    variable = {"key": "a", "value": "b"}
    changes = (("PUT", "", {"cron": "@hourly"}), ("POST", "/take_ownership", {}), ("POST", "/variables", variable))
    changes += (("PUT", "/variables/password", variable), ("DELETE", "/variables/password", {}), ("DELETE", "", {}))
    page, form = _session(service, of_role["run"]), f"{service.url}/ada/toy/-/schedules/{made['admin']}"
    shown = page.get(form, timeout=60).text
    data = {"form_token": re.findall(r'name="form_token" value="([0-9a-f]+)"', shown)[0], **SCHEDULE}

    for method, path, given in changes:
        assert ask("run", method, theirs + path, **given).status_code == 403, (method, path)
    for action in ("", "/pause", "/resume", "/take-over", "/delete"):
        assert page.post(form + action, data=data, timeout=60).status_code == 403, action
    assert [name for name in ("/pause", "/delete", "/take-over", "#change") if name in shown] == []
    assert "variables" not in ask("run", "GET", theirs).json()
    assert ask("admin", "GET", theirs).json()["cron"] == "0 0 * * *"
    for method, path, given in changes:
        assert ask("run", method, own + path, **given).ok, (method, path)


def test_a_token_of_the_role_read_writes_nothing_whatever_its_scopes(service: Service) -> None:
    database = open_database(service.data, None)
    made = tokens.create(database, name="odd", scopes=("api", "trigger"), role="read")
    database.close()
    assert service.ask("POST", "/trigger/pipeline", token="", data={"token": made, "ref": "main"}).status_code == 404
    for method, path in service_routes():
        if method in WRITING and path.startswith("/api/") and not path.endswith("/trigger/pipeline"):
            assert ask_raw(service.port, method, filled(path, {}), {"PRIVATE-TOKEN": made})[0] == 403, (method, path)


def test_tokens_of_an_earlier_version_stay_what_they_were(tmp_path: Path) -> None:
    database = open_database(tmp_path, None)
    made = tokens.create(database, name="old", scopes=["api"])
    with database.transaction() as connection:
        connection.execute(sa.text("ALTER TABLE tokens DROP COLUMN role"))
        connection.execute(sa.text("DROP TABLE audit_events"))
    database.close()
    database = open_database(tmp_path, None)
    found = tokens.find(database, made)
    database.close()

    assert found is not None
    assert found.may_administer
