"""The same service on PostgreSQL, in a cluster of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from ci_service import Service

_PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
pytestmark = pytest.mark.skipif(
    _PROGRAMS is None or os.geteuid() != 0, reason="Debian's postgresql is not installed, or this is not root"
)


@pytest.fixture
def database() -> Iterator[str]:
    """A URL of a cluster that listens on a socket alone; PostgreSQL refuses to run as root."""
    assert _PROGRAMS is not None
    folder = Path(mkdtemp(prefix="packmill-pg-"))
    shutil.chown(folder, "postgres")
    as_postgres = ("runuser", "-u", "postgres", "--", "env", f"--chdir={folder}")
    initdb = [*as_postgres, str(_PROGRAMS / "initdb"), "-D", f"{folder}/data", "--auth=trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True)
    control = [*as_postgres, str(_PROGRAMS / "pg_ctl"), "-D", f"{folder}/data", "-w", "-l", f"{folder}/log"]
    subprocess.run([*control, "-o", f"-k {folder} -c listen_addresses=''", "start"], check=True, capture_output=True)
    yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
    subprocess.run([*control, "-m", "fast", "stop"], check=True, capture_output=True)
    shutil.rmtree(folder)


def test_pipelines_run_and_outlive_a_kill_on_postgresql(database: str, another_service: Callable[..., Service]) -> None:
    service = another_service(database=database)
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
