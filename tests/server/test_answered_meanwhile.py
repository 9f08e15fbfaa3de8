"""Requests whose work grows with what notebooks write: it is done in threads, so that others are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from notebook_server import write_notebooks

from generator.runner.server.access import Access
from generator.runner.server.app import application
from generator.runner.server.catalogue import Catalogue
from generator.runner.server.context import Context, Limits
from generator.runner.server.events import RunEvents
from generator.runner.server.papermill_api import responses
from generator.runner.server.runs import folder as run_folders
from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.schedules.sqlite import SqliteScheduleStore
from generator.runner.server.storage import NotebookStorage
from generator.runner.server.tokens.store import TokenStore
from generator.runner.template_store import TemplateStore


@dataclass
class Server:
    """A server's parts without its workers, with a run that has ended."""

    context: Context
    run: Run

    def ask(self, method: str, path: str, query: str = "") -> tuple[int, bytes]:
        """The status and the body of an answer."""
        app: Any = application(self.context, lambda _: pytest.fail("no worker starts"), shutdown_timeout=0)
        path = path.format(run=self.run.id)
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
        kind = b"text/html" if path.endswith("/again") else b"application/json"
        headers = [(b"host", b"localhost"), (b"accept", kind)]
        scope |= {"query_string": query.encode(), "headers": headers, "scheme": "http", "server": ("localhost", 80)}
        bodies, sent = [b""], list[dict[str, Any]]()

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()  # the client stays
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(app({**scope, "client": ("127.0.0.1", 1)}, receive, send))
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    write_notebooks(tmp_path / "root")
    data = tmp_path / "data"
    data.mkdir()
    store = SqliteRunStore(data)
    run = store.add(NewRun(process="double.ipynb"), run_id=new_run_id(), queue_limit=9)
    store.claim("worker")
    store.finish(run.id, Outcome(state=RunState.SUCCEEDED))
    context = Context(
        catalogue=Catalogue(tmp_path / "root"),
        store=store,
        schedules=SqliteScheduleStore(data),
        events=RunEvents(store.get),  # type: ignore[arg-type]
        access=Access(TokenStore(data), loopback=True),
        data=data,
        storage=NotebookStorage(root=data / "notebooks"),
        templates=TemplateStore(data / "templates.sqlite"),
        limits=Limits(),
    )
    folder = context.folder(run.id)
    folder.output.mkdir(parents=True)
    (folder.output / "a.ipynb").write_text("{}")
    (folder.output / "result.json").write_text(json.dumps({"notebook": "a.ipynb"}))
    (folder.path / "cwl.output.json").write_text(json.dumps({"a": {"class": "File", "path": "output/a.ipynb"}}))
    yield Server(context, store.get(run.id))
    store.close()


def note_loops(call: Callable[..., Any], noted: list[bool]) -> Callable[..., Any]:
    """A function that notes whether the event loop waits for it."""

    def noting(*arguments: Any, **named: Any) -> Any:
        try:
            asyncio.get_running_loop()
            noted.append(True)
        except RuntimeError:
            noted.append(False)
        return call(*arguments, **named)

    return noting


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ogc/jobs/{run}/results"),
        ("GET", "/ogc/jobs/{run}/results/a"),
        ("DELETE", "/ogc/jobs/{run}"),
        ("GET", "/ogc/jobs"),
        ("GET", "/runs/{run}/result"),
        ("GET", "/runs/{run}/again"),
    ],
)
def test_what_grows_with_results_and_runs_is_done_in_a_thread(
    method: str, path: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[bool] = []
    for name in ("open_regular_file", "remove_tree"):
        monkeypatch.setattr(run_folders, name, note_loops(getattr(run_folders, name), noted))
    monkeypatch.setattr(server.context.store, "list", note_loops(server.context.store.list, noted))

    status, body = server.ask(method, path, "minDuration=1000000000" if path.endswith("/jobs") else "")

    assert status == 200, body
    assert noted
    assert not any(noted)


def test_a_notebook_that_is_too_large_for_an_answer_has_an_address(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = responses.respond(server.context, server.run, return_notebook=True)
    assert json.loads(bytes(answer.body)) == {"result": {}, "notebook": {}}

    monkeypatch.setattr(responses, "_LARGEST_NOTEBOOK", 1)
    with pytest.raises(responses.ProblemError, match="422: the executed notebook has more than 1 bytes") as raised:
        responses.respond(server.context, server.run, return_notebook=True)
    assert raised.value.members["notebook"] == f"/runs/{server.run.id}/notebook"
