"""The same service on PostgreSQL, in a cluster of the tests' own."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from ci_service import Service
from postgresql import needs_postgresql

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


def test_a_database_that_is_not_there_is_said_at_once(another_service: Callable[..., Service]) -> None:
    with pytest.raises(AssertionError, match="cannot open the database"):
        another_service(database="postgresql+psycopg://nobody:sesame@127.0.0.1:9/none")
