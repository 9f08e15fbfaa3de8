"""The runs of several servers in PostgreSQL: changes by others, and failures of the database."""

from __future__ import annotations

import secrets
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgresql import Cluster, needs_postgresql
from procrastinate.schema import SchemaManager
from waiting import wait_until

from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState, new_run_id
from generator.runner.server.runs.postgresql.connections import Connections
from generator.runner.server.runs.postgresql.store import PostgresqlRunStore
from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.runs.store import Change, ChangeKind, Changes, StoreUnavailableError
from generator.shared.failures import BadInputsError

pytestmark = needs_postgresql
Open = Callable[[], PostgresqlRunStore]


@pytest.fixture
def open_store(database: str, tmp_path: Path) -> Iterator[Open]:
    opened = []

    def open_one() -> PostgresqlRunStore:
        opened.append(PostgresqlRunStore(database, tmp_path, stalled_after=1.0, patience=20.0))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def add(store: PostgresqlRunStore) -> str:
    return store.add(NewRun(process="a.ipynb"), run_id=new_run_id(), queue_limit=100).id


def hear(changes: Changes, *kinds: ChangeKind, run_id: str | None = None) -> set[Change]:
    """Wait for changes, and return all runs' changes until then."""
    poll = select.poll()
    poll.register(changes.fileno(), select.POLLIN)
    heard: set[Change] = set()
    while not heard >= {Change(kind=kind, run_id=run_id) for kind in kinds}:
        assert poll.poll(20_000)
        heard.update(changes.read())
    return {change for change in heard if change.run_id}


def test_another_server_is_notified_of_runs_queued_dismissed_and_ended(open_store: Open) -> None:
    here, there = open_store(), open_store()
    changes = there.listen(*ChangeKind)
    hear(changes, *ChangeKind)  # what happened before it listened
    run_id = add(here)
    hear(changes, ChangeKind.QUEUED)

    assert here.claim("w")
    here.dismiss(run_id)
    hear(changes, ChangeKind.DISMISSED, run_id=run_id)
    here.finish(run_id, Outcome(state=RunState.DISMISSED))
    hear(changes, ChangeKind.ENDED, run_id=run_id)
    other = add(here)
    hear(changes, ChangeKind.QUEUED)
    here.dismiss(other)
    hear(changes, ChangeKind.ENDED, run_id=other)
    assert changes.read() == ()


def test_a_listener_is_notified_of_its_kinds_alone(open_store: Open) -> None:
    here, there = open_store(), open_store()
    changes = there.listen(ChangeKind.ENDED)
    hear(changes, ChangeKind.ENDED)
    run_id, queued = add(here), add(here)
    assert here.claim("w")
    here.dismiss(run_id)
    here.dismiss(queued)

    assert hear(changes, ChangeKind.ENDED, run_id=queued) == {Change(kind=ChangeKind.ENDED, run_id=queued)}


@pytest.mark.parametrize(
    ("added", "client", "server"),
    [
        ("", ("10", "25000"), ("1min", "1min")),
        ("&connect_timeout=7&options=-c%20lock_timeout%3D3s", ("7", "25000"), ("3s", "1min")),
    ],
)
def test_a_server_that_vanished_holds_no_locks_unless_the_url_has_other_timeouts(
    added: str, client: tuple[str, ...], server: tuple[str, str], database: str
) -> None:
    """PostgreSQL ends its connections, those of the pool and the listener's."""
    connections = Connections(database + added, most=1)
    connections.open()
    with connections.connection() as pooled, connections.connect() as own:
        for one in (pooled, own):
            parameters = one.info.get_parameters()
            assert (parameters["connect_timeout"], parameters["tcp_user_timeout"]) == client
            query = "SELECT current_setting('lock_timeout') l, current_setting('idle_in_transaction_session_timeout') i"
            assert tuple(one.execute(query).fetchall()[0].values()) == server
    connections.close()


def test_servers_that_start_at_once_make_the_tables_once(open_store: Open) -> None:
    with ThreadPoolExecutor(5) as pool:
        stores = list(pool.map(lambda _: open_store(), range(5)))

    run_id = add(stores[0])
    assert {store.get(run_id).id for store in stores} == {run_id}


def test_a_newer_queue_library_updates_the_tables_of_an_older_one(open_store: Open, database: str) -> None:
    migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    older = [file for file in migrations if file.name < "03.04"]
    with psycopg.connect(database, autocommit=True) as connection:
        for file in older:
            connection.execute(file.read_text().encode())
        connection.execute("CREATE TABLE packmill_queue (migration text NOT NULL)")
        connection.execute("INSERT INTO packmill_queue VALUES (%s)", (older[-1].name,))
    store = open_store()
    run_id = add(store)

    assert claim(store) == run_id
    store.end_lost_runs(dead=["w"])
    assert claim(store) == run_id
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT * FROM packmill_queue").fetchall() == [(migrations[-1].name,)]


def test_a_database_belongs_to_one_data_folder(open_store: Open, database: str, tmp_path: Path) -> None:
    open_store()
    other = tmp_path / "other"
    other.mkdir()

    with pytest.raises(BadInputsError, match="not the data folder of the other servers"):
        PostgresqlRunStore(database, other)


def test_an_empty_database_is_refused_for_the_folder_of_another_one(
    open_store: Open, database: str, postgresql: Cluster, tmp_path: Path
) -> None:
    """Retention would remove its runs, as after a start with a database whose name was mistyped."""
    open_store()
    other = postgresql.new_database(f"test_{secrets.token_hex(4)}")
    for _ in range(2):
        with pytest.raises(BadInputsError, match="belongs to another database than this PostgreSQL database"):
            PostgresqlRunStore(other, tmp_path)
    with pytest.raises(BadInputsError, match="belongs to another database than this SQLite file"):
        SqliteRunStore(tmp_path)
    open_store()


def test_an_empty_database_is_refused_for_a_folder_with_runs_of_an_sqlite_file(database: str, tmp_path: Path) -> None:
    SqliteRunStore(tmp_path).close()
    (tmp_path / "runs" / "0199abc" / new_run_id()).mkdir(parents=True)

    with pytest.raises(BadInputsError, match="has runs that this new PostgreSQL database does not know"):
        PostgresqlRunStore(database, tmp_path)
    SqliteRunStore(tmp_path).close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ada:sesame@127.0.0.1:9/none", "Connection refused"),
        ("postgresql://ada:sesame@[127.0.0.1/none", "invalid URL"),
        ("postgresql://ada:sesame@127.0.0.1/none?open=sesame", "invalid URL"),
    ],
)
def test_a_database_that_cannot_be_opened_is_an_error_without_its_password(
    tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(BadInputsError, match=message) as caught:
        PostgresqlRunStore(url, tmp_path)

    assert "sesame" not in f"{caught.value} {caught.value.__cause__}"


def test_a_user_who_may_create_no_tables_is_an_error(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute("DROP ROLE IF EXISTS ada")
        connection.execute("CREATE ROLE ada LOGIN")

    with pytest.raises(BadInputsError, match="cannot create tables: permission denied for schema public"):
        PostgresqlRunStore(database.replace("postgres@", "ada:sesame@"), tmp_path)


def test_a_restart_of_the_database_costs_no_run(open_store: Open, postgresql: Cluster) -> None:
    server, worker = open_store(), open_store()
    changes = server.listen(ChangeKind.ENDED)
    hear(changes, ChangeKind.ENDED)
    run_id = add(server)
    assert worker.claim("w")
    worker.set_progress(run_id, cell=1, cells=2)
    postgresql.stop(mode="immediate")
    with ThreadPoolExecutor() as pool:
        try:
            with pytest.raises(StoreUnavailableError):
                server.get(run_id)
            ending = pool.submit(worker.finish, run_id, Outcome(state=RunState.SUCCEEDED))
            time.sleep(1.5)  # longer than a worker may be silent
        finally:
            postgresql.start()
        assert server.end_lost_runs() == ()
        ending.result()

    assert wait_until(lambda: server.get(run_id), seconds=20).state is RunState.SUCCEEDED
    hear(changes, ChangeKind.ENDED)
    again = add(server)
    assert wait_until(lambda: claim(worker), seconds=20) == again


def test_a_database_that_takes_no_changes_for_a_while_costs_no_run(open_store: Open, database: str) -> None:
    """A primary that became a standby still answers questions, and keeps its connections open."""
    server, worker = open_store(), open_store()
    run_id = add(server)
    assert worker.claim("w")
    worker.set_progress(run_id, cell=1, cells=2)
    allow_changes(database, "off")
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(worker.finish, run_id, Outcome(state=RunState.SUCCEEDED))
        try:
            wait_until(lambda: refuses(server, run_id), seconds=20)
            time.sleep(1.5)  # longer than a worker may be silent
            with pytest.raises(StoreUnavailableError):
                server.end_lost_runs()
        finally:
            allow_changes(database, "on")
        assert wait_until(lambda: not refuses(server, run_id), seconds=20)
        assert server.end_lost_runs() == ()
        ending.result()

    assert server.get(run_id).state is RunState.SUCCEEDED


def allow_changes(database: str, switch: str) -> None:
    """Have a database's new connections take changes or not, and end its other ones if they do not."""
    with psycopg.connect(database, autocommit=True, options="-c default_transaction_read_only=off") as connection:
        name, read_only = connection.info.dbname, "off" if switch == "on" else "on"
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {read_only}'.encode())
        if switch == "off":
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> %s",
                (name, connection.info.backend_pid),
            )


def refuses(store: PostgresqlRunStore, run_id: str) -> bool:
    """Whether a database that can be read takes no change."""
    try:
        store.get(run_id)
        store.dismiss(run_id)
    except StoreUnavailableError as error:
        return "read-only" in str(error)
    return False


def claim(store: PostgresqlRunStore) -> str | None:
    try:
        run = store.claim("w")
    except StoreUnavailableError:
        return None
    return run.id if run else None


def test_a_worker_that_its_server_saw_die_is_lost_at_once(open_store: Open) -> None:
    server, killed, living = open_store(), open_store(), open_store()
    run_id, other = add(server), add(server)
    assert killed.claim("killed")
    assert living.claim("living")
    killed.set_progress(run_id, cell=1, cells=2)
    (lost,) = server.end_lost_runs(dead=["killed"])

    assert (lost.id, lost.state, lost.reason) == (run_id, RunState.FAILED, "interrupted")
    assert server.get(other).state is RunState.RUNNING


def test_a_run_whose_answer_was_lost_is_stored_once(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store()
    attempt = store._add

    def lose_answer(values: dict[str, Any]) -> Run:
        monkeypatch.undo()
        attempt(values)
        raise StoreUnavailableError("the connection broke after the transaction")

    monkeypatch.setattr(store, "_add", lose_answer)
    run_id = add(store)

    assert claim(store) == run_id
    assert claim(store) is None


def test_a_claim_whose_answer_was_lost_is_queued_again(open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    server, worker = open_store(), open_store()
    run_id = add(server)
    claim_of_worker = worker._claim

    def lose_answer(*arguments: object) -> None:
        claim_of_worker(*arguments)  # type: ignore[arg-type]
        raise StoreUnavailableError("the connection broke after the transaction")

    with monkeypatch.context() as patch:
        patch.setattr(worker._connections, "transaction", worker._connections.connection)  # each statement is kept
        patch.setattr(worker, "_claim", lose_answer)
        assert claim(worker) is None
    assert server.get(run_id).state is RunState.RUNNING
    assert wait_until(server.end_lost_runs, seconds=20)[0].id == run_id

    assert claim(worker) == run_id
