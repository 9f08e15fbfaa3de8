"""Requests whose work grows with what notebooks write: it is done in threads, so that others are answered meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from server_parts import Server, server_parts

from generator.runner.server.papermill_api import responses
from generator.runner.server.runs import folder as run_folders


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with server_parts(tmp_path) as parts:
        yield parts


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
