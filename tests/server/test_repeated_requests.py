"""Requests that a client or a proxy repeats, because the answer to the first one was lost or asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from server_parts import Server, server_parts

from generator.runner.server.ogc import jobs
from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id


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
