"""Runs over HTTP: start, follow, read, dismiss, and what survives the end of the server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from notebook_server import NotebookServer, write_notebooks
from support import here, write_notebook
from waiting import wait_until

from generator.runner.server import events as events_module
from generator.runner.server.events import RunEvents
from generator.runner.server.operation.shutdown import end_runs
from generator.runner.server.runs.model import Run, RunState
from generator.runner.server.runs.store import StoreUnavailableError


def test_a_run_is_accepted_with_its_address(server: NotebookServer) -> None:
    answer = server.ask("POST", "/runs", json={"notebook": "double.ipynb", "parameters": {"x": 21}})

    assert answer.status_code == 202
    run = answer.json()["id"]
    assert answer.headers["Location"] == f"/runs/{run}"
    assert server.wait_for(run)["state"] == "succeeded"
    assert server.get(f"/runs/{run}/result")["scraps"] == {"y": 42}
    assert server.get(f"/runs/{run}/notebook")["cells"][-1]["outputs"][-1]["text"] in ("21\n", ["21\n"])


@pytest.mark.parametrize("headers", [{"Prefer": "wait=60"}, {"Prefer": "respond-async, wait=60"}])
def test_a_run_that_ends_in_time_is_answered_with_its_result(server: NotebookServer, headers: dict[str, str]) -> None:
    answer = server.ask("POST", "/runs", json={"notebook": "double.ipynb"}, headers=headers)

    assert answer.status_code == 200
    result = answer.json()
    assert result["scraps"] == {"y": 2}
    assert result["state"] == "succeeded"
    assert result["run"]["state"] == "succeeded"


def test_a_failed_cell_is_named_and_the_notebook_kept(server: NotebookServer) -> None:
    result = server.run("fails.ipynb")

    assert (result["state"], result["reason"]) == ("failed", "cell-error")
    assert "cell 3 failed: ZeroDivisionError" in result["error"]
    assert server.get(f"/runs/{result['run']['id']}/notebook")["cells"]


def test_outputs_are_files_of_the_run(server: NotebookServer) -> None:
    result = server.run("deep/files.ipynb", name="b.txt")
    address = next(one["href"] for one in result["outputs"] if one["path"] == "b.txt")

    assert server.ask("GET", address).text == "written"
    assert server.ask("GET", f"/runs/{result['run']['id']}/outputs/..%2F..%2Fruns.sqlite").status_code == 404
    assert server.ask("GET", f"/runs/{result['run']['id']}/outputs/missing").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "what"),
    [
        ({"notebook": "double.ipynb", "parameters": {"x": "five", "z": 1}}, 400, "x is 'five', but an int is needed"),
        ({"notebook": "missing.ipynb"}, 404, "not found"),
        ({"notebook": "../root/double.ipynb"}, 404, "not found"),
        ({"parameters": {}}, 400, "'notebook' is missing"),
        ({"notebook": "double.ipynb", "parameters": [1]}, 400, "'parameters' is not an object"),
        ([], 400, "not a JSON object"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_run(
    server: NotebookServer, body: object, status: int, what: str
) -> None:
    answer = server.ask("POST", "/runs", json=body)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert what in answer.text


def test_events_tell_each_cell_and_the_end(server: NotebookServer) -> None:
    events = list(server.events(server.begin("slow.ipynb", seconds=0.5)))

    assert [entity["cell"] for kind, entity in events if kind == "cell"][-1] == 4
    assert events[-1][0] == "ended"
    assert events[-1][1]["state"] == "succeeded"


def _run(state: RunState) -> Run:
    created = datetime.now(timezone.utc)
    return Run(id="a", process="a.ipynb", owner="", protocol="runs", options={}, state=state, created=created)


def test_the_progress_of_a_run_whose_worker_died_is_forgotten() -> None:
    events = RunEvents(lambda run_id: pytest.fail(f"{run_id} is not read"))
    lost = _run(RunState.RUNNING)

    events.take({"cell": "a", "number": 2, "of": 3})
    assert events.progress(lost) == (2, 3)
    events.publish_end("a")
    assert events.progress(lost) == (0, 0)


def test_a_database_that_is_unavailable_for_a_while_ends_no_request_that_waits_for_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events_module, "_POLL", 0.01)
    answers = iter([_run(RunState.RUNNING), None, None, *[_run(RunState.SUCCEEDED)] * 2])

    async def find(_: str) -> Run:
        if (found := next(answers)) is None:
            raise StoreUnavailableError("no answer")
        return found

    assert asyncio.run(RunEvents(find).wait(_run(RunState.QUEUED), 60)).state is RunState.SUCCEEDED


async def _find_nothing(_: str) -> Run:
    raise StoreUnavailableError("no answer")


def test_a_wait_that_ends_while_the_database_is_unavailable_has_the_accepted_run() -> None:
    """The answer is 202 with its address: after 503, the client would start the run again."""
    accepted = _run(RunState.QUEUED)
    assert asyncio.run(RunEvents(_find_nothing).wait(accepted, 0.01)) is accepted


def test_a_server_that_stops_without_its_database_lets_runs_end_before_requests() -> None:
    """A signal that hurries counts as well (`WorkerPool.stop`)."""
    events = RunEvents(_find_nothing)
    answered: list[str] = []

    class Workers:
        busy = 1

        async def stop(self, *_: object, **__: object) -> None:
            answered.append("runs")

    async def stop() -> None:
        context: Any = SimpleNamespace(events=events, workers=Workers(), draining=False)
        waiting = asyncio.create_task(events.wait(_run(RunState.RUNNING), None))
        waiting.add_done_callback(lambda _: answered.append("request"))
        await asyncio.sleep(0)
        await end_runs(context, 1, asyncio.Event())
        await asyncio.wait_for(waiting, 5)

    asyncio.run(stop())
    assert answered == ["runs", "request"]


def test_a_running_run_is_dismissed(server: NotebookServer) -> None:
    run = server.begin("slow.ipynb")
    wait_until(lambda: server.get(f"/runs/{run}")["cell"] == 3, message="the run sleeps")

    assert server.ask("DELETE", f"/runs/{run}").status_code == 200
    ended = server.wait_for(run, seconds=20)
    assert (ended["state"], ended["reason"]) == ("dismissed", "dismissed")
    assert server.run("double.ipynb", x=2)["scraps"] == {"y": 4}


def test_the_second_run_of_an_idempotency_key_is_the_first(server: NotebookServer) -> None:
    ids = {
        server.ask("POST", "/runs", json={"notebook": "double.ipynb"}, headers={"Idempotency-Key": "once"}).headers[
            "Location"
        ]
        for _ in range(3)
    }

    assert len(ids) == 1


def test_runs_are_listed_by_state_and_page(server: NotebookServer) -> None:
    for _ in range(3):
        server.run("double.ipynb")
    first = server.ask("GET", "/runs", params={"state": "succeeded", "notebook": "double.ipynb", "limit": 2})
    following = server.ask("GET", first.headers["Link"].split(">")[0].lstrip("<"))

    listed = [run["id"] for answer in (first, following) for run in answer.json()["runs"]]
    assert len(first.json()["runs"]) == 2
    assert listed == sorted(listed, reverse=True)
    assert len(set(listed)) == len(listed)


def test_a_full_queue_answers_503(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1", "--queue", "1").start()
    try:
        running = server.begin("slow.ipynb")
        server.wait_for(running, "running")
        server.begin("double.ipynb")
        refused = server.ask("POST", "/runs", json={"notebook": "double.ipynb"})
        server.ask("DELETE", f"/runs/{running}")
    finally:
        server.stop()

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1


def test_a_killed_server_loses_no_run(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1").start()
    running, *waiting = [server.begin("slow.ipynb", seconds=1) for _ in range(3)]
    server.wait_for(running, "running")
    server.stop(signal.SIGKILL)
    server.start()
    try:
        states = [server.wait_for(run)["state"] for run in (running, *waiting)]
    finally:
        code = server.stop()

    assert states == ["succeeded"] * 3
    assert code == 0


def test_a_shutdown_interrupts_runs_that_take_too_long_and_saves_their_notebooks(tmp_path: Path) -> None:
    write_notebooks(tmp_path / "root")
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--shutdown-timeout", "0.2").start()
    run = server.begin("slow.ipynb")
    wait_until(lambda: server.get(f"/runs/{run}")["cell"] == 3, message="the run sleeps")
    server.stop()
    server.start()
    try:
        ended = server.wait_for(run)
        executed = server.get(f"/runs/{run}/notebook")
    finally:
        server.stop()

    assert (ended["state"], ended["reason"]) == ("failed", "interrupted")
    assert executed["cells"][1]["execution_count"] is not None


def test_data_below_the_served_folder_is_neither_served_nor_copied_into_runs(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "list.ipynb", "x = 1", "import os\nfrom packmill import glue\nglue('files', os.listdir())"
    )
    server = NotebookServer(tmp_path, tmp_path / "packmill-data").start()
    try:
        first, second = [server.run("list.ipynb") for _ in range(2)]
        served = [one["path"] for one in server.get("/notebooks")["notebooks"]]
        executed = next((tmp_path / "packmill-data").glob(f"runs/*/{first['run']['id']}/output/list.ipynb"))
        answer = server.ask("POST", "/runs", json={"notebook": str(executed.relative_to(tmp_path))})
    finally:
        server.stop()

    assert served == ["list.ipynb"]
    assert "packmill-data" not in second["scraps"]["files"]
    assert answer.status_code == 404


def test_data_that_contain_the_served_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    command = [sys.executable, "-m", "generator.runner", "serve", "--root", "root", "--data", "."]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(here.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "contains the notebooks" in done.stderr


def test_warnings_of_the_runner_are_in_the_note(server: NotebookServer) -> None:
    write_notebook(server.root / "elsewhere.ipynb", "x = 1", "x", kernel="python-of-elsewhere")

    assert "'python-of-elsewhere': not found" in server.run("elsewhere.ipynb")["run"]["note"]
