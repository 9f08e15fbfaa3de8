"""Deliveries of hooks that outlive the service, and addresses that they do not reach."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from waiting import wait_until

from generator.network.address_policy import any_hook
from generator.service.api.hooks import send_test
from generator.service.hooks import dispatcher as dispatcher_module
from generator.service.hooks.dispatcher import Dispatcher
from generator.service.hooks.payloads import Payloads
from generator.service.hooks.sending import Outcome, check_address, send
from generator.service.http_errors import HttpError
from generator.service.pages.run_reports import describe_run
from generator.service.project.pipeline_file import Artifacts, Job
from generator.service.project.project import Project, Revision
from generator.service.store.database import Database, jobs, pipelines, rows, sqlite_url
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.hook_tables import deliveries
from generator.service.store.hooks import Hooks
from generator.service.store.job_folders import DataFolder
from generator.service.store.outbox import _OF_JOB, JOB, PIPELINE, RUN, snapshot
from generator.service.store.pipelines import Pipelines
from generator.service.store.tokens import Identity
from generator.shared.errors import UsageError

_GUARDED = replace(any_hook, guarded=True)


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    return Hooks(Database(sqlite_url(tmp_path / "rows.sqlite3")), HiddenValues(tmp_path / "hooks"))


def _dispatcher(hooks: Hooks, project: Path) -> Dispatcher:
    checkout = Project(project, number=1, path="ada/toy", timeout=60.0, snapshots=project.parent / "snapshots")
    return Dispatcher(hooks, Payloads(project=checkout, address="http://ci", commit_of=checkout.commit), any_hook)


_JOB = dict.fromkeys(_OF_JOB, None) | {"id": 1}


def _happened() -> dict[str, Any]:
    pipeline = {"id": 1, "sha": "0" * 40, "ref": "main", "tag": False, "source": "api", "status": "success"}
    times = {"created_at": 0.0, "started_at": 1.0, "finished_at": 2.0}
    return {"pipeline": {**pipeline, **times, "user": "ada", "variables": []}, "jobs": [], "job": None}


def test_a_restarted_service_delivers_what_an_earlier_one_could_not(
    hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Outcome(headers={}, error="no route"), Outcome(headers={}, status=204)]
    monkeypatch.setattr(dispatcher_module, "_PAUSES", (0.2,))
    monkeypatch.setattr(dispatcher_module, "send", lambda *_, **__: answers.pop(0))
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    number = hooks.add_delivery(hook, PIPELINE, _happened())

    def status() -> Any:
        found = hooks.delivery(number)
        return found and (found["status"], found["attempts"], found["error"])

    first = _dispatcher(hooks, project)
    first.start()
    wait_until(lambda: status() == ("pending", 1, "no route"), message="the first attempt fails")
    first.stop()
    second = _dispatcher(hooks, project)
    second.start()
    wait_until(lambda: status() == ("delivered", 2, ""), message="the second attempt succeeds")
    second.stop()


def test_a_hook_is_served_after_a_moment_in_which_no_thread_could_start(
    hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = _failing_thread_starts(monkeypatch, "hook ", times=2)
    monkeypatch.setattr(dispatcher_module, "send", lambda *_, **__: Outcome(headers={}, status=204))
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    hooks.add_delivery(hook, PIPELINE, _happened())
    running = _dispatcher(hooks, project)
    running.start()
    wait_until(lambda: hooks.count_deliveries()["delivered"] == 1, message="the event is delivered")
    running.stop()

    assert sent == []


@pytest.mark.parametrize(
    ("error", "response"),
    [
        (sa.exc.OperationalError("UPDATE", {}, Exception("database or disk is full")), 204),
        (sa.exc.DataError("UPDATE", {}, Exception("the answer has text that does not fit")), None),
    ],
    ids=["passing", "lasting"],
)
def test_an_event_is_sent_once_while_its_outcome_cannot_be_stored(
    error: Exception, response: int | None, hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was sent again each second until the disk had space."""
    sent, failures, real = list[object](), [error] * 2, hooks.update_delivery

    def receive(*_: object, **__: object) -> Outcome:
        sent.append(1)
        return Outcome(headers={}, status=204)

    def store(number: int, values: Mapping[str, Any]) -> None:
        if failures and "response_status" in values:
            raise failures.pop()
        real(number, values)

    monkeypatch.setattr(dispatcher_module, "send", receive)
    monkeypatch.setattr(hooks, "update_delivery", store)
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    number = hooks.add_delivery(hook, PIPELINE, _happened())
    running = _dispatcher(hooks, project)
    running.start()
    wait_until(lambda: hooks.count_deliveries()["delivered"] == 1, message="the outcome is stored")
    running.stop()
    found = hooks.delivery(number)

    assert found is not None
    assert (len(sent), found["attempts"], found["response_status"]) == (1, 1, response)


def _failing_thread_starts(monkeypatch: pytest.MonkeyPatch, name: str, *, times: int) -> list[RuntimeError]:
    """Let the first starts of threads fail whose name begins with ``name``; return the errors that are left."""
    left, start = [RuntimeError("can't start new thread")] * times, threading.Thread.start

    def fail_first(self: threading.Thread) -> None:
        if self.name.startswith(name) and left:
            raise left.pop()
        start(self)

    monkeypatch.setattr(threading.Thread, "start", fail_first)
    return left


def test_attempts_end(hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "_PAUSES", (0.0,))
    monkeypatch.setattr(dispatcher_module, "send", lambda *_, **__: Outcome(headers={}, status=502))
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    number = hooks.add_delivery(hook, PIPELINE, _happened())
    running = _dispatcher(hooks, project)
    running.start()
    wait_until(lambda: hooks.count_deliveries()["failed"] == 1, message="no attempt is left")
    running.stop()
    found = hooks.delivery(number)

    assert found is not None
    assert (found["attempts"], found["response_status"]) == (2, 502)


def test_an_event_that_is_delivered_while_due_events_are_read_is_sent_once(
    hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[float] = []
    may_end = threading.Event()

    def receive(*_: object, **__: object) -> Outcome:
        sent.append(time.monotonic())
        assert may_end.wait(timeout=60)
        return Outcome(headers={}, status=204)

    monkeypatch.setattr(dispatcher_module, "send", receive)
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    hooks.add_delivery(hook, PIPELINE, _happened())
    running = _dispatcher(hooks, project)
    read, readings = hooks.due, []

    def read_slowly() -> list[tuple[int, int]]:
        found = read()
        readings.append(found)
        if len(readings) == 2:
            may_end.set()
            wait_until(lambda: not running._busy, message="the request ends")
        return found

    monkeypatch.setattr(hooks, "due", read_slowly)
    running.start()
    wait_until(lambda: len(sent) == 1, message="the event is sent")
    running.wake()
    wait_until(lambda: len(readings) > 2, message="the events are read again")
    running.stop()

    assert (readings[1], readings[-1]) == (readings[0], [])
    assert len(sent) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/",
        "https://localhost/",
        "http://93.184.215.14/",
    ],
)
def test_where_others_can_create_hooks_only_public_addresses_are_reached(url: str) -> None:
    with pytest.raises(UsageError, match="PACKMILL_HOOKS"):
        check_address(_GUARDED, url)

    outcome = send(_GUARDED, url, headers={}, body=b"", verify=True)
    assert (outcome.status, outcome.delivered) == (0, False)
    assert "PACKMILL_HOOKS" in outcome.error


def test_a_name_that_leads_to_a_private_address_later_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generator.network.addresses.resolve_checked", lambda *_: ["93.184.215.14"])

    outcome = send(_GUARDED, "https://localhost/", headers={}, body=b"", verify=True)

    assert outcome.status == 0
    assert "403" in outcome.error


@contextmanager
def _receiver(answer: bytes) -> Iterator[str]:
    """A server that sends these bytes to each request and ends the connection; its address."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            self.wfile.write(answer)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "delivered", "again"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf", True, False, id="half a body"),
        pytest.param(b"HTTP/1.1 500 No\r\nContent-Length: 900\r\n\r\nhalf", False, True, id="half an error"),
        pytest.param(b"HTTP/1.", False, True, id="half a head"),
        pytest.param(b"", False, True, id="nothing"),
    ],
)
def test_a_receiver_that_ends_the_connection(answer: bytes, *, delivered: bool, again: bool) -> None:
    with _receiver(answer) as url:
        outcome = send(any_hook, url, headers={}, body=b"{}", verify=True)

    assert (outcome.delivered, not outcome.delivered and outcome.may_succeed_later) == (delivered, again)


def test_a_receiver_decides_how_long_to_wait_up_to_an_hour(
    hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    for given, seconds in (("120", 120.0), ("86400", 3600.0), ("0", 1.0)):
        answer = Outcome(headers={"retry-after": given}, status=429)
        monkeypatch.setattr(dispatcher_module, "send", lambda *_, answer=answer, **__: answer)
        delivery = hooks.delivery(hooks.add_delivery(hook, PIPELINE, _happened()))
        assert delivery is not None
        before = time.time()
        _, values = _dispatcher(hooks, project)._attempt(delivery, pauses=(1.0,))
        assert before + seconds <= values["next_attempt_at"] <= time.time() + seconds


def test_an_operator_lists_private_receivers() -> None:
    listed = replace(_GUARDED, listed=("chat.internal", "public"))

    check_address(listed, "http://chat.internal/hooks/1")
    with pytest.raises(UsageError, match="PACKMILL_HOOKS"):
        check_address(listed, "https://10.0.0.1/")


def test_a_database_of_an_earlier_version_gets_the_new_columns(tmp_path: Path) -> None:
    file = tmp_path / "rows.sqlite3"
    database = Database(sqlite_url(file))
    at = {"created_at": 0.0, "updated_at": 0.0}
    row = {"sha": "0", "ref": "main", "tag": False, "source": "api", "status": "failed", "user": "ada", "variables": []}
    with database.transaction() as connection:
        connection.execute(sa.insert(pipelines).values(**row, **at))
    database.close()
    with sqlite3.connect(file) as plain:
        for table in ("pipelines", "jobs"):
            plain.execute(f"ALTER TABLE {table} DROP COLUMN announced")
    plain.close()

    again = Database(sqlite_url(file))
    with again.connection() as connection:
        assert [one["announced"] for one in rows(connection, sa.select(pipelines))] == ["failed"]
        assert rows(connection, sa.select(jobs)) == []
    again.close()


def test_a_token_is_never_sent_to_the_address_that_the_hook_had_before(hooks: Hooks) -> None:
    """A delivery reads the address from the database, and the token from a file that a change has replaced."""
    number = hooks.create(url="https://first.example/", token="of the first", events=[PIPELINE], verify=True)
    assert number is not None
    read_before = hooks.get(number)
    assert read_before is not None

    hooks.update(number, url="https://second.example/", token="of the second", events={})

    with pytest.raises(UsageError, match="no longer stored"):
        hooks.secrets(read_before)
    now = hooks.get(number)
    assert now is not None
    assert hooks.secrets(now) == ("https://second.example/", "of the second")


def test_a_change_of_a_hook_keeps_what_another_one_changed(hooks: Hooks) -> None:
    number = hooks.create(url="https://first.example/", token="of the first", events=[PIPELINE], verify=True)
    assert number is not None

    hooks.update(number, url="https://second.example/", token=None, events={JOB: True})
    hooks.update(number, url=None, token="of the second", events={PIPELINE: False}, verify=False)

    now = hooks.get(number)
    assert now is not None
    assert (now["events"], now["verify"]) == ([JOB], False)
    assert hooks.secrets(now) == ("https://second.example/", "of the second")


def test_a_hook_or_a_schedule_that_was_deleted_meanwhile_leaves_no_secret(hooks: Hooks, tmp_path: Path) -> None:
    number = hooks.create(url="https://first.example/", token="of the first", events=[PIPELINE], verify=True)
    assert number is not None
    hooks.delete(number)

    hooks.update(number, url="https://second.example/", token="of the second", events={})
    with hooks._database.transaction() as connection:
        hooks.replace_notification(connection, 7, url="https://second.example/", token="of the second")

    assert hooks.notifications(schedule=7) == []
    assert list((tmp_path / "hooks").iterdir()) == []


def test_a_test_of_a_hook_that_is_deleted_meanwhile_is_not_found(
    hooks: Hooks, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hooks.create(url="http://example.org/", token="", events=[PIPELINE], verify=True)
    assert hook is not None
    with hooks._database.transaction() as connection:
        times = {"created_at": 0.0, "updated_at": 0.0}
        values = {"sha": "a", "ref": "main", "tag": False, "source": "api", "user": "ada", "variables": []}
        connection.execute(sa.insert(pipelines).values(id=1, status="success", **times, **values))
    stored = Pipelines(hooks._database, HiddenValues(project))
    monkeypatch.setattr(stored, "jobs_of", lambda _: [hooks.delete(hook)] and [_JOB])
    here = SimpleNamespace(hooks=hooks, pipelines=stored, dispatcher=None)
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(context=here)))

    with pytest.raises(HttpError) as refused:
        send_test(request, hook, PIPELINE)
    assert refused.value.status == 404


def test_hooks_of_the_project_do_not_wait_for_notifications_of_runs(hooks: Hooks) -> None:
    """Every token that may start a pipeline can name a slow address with it."""
    with hooks._database.transaction() as connection:
        for pipeline in (1, 2):
            hooks.add_notification(connection, url="https://slow.example/", token="", pipeline=pipeline)
    own = hooks.create(url="https://own.example/", token="", events=[PIPELINE], verify=True)
    assert own is not None
    for hook in (2, 1, own):
        hooks.add_delivery(hook, PIPELINE, _happened())

    assert [hook for hook, _ in hooks.due()] == [own, 2, 1]


def test_events_of_a_pipeline_that_is_retried_do_not_fill_the_disk_and_are_sent_whole(
    hooks: Hooks, project: Path, tmp_path: Path
) -> None:
    """A token of the role `run` retries and cancels a pipeline without end; each time, its notification is stored."""
    stored = Pipelines(hooks._database, HiddenValues(tmp_path / "values"))
    variables = [{"key": f"V{number}", "value": f"{number}" * 100_000, "variable_type": "env_var"} for number in (1, 2)]
    number = _create(stored, variables)
    with hooks._database.transaction() as connection:
        hooks.add_notification(connection, url="https://slow.example/", token="", pipeline=number)

    for _ in range(20):
        stored.cancel(number)
        stored.retry_pipeline(number)

    with hooks._database.connection() as connection:
        sizes = [len(json.dumps(one["happened"])) for one in rows(connection, sa.select(deliveries))]
    assert len(sizes) == 20
    assert sum(sizes) < 40_000
    assert sizes[-1] - sizes[0] < 100, "attempts before the current one are not repeated"
    dispatcher = _dispatcher(hooks, project)
    sent = replace(dispatcher.payloads, variables_of=stored.variables_of)
    happened = hooks.delivery(1)["happened"]  # type: ignore[index]
    expected = [{"key": one["key"], "value": one["value"]} for one in variables]
    assert sent.body(RUN, happened)["object_attributes"]["variables"] == expected
    stored.delete(number)
    assert sent.body(RUN, happened)["object_attributes"]["variables"] == []


def test_a_notification_keeps_its_latest_ended_deliveries_and_a_hook_of_the_project_all(hooks: Hooks) -> None:
    with hooks._database.transaction() as connection:
        hooks.add_notification(connection, url="https://slow.example/", token="", schedule=1)
    own = hooks.create(url="https://own.example/", token="", events=[PIPELINE], verify=True)
    assert own is not None
    numbers = {hook: [hooks.add_delivery(hook, RUN, {}, pending=False) for _ in range(102)] for hook in (1, own)}
    waiting = hooks.add_delivery(1, RUN, {})

    hooks.remove_old()

    with hooks._database.connection() as connection:
        left = set(connection.execute(sa.select(deliveries.c.id)).scalars())
    assert left == {*numbers[1][2:], *numbers[own], waiting}


def test_an_event_keeps_short_variables_itself(hooks: Hooks, tmp_path: Path) -> None:
    stored = Pipelines(hooks._database, HiddenValues(tmp_path / "values"))
    given = [{"key": "INPUT", "value": "x" * 5000, "variable_type": "env_var"}]
    pipeline = stored.get(_create(stored, given))
    assert pipeline is not None

    assert snapshot(pipeline, [], job=None)["pipeline"]["variables"] == given


def _create(stored: Pipelines, variables: list[dict[str, Any]]) -> int:
    job = Job(
        name="run", stage="run", script=(), rules=(), when="on_success", timeout=60.0, variables={},
        allow_failure=False, artifacts=Artifacts(),
    )  # fmt: skip
    return stored.create(
        Revision(ref="main", sha="a", tag=False),
        [(job, "on_success")],
        stages=("run",),
        source="trigger",
        user=Identity(id=1, name="ada", scopes=frozenset()),
        variables=variables,
        name=None,
    )


def test_a_late_notification_has_the_reason_of_its_own_moment(hooks: Hooks, project: Path, tmp_path: Path) -> None:
    """The job was retried meanwhile: a failure would have no reason, and a success that of a later failure."""
    stored = Pipelines(hooks._database, HiddenValues(tmp_path / "values"))
    described = partial(describe_run, stored, DataFolder(tmp_path))
    checkout = Project(project, number=1, path="ada/toy", timeout=60.0, snapshots=tmp_path / "snapshots")
    payloads = Payloads(project=checkout, address="http://ci", commit_of=lambda _: None, describe_run=described)
    number = _create(stored, [])
    events = []
    for status, reason in (("failed", "first"), ("success", None), ("failed", "last")):
        job = stored.jobs_of(number)[-1]["id"]
        ended = {"status": status, "reason": reason, "failure_reason": "script_failure" if reason else None}
        stored.update_job(job, {**ended, "finished_at": 3.0})
        pipeline = stored.get(number)
        assert pipeline is not None
        events.append(snapshot(pipeline, stored.jobs_of(number), job=None))
        stored.retry(job)

    assert [payloads.body(RUN, one)["run"]["reason"] for one in events] == ["first", None, "last"]
