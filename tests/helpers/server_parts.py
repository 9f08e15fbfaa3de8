"""The parts of a server without its workers, for requests that need none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from notebook_server import write_notebooks

from generator.runner.server.access import Access
from generator.runner.server.app import application
from generator.runner.server.catalogue import Catalogue
from generator.runner.server.context import Context, Limits
from generator.runner.server.events import RunEvents
from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.schedules.sqlite import SqliteScheduleStore
from generator.runner.server.storage import NotebookStorage
from generator.runner.server.tokens.store import TokenStore
from generator.runner.template_store import TemplateStore


class Answer(NamedTuple):
    """The status and the body of an answer."""

    status: int
    body: bytes

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Server:
    """A server's parts without its workers, with a run that has ended."""

    context: Context
    run: Run

    def ask(
        self,
        method: str,
        path: str,
        query: str = "",
        *,
        body: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Answer:
        """Send a request; ``meanwhile`` is called when one half of its body has arrived, before the other one."""
        app: Any = application(self.context, lambda _: pytest.fail("no worker starts"), shutdown_timeout=0)
        path = path.format(run=self.run.id)
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": ""}
        kind = b"text/html" if path.endswith("/again") else b"application/json"
        known = {"host": b"localhost", "accept": kind, "content-type": b"application/json"}
        given = {name.lower(): value.encode() for name, value in (headers or {}).items()}
        sent_headers = [(name.encode(), value) for name, value in (known | given).items()]
        scope |= {
            "query_string": query.encode(),
            "headers": sent_headers,
            "scheme": "http",
            "server": ("localhost", 80),
        }
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        half = len(content) // 2
        halves, sent = [content[half:], content[:half]], list[dict[str, Any]]()

        async def receive() -> dict[str, Any]:
            if not halves:
                await asyncio.Event().wait()  # the client stays
            if len(halves) == 1:
                meanwhile()
            return {"type": "http.request", "body": halves.pop(), "more_body": bool(halves)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(app({**scope, "client": ("127.0.0.1", 1)}, receive, send))
        return Answer(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]))


@contextmanager
def server_parts(folder: Path) -> Iterator[Server]:
    """Return a server's parts in a folder."""
    write_notebooks(folder / "root")
    data = folder / "data"
    data.mkdir()
    store = SqliteRunStore(data)
    run = store.add(NewRun(process="double.ipynb"), run_id=new_run_id(), queue_limit=9)
    store.claim("worker")
    store.finish(run.id, Outcome(state=RunState.SUCCEEDED))
    context = Context(
        catalogue=Catalogue(folder / "root"),
        store=store,
        schedules=SqliteScheduleStore(data),
        events=RunEvents(store.get),  # type: ignore[arg-type]
        access=Access(TokenStore(data), loopback=True),
        data=data,
        storage=NotebookStorage(root=data / "notebooks"),
        templates=TemplateStore(data / "templates.sqlite"),
        limits=Limits(),
    )
    context.events = RunEvents(partial(context.stored, store.get))
    output = context.folder(run.id).output
    output.mkdir(parents=True)
    (output / "a.ipynb").write_text("{}")
    (output / "result.json").write_text(json.dumps({"notebook": "a.ipynb"}))
    (output.parent / "cwl.output.json").write_text(json.dumps({"a": {"class": "File", "path": "output/a.ipynb"}}))
    yield Server(context, store.get(run.id))
    store.close()
