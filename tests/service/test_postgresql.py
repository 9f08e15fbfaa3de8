"""The same service on PostgreSQL, in a cluster of the tests' own."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
import requests
import sqlalchemy as sa
from ci_service import TRIGGER, Service
from postgresql import needs_postgresql
from waiting import wait_until

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


def test_a_database_that_can_only_be_read_for_a_while_is_unavailable(
    database: str, another_service: Callable[..., Service]
) -> None:
    """As after its primary became a standby: the service recovers without a start of its own."""
    url = database.replace("postgresql:", "postgresql+psycopg:")
    service = another_service(database=url)
    operator = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
    set_read_only = f'ALTER DATABASE "{operator.url.database}" SET default_transaction_read_only'

    def start() -> requests.Response:
        return service.ask("POST", "/trigger/pipeline", data={"token": TRIGGER, "ref": "main"})

    with operator.connect() as connection:
        connection.execute(sa.text(f"{set_read_only} = on"))
        connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) {others}"))
        refused, listed = [start() for _ in range(3)], service.ask("GET", "/pipelines")
        connection.execute(sa.text(f"{set_read_only} = off"))  # for new connections, as those to a new primary
    operator.dispose()
    made = wait_until(lambda: (answer := start()).ok and answer, seconds=20, message="a pipeline starts")

    assert [one.status_code for one in refused] == [503] * 3
    assert refused[-1].headers["Retry-After"] == "5"
    assert (listed.status_code, listed.json()) == (200, [])
    assert "POST /api/v4/projects/{project:int}/trigger/pipeline: cannot execute INSERT in a read-only" in (
        service.data.with_suffix(".log").read_text()
    )
    assert service.wait(made.json()["id"]) == "success"


_TIMEOUTS = "SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')"


@pytest.mark.parametrize(
    ("added", "client", "server"),
    [
        ("", ("10", "10", "25000"), ("1min", "1min")),
        (
            "&connect_timeout=7&keepalives_idle=90&options=-c%20lock_timeout%3D3s",
            ("7", "90", "25000"),
            ("3s", "1min"),
        ),
    ],
)
def test_a_connection_to_a_machine_that_vanished_ends_unless_the_url_has_other_timeouts(
    added: str, client: tuple[str, ...], server: tuple[str, str], database: str
) -> None:
    """The server closes it too: a writer that vanished holds its locks as long as its connection is open."""
    opened = Database(database.replace("postgresql:", "postgresql+psycopg:") + added)
    with opened.connection() as connection:
        raw = connection.connection.dbapi_connection
        parameters = raw.info.get_parameters()  # type: ignore[union-attr]
        assert tuple(parameters[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")) == client
        connection.rollback()
        assert connection.execute(sa.text(_TIMEOUTS)).one() == server
    opened.close()


def test_a_database_that_is_not_there_is_said_at_once(another_service: Callable[..., Service]) -> None:
    with pytest.raises(AssertionError, match="cannot open the database"):
        another_service(database="postgresql+psycopg://nobody:sesame@127.0.0.1:9/none")
