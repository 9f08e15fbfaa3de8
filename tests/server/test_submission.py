"""Submissions to a database that fails."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import zipfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest

from generator.notebook.interface import Interface
from generator.runner.server import durability as durability_module
from generator.runner.server.context import Context, Limits
from generator.runner.server.durability import Durability
from generator.runner.server.ogc.execution import _submit
from generator.runner.server.ogc.kept_requests import keep_request
from generator.runner.server.ogc.request import ExecuteRequest, ResultsRequest
from generator.runner.server.runs.folder import RunFolder, run_folder
from generator.runner.server.runs.model import new_run_id
from generator.runner.server.runs.store import StoreUnavailableError
from generator.runner.server.submission import Submission, _store, submit
from generator.runner.server.values.caller_files import NewFile, ReadValues


class FailingStore:
    def __init__(self, *, blocking: bool) -> None:
        self.blocking = blocking

    def add(self, *_: object, **__: object) -> NoReturn:
        raise StoreUnavailableError


@pytest.mark.parametrize("blocking", [True, False])
def test_a_run_keeps_its_values_if_a_network_may_have_lost_the_answer(tmp_path: Path, blocking: bool) -> None:
    """The row may be stored, and a worker may take the run; if not, its folder is removed as one without a row."""
    run_id = new_run_id()
    context = SimpleNamespace(
        store=FailingStore(blocking=blocking), limits=Limits(), folder=lambda one: run_folder(tmp_path, one)
    )
    submission = Submission(notebook=cast("Any", SimpleNamespace(path="a.ipynb")), inputs={}, run_id=run_id)

    with pytest.raises(StoreUnavailableError):
        _store(cast("Context", context), submission, cast("Any", SimpleNamespace(files={}, inputs={"x": 1})), [])

    assert run_folder(tmp_path, run_id).inputs_file.exists() == blocking


def test_an_execute_request_keeps_its_values_if_a_network_may_have_lost_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run_id()
    store = FailingStore(blocking=True)
    context = cast("Any", SimpleNamespace)(
        store=store,
        limits=Limits(),
        draining=False,
        folder=lambda one: run_folder(tmp_path, one),
        stored=partial(Context.stored, cast("Context", SimpleNamespace(store=store))),
    )
    monkeypatch.setattr("generator.runner.server.submission.check", lambda *_, **__: ReadValues(inputs={"x": 1}))
    notebook = SimpleNamespace(path="a.ipynb", interface=Interface())
    submission = Submission(notebook=cast("Any", notebook), inputs={}, run_id=run_id)
    request = ExecuteRequest(inputs={}, results=ResultsRequest())

    with pytest.raises(StoreUnavailableError):
        asyncio.run(_submit(context, submission, request, caller=None))

    assert run_folder(tmp_path, run_id).inputs_file.exists()


def test_others_are_answered_while_an_archive_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SQLite, whose rows are written in the event loop, as well."""
    run_id = new_run_id()
    store = SimpleNamespace(blocking=False, add=lambda *_, run_id, **__: SimpleNamespace(id=run_id))
    context = cast("Any", SimpleNamespace)(
        store=store,
        limits=Limits(),
        draining=False,
        folder=lambda one: run_folder(tmp_path, one),
        stored=partial(Context.stored, cast("Context", SimpleNamespace(store=store))),
        wake=lambda: None,
    )
    uploads = run_folder(tmp_path, run_id).uploads
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(2000):
            archive.writestr(str(number), "")
    read = ReadValues(files={uploads / "a": NewFile(uploads / "a", packed.getvalue(), archive=True)})
    monkeypatch.setattr("generator.runner.server.submission.check", lambda *_, **__: read)
    submission = Submission(notebook=cast("Any", SimpleNamespace(path="a.ipynb")), inputs={}, run_id=run_id)

    async def count_answers() -> int:
        run = asyncio.create_task(submit(context, submission, caller=None))
        answers = 0
        while not run.done():
            await asyncio.sleep(0.001)
            answers += 1
        await run
        return answers

    assert asyncio.run(count_answers()) > 10
    assert len(list((uploads / "a").iterdir())) == 2000


@pytest.mark.parametrize(
    ("error", "raised"),
    [(RuntimeError("can't start new thread"), StoreUnavailableError), (LookupError("unexpected"), LookupError)],
)
def test_a_run_that_cannot_be_saved_keeps_no_request_waiting(
    error: Exception, raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook can use all processes of the machine, and threads count as such."""
    folder = run_folder(tmp_path, new_run_id())
    folder.create()

    async def fail(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(durability_module, "_PATIENCE", 0)

    async def save() -> None:
        durability = Durability(lambda: None)
        with monkeypatch.context() as patched:
            patched.setattr(asyncio, "to_thread", fail)
            with pytest.raises(raised):
                await asyncio.wait_for(durability.save(folder), 5)
        await asyncio.wait_for(durability.save(folder), 5)

    asyncio.run(save())


def test_the_disk_fails_for_one_run_and_not_for_those_that_wait_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = (run_folder(tmp_path, new_run_id()) for _ in range(2))
    failures = iter([OSError(errno.EIO, "broken"), None])

    def sync_request(folder: RunFolder) -> None:
        error = next(failures) if folder == bad else None
        if error:
            raise error

    monkeypatch.setattr(RunFolder, "sync_request", sync_request)

    async def save() -> list[BaseException | None]:
        durability = Durability(lambda: None)
        return await asyncio.gather(*map(durability.save, (bad, good)), return_exceptions=True)

    problem, saved = asyncio.run(save())
    assert isinstance(problem, StoreUnavailableError), "a second fsync can succeed without the data"
    assert saved is None


def test_all_that_a_request_brought_is_on_the_disk_before_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run_folder(tmp_path, new_run_id())
    folder.create()
    folder.uploads.mkdir()
    (folder.uploads / "a.txt").touch()
    folder.write_source("a.ipynb", b"{}")
    folder.write_inputs({})
    folder.write_fingerprint("1")
    keep_request(folder, ResultsRequest(response="raw"))
    synced: set[str] = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.readlink(f"/proc/self/fd/{descriptor}")))

    asyncio.run(Durability(lambda: None).save(folder))

    assert synced >= {str(path) for path in (folder.path, *folder.path.rglob("*"))}
