"""A connection that breaks at any statement of a change, or at its end: nothing is half-done, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import sqlalchemy as sa
from fastapi import Response

from generator.service.api import hooks as api_hooks
from generator.service.api import pipelines as api_pipelines
from generator.service.api import schedules as api_schedules
from generator.service.pages import maps
from generator.service.project.project import Revision
from generator.service.store.database import Database, jobs, pipelines, rows, sqlite_url
from generator.service.store.hidden_values import HiddenValues
from generator.service.store.hook_tables import hooks as hook_rows
from generator.service.store.hooks import Hooks
from generator.service.store.outbox import PIPELINE
from generator.service.store.pipelines import Pipelines
from generator.service.store.schedule_tables import schedules as schedule_rows
from generator.service.store.schedules import Schedules
from generator.service.store.tokens import Identity

_HOURLY = {"description": "hourly", "ref": "main", "cron": "0 * * * *", "cron_timezone": "UTC", "active": True}
_ADA = Identity(id=1, name="ada", scopes=frozenset(("api", "trigger")))
_OWNER = {"user": "ada", "user_id": 1}
_AT = {"created_at": 0.0, "updated_at": 0.0}
_RUN = {"sha": "a", "ref": "main", "tag": False, "source": "api", "user": "ada", "status": "running", **_AT}


def _secret(value: str) -> dict[str, Any]:
    return {"key": "API_TOKEN", "value": value, "variable_type": "env_var"}


class BrokenConnectionError(Exception):
    """The connection is gone."""


@dataclass
class Stored:
    """A service's rows, with a hook, a schedule and a pipeline whose secrets are files."""

    folder: Path
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.database = Database(sqlite_url(self.folder / "rows.sqlite3"))
        self.hooks = Hooks(self.database, HiddenValues(self.folder / "hooks"))
        self.schedules = Schedules(self.database, HiddenValues(self.folder / "schedules"))
        self.pipelines = Pipelines(self.database, HiddenValues(self.folder / "values"))
        assert self.hooks.create(url="https://first.example/", token="the-first-token", events=[PIPELINE], verify=True)
        assert self.schedules.create([_secret("the-first-value")], **_HOURLY, **_OWNER)
        with self.database.transaction() as connection:
            masked = self.pipelines.hidden.keep(1, [_secret("the-first-value")])
            connection.execute(sa.insert(pipelines).values(id=1, variables=masked, **_RUN))
            job = {"name": "one", "stage": "a", "stage_index": 0, "when": "on_success", "allow_failure": False}
            kept = {"status": "success", "created_at": 0.0, "artifacts_expire_at": 9e9, "artifacts_size": 1}
            connection.execute(sa.insert(jobs).values(id=1, pipeline_id=1, lane="", **job, **kept))

    def state(self) -> dict[str, Any]:
        """Everything that is stored: the hooks, the schedules and the pipelines, with their secrets, by table."""
        with self.database.connection() as connection:
            found = {table.name: rows(connection, sa.select(table)) for table in (hook_rows, schedule_rows, pipelines)}
            kept = rows(connection, sa.select(jobs.c.artifacts_expire_at))
        return {
            "hooks": [(self.hooks.secrets(one), one["events"], one["schedule_id"]) for one in found["hooks"]],
            "schedules": [(self.schedules.variables(one), one["description"]) for one in found["schedules"]],
            "pipelines": [self.pipelines.hidden.restore(1, one["variables"]) for one in found["pipelines"]],
            "kept": [dict(one) for one in kept],
        }

    @contextmanager
    def broken_at(self, statement: int) -> Iterator[None]:
        """Break the connection at a statement, counted from 0."""
        numbers = count()

        def fail(*_: object) -> None:
            if next(numbers) == statement:
                raise BrokenConnectionError

        engine = self.database._engine
        sa.event.listen(engine, "before_cursor_execute", fail)
        try:
            yield
        finally:
            sa.event.remove(engine, "before_cursor_execute", fail)

    @contextmanager
    def broken_at_the_commit(self, *, stored: bool) -> Iterator[None]:
        """Break the connection at the commit; with ``stored``, only its answer is lost."""

        def fail(connection: sa.Connection) -> None:
            if stored:
                connection.connection.dbapi_connection.commit()
            raise BrokenConnectionError

        engine = self.database._engine
        sa.event.listen(engine, "commit", fail)
        try:
            yield
        finally:
            sa.event.remove(engine, "commit", fail)

    @contextmanager
    def unavailable_after_a_commit(self) -> Iterator[None]:
        """Have a database that stores one change and then does not answer."""
        commits = list[sa.Connection]()
        note = commits.append

        def fail(*_: object) -> None:
            if commits:
                raise sa.exc.OperationalError("SELECT", {}, ConnectionError("the server closed the connection"))

        engine = self.database._engine
        sa.event.listen(engine, "commit", note)
        sa.event.listen(engine, "before_cursor_execute", fail)
        try:
            yield
        finally:
            sa.event.remove(engine, "commit", note)
            sa.event.remove(engine, "before_cursor_execute", fail)

    def request(self) -> Any:
        """A request that may do everything."""
        project = SimpleNamespace(id=1, path="ada/toy", resolve=lambda ref: Revision(ref=ref, sha="a", tag=False))
        access = SimpleNamespace(
            find=lambda *_: _ADA,
            require_writer=lambda _: _ADA,
            require_admin=lambda _: _ADA,
            require_reader=lambda _: _ADA,
        )
        here = SimpleNamespace(
            project=project,
            access=access,
            hooks=self.hooks,
            schedules=self.schedules,
            pipelines=self.pipelines,
            start_pipeline=self.start_pipeline,
            base=lambda _: "http://localhost",
            dispatcher=SimpleNamespace(policy=None),
        )
        return SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(context=here)), client=None)

    def start_pipeline(self, *, ref: str, **given: Any) -> int:
        job = SimpleNamespace(name="one", stage="a", may_fail=lambda _: False)
        revision = Revision(ref=ref, sha="a", tag=False)
        selected = [(cast("Any", job), "on_success")]
        return self.pipelines.create(revision, selected, stages=("a",), name=None, **given)

    def notify(self, connection: sa.Connection, number: int) -> None:
        self.hooks.replace_notification(connection, number, url="https://end.example/", token="token-of-the-end")

    def create_schedule(self) -> None:
        secret = _secret("the-second-value")
        self.schedules.create([secret], package=1, within=self.notify, **_HOURLY, **_OWNER)

    def change_schedule(self) -> None:
        self.schedules.update(1, description="changed", within=self.notify)

    def change_variables(self) -> None:
        self.schedules.change_variables(1, lambda _: [_secret("a-longer-second-value")], package_of=lambda _: 1)

    def hide_no_variable(self) -> None:
        self.schedules.change_variables(1, lambda _: [{"key": "n", "value": "1", "variable_type": "env_var"}])

    def delete_schedule(self) -> None:
        self.schedules.delete(1)

    def change_hook(self) -> None:
        self.hooks.update(1, url="https://second.example/", token="a-longer-second-token", events={})

    def delete_hook(self) -> None:
        self.hooks.delete(1)

    def delete_pipeline(self) -> None:
        self.pipelines.delete(1)


changes = pytest.mark.parametrize(
    "change",
    [
        Stored.create_schedule,
        Stored.change_schedule,
        Stored.change_variables,
        Stored.hide_no_variable,
        Stored.delete_schedule,
        Stored.change_hook,
        Stored.delete_hook,
        Stored.delete_pipeline,
    ],
    ids=lambda change: change.__name__,
)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    made = Stored(tmp_path)
    yield made
    made.database.close()


@changes
def test_a_change_is_stored_as_a_whole_or_not_at_all(stored: Stored, change: Callable[[Stored], None]) -> None:
    before = stored.state()
    for statement in count():
        with stored.broken_at(statement):
            try:
                change(stored)
            except BrokenConnectionError:
                pass
            else:
                break
        if stored.state() != before:  # it broke after the commit
            break
    assert statement > 1
    assert stored.state() != before


@changes
@pytest.mark.parametrize("is_stored", [False, True], ids=["refused", "answer-lost"])
def test_the_secrets_are_those_of_what_is_stored_however_a_commit_ends(
    stored: Stored, change: Callable[[Stored], None], *, is_stored: bool
) -> None:
    before = stored.state()
    with stored.broken_at_the_commit(stored=is_stored), pytest.raises(BrokenConnectionError):
        change(stored)

    assert (stored.state() == before) is not is_stored


def test_values_before_a_change_are_removed_when_it_is_stored(stored: Stored) -> None:
    with stored.broken_at_the_commit(stored=False), pytest.raises(BrokenConnectionError):
        stored.change_variables()
    stored.change_variables()
    stored.change_hook()

    left = "".join(file.read_text() for file in stored.folder.glob("*/*.json"))
    assert "the-first-token" not in left
    assert left.count("the-first-value") == 1  # the pipeline's
    stored.hide_no_variable()
    assert not (stored.folder / "schedules" / "1.json").exists()


def _trigger(request: Any) -> Response:
    return api_pipelines._trigger(request, "token", "main", [], None)


def _create_pipeline(request: Any) -> Response:
    return api_pipelines._create(request, {"ref": "main"})


def _create_schedule(request: Any) -> Response:
    return api_schedules._create(request, dict(_HOURLY))


def _create_hook(request: Any) -> Response:
    return api_hooks._create(request, {"url": "https://second.example/", PIPELINE: True})


@pytest.mark.parametrize("create", [_trigger, _create_pipeline, _create_schedule, _create_hook])
def test_what_was_stored_is_answered_though_its_row_cannot_be_read(
    stored: Stored, create: Callable[[Any], Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that gets 503 with Retry-After would create it again."""
    monkeypatch.setattr(api_hooks, "check_address", lambda *_: None)

    with stored.unavailable_after_a_commit():
        answer = create(stored.request())

    assert answer.status_code == 201
    assert json.loads(bytes(answer.body))["id"] == 2


def test_a_map_that_was_started_has_an_address_though_its_job_cannot_be_read(stored: Stored) -> None:
    here = stored.request().app.state.context
    with stored.unavailable_after_a_commit():
        assert maps._run(here, "main", {}, _ADA) == "pipelines/2"

    assert maps._run(here, "main", {}, _ADA) == "jobs/3"
