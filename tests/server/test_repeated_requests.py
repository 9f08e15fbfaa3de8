"""Requests that a client or a proxy repeats, because the answer to the first one was lost or asked for it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from server_parts import Server, server_parts

from generator.runner.server import durability
from generator.runner.server.ogc import jobs
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id
from generator.runner.server.runs.store import RunFilter, StoreUnavailableError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_parts(tmp_path) as parts:
        yield parts


def running(server: Server) -> str:
    """The id of a run that a worker has begun."""
    store = server.context.store
    run = store.add(NewRun(process="double.ipynb"), run_id=new_run_id(), queue_limit=9)
    assert store.claim("worker") == store.get(run.id)
    server.context.folder(run.id).output.mkdir(parents=True)
    return run.id


def end_at_dismissal(server: Server, state: RunState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the worker of a dismissed run end it so."""
    store = server.context.store
    dismiss: Callable[[str], Run] = store.dismiss

    def dismiss_and_end(run_id: str) -> Run:
        run = dismiss(run_id)
        store.finish(run_id, Outcome(state=state))
        return run

    monkeypatch.setattr(store, "dismiss", dismiss_and_end)


@pytest.mark.parametrize(("state", "status"), [(RunState.DISMISSED, "dismissed"), (RunState.SUCCEEDED, "successful")])
def test_a_repeated_dismissal_removes_nothing_and_reports_how_the_job_ended(
    state: RunState, status: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that collects its outputs is not interrupted any more."""
    run_id = running(server)
    end_at_dismissal(server, state, monkeypatch)

    for _ in range(2):
        answer = server.ask("DELETE", f"/ogc/jobs/{run_id}")
        assert (answer.status, answer.document["status"]) == (200, status)

    assert server.context.store.get(run_id).state is state
    assert server.context.folder(run_id).output.is_dir()


def test_a_job_that_goes_on_after_its_dismissal_is_reported_as_running(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_DISMISS_TIMEOUT", 0.01)

    assert server.ask("DELETE", f"/ogc/jobs/{running(server)}").document["status"] == "running"


def test_a_dismissal_after_a_while_removes_the_job(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = running(server)
    end_at_dismissal(server, RunState.DISMISSED, monkeypatch)
    server.ask("DELETE", f"/ogc/jobs/{run_id}")
    monkeypatch.setattr(jobs, "_REPEATED", timedelta(0))

    assert server.ask("DELETE", f"/ogc/jobs/{run_id}").document["status"] == "dismissed"
    assert not server.context.folder(run_id).path.exists()


def fail_to_sync(monkeypatch: pytest.MonkeyPatch, *, times: int = 1000, before: Callable[[], object] = bool) -> None:
    """Let files of requests not reach the disk, because the server has too many open."""
    failures = iter(range(times))

    def sync_request(_folder: RunFolder) -> None:
        before()
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(RunFolder, "sync_request", sync_request)
    monkeypatch.setattr(durability, "_PAUSE", 0.01)
    monkeypatch.setattr(durability, "_PATIENCE", 60 if times < 1000 else 0.05)


def start(server: Server, **options: Any) -> tuple[int, Run]:
    """The status of a request that starts a run, and the run."""
    status, _ = server.ask("POST", "/runs", body={"notebook": "double.ipynb", "parameters": {"x": 1}}, **options)
    return status, server.context.store.list(RunFilter(limit=1))[0]


def test_a_run_is_saved_again_if_files_are_short_for_a_moment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_sync(monkeypatch, times=2)

    status, run = start(server)

    assert (status, run.state) == (202, RunState.QUEUED)


def test_a_run_that_is_refused_because_it_cannot_be_saved_does_not_begin(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client repeats the request, as Retry-After advises."""
    fail_to_sync(monkeypatch)

    status, run = start(server)

    assert (status, run.state) == (503, RunState.DISMISSED)
    assert not server.context.folder(run.id).inputs_file.exists(), "it may hold secrets"


def test_a_run_with_a_key_waits_for_the_repeated_request(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the run of an earlier request, which was accepted."""
    fail_to_sync(monkeypatch)

    statuses = [start(server, headers={"idempotency-key": "1"}) for _ in range(2)]

    assert [(status, run.state) for status, run in statuses] == [(503, RunState.QUEUED)] * 2
    assert len({run.id for _, run in statuses}) == 1


def test_a_run_that_has_begun_is_accepted_though_it_cannot_be_saved(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_to_sync(monkeypatch, before=lambda: server.context.store.claim("worker"))

    status, run = start(server)

    assert (status, run.state) == (202, RunState.RUNNING)
    assert "a power loss may forget it" in caplog.text


def test_a_schedule_is_created_once_though_the_database_fails_after_it_was_stored(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that gets 503 creates a second one, which runs for good."""

    def fail(_: RunFilter) -> NoReturn:
        raise StoreUnavailableError

    monkeypatch.setattr(server.context.store, "list", fail)

    answer = server.ask("POST", "/schedules", body={"notebook": "double.ipynb", "cron": "0 * * * *"})

    assert answer.status == 201
    assert answer.document["runs"] == []
    assert [one.id for one in server.context.schedules.list()] == [answer.document["id"]]
