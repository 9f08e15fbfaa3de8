"""The same service on PostgreSQL, in a cluster of the tests' own."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from ci_service import Service
from postgresql import needs_postgresql

from generator.service.store import tokens
from generator.service.store.audit_tables import audit_events
from generator.service.store.database import Database

pytestmark = needs_postgresql


def test_pipelines_run_and_outlive_a_kill_on_postgresql(database: str, another_service: Callable[..., Service]) -> None:
    service = another_service(database=database.replace("postgresql:", "postgresql+psycopg:"))
    number = service.trigger(script="mkdir out; echo x > out/a.txt; echo 'MADE=1' > made.env", later='echo "<$MADE>"')
    assert service.wait(number) == "success"
    assert "<1>" in service.trace(service.jobs(number)["two"]["id"])
    good = service.trigger(script="echo begun; sleep 1", later="echo later")
    service.wait(good, "running")
    service.stop(signal.SIGKILL)
    service.start()

    assert service.wait(good) == "success"
    assert [one["id"] for one in service.get("/pipelines?order_by=id&sort=asc")] == [number, good]
    assert service.ask("DELETE", f"/pipelines/{number}").status_code == 204
    assert not (service.data / "packmill.sqlite3").exists()


def test_the_audit_log_refuses_changes_on_postgresql(database: str) -> None:
    url = database.replace("postgresql:", "postgresql+psycopg:")
    Database(url).close()
    opened = Database(url)
    tokens.create(opened, name="ada", scopes=["api"])
    for change in ("DELETE FROM audit_events", "UPDATE audit_events SET target = 'x'", "TRUNCATE audit_events"):
        with pytest.raises(sa.exc.DatabaseError, match="append-only"), opened.transaction() as connection:
            connection.execute(sa.text(change))
    with opened.connection() as connection:
        assert connection.execute(sa.select(audit_events.c.target)).scalars().all() == ["ada"]
    opened.close()


def test_a_database_that_is_not_there_is_said_at_once(another_service: Callable[..., Service]) -> None:
    with pytest.raises(AssertionError, match="cannot open the database"):
        another_service(database="postgresql+psycopg://nobody:sesame@127.0.0.1:9/none")
