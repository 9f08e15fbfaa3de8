"""A service removes what its database does not know, so the database of another data folder is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from forked_programs import PACKMILL, start
from ports import free_port
from postgresql import needs_postgresql
from support import here

from generator.machine.pruning.service_data import old_pipelines
from generator.service.jobs import leftovers
from generator.service.jobs.cleaning import Cleaning
from generator.service.jobs.isolation import Isolation
from generator.service.store.database import Database, jobs, pipelines, sqlite_url
from generator.service.store.folder_tables import data_folders
from generator.service.store.folder_ties import tie
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.shared.errors import UsageError

_STORED: dict[str, object] = {"status": "success", "created_at": 0.0}
_PIPELINE = {"sha": "0", "ref": "main", "tag": False, "source": "api", "user": "ada", **_STORED}
_PIPELINE |= {"id": 1, "variables": [], "updated_at": 0.0}
_JOB = {"name": "one", "stage": "first", "stage_index": 0, "when": "always", "allow_failure": False, **_STORED}
_JOB |= {"pipeline_id": 1, "lane": ""}


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    """The folder of an earlier version with three jobs."""
    made = DataFolder(tmp_path / "data")
    for number in (1, 2, 3):
        made.job(number).prepare()
    made.identity()
    return made


def _with_jobs(file: Path, *numbers: int) -> Database:
    database = Database(sqlite_url(file))
    _add_jobs(database, *numbers)
    return database


def _add_jobs(database: Database, *numbers: int) -> None:
    with database.transaction() as connection:
        connection.execute(sa.insert(pipelines).values(_PIPELINE))
        connection.execute(sa.insert(jobs), [_JOB | {"id": number} for number in numbers])


def _add_and_delete(database: Database, *numbers: int) -> None:
    with database.transaction() as connection:
        connection.execute(sa.insert(jobs), [_JOB | {"id": number} for number in numbers])
        connection.execute(sa.delete(jobs).where(jobs.c.id.in_(numbers)))


@pytest.fixture
def own(data: DataFolder) -> Iterator[Database]:
    """The folder's database, which no start has tied to it yet."""
    database = _with_jobs(data.database, 1, 2, 3)
    yield database
    database.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "empty.sqlite3"))
    yield database
    database.close()


def test_a_service_with_an_empty_database_ends_before_it_removes_jobs_of_its_folder(data: DataFolder) -> None:
    words = ["serve", "--project", here.parent, "--data", data.path, "--port", free_port()]
    process = start(PACKMILL, *words, cwd=here.parent, env=dict(os.environ), stderr=subprocess.PIPE)
    try:
        _, message = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 2
    assert b"has jobs that the database does not know (3, such as " in message
    assert b"Traceback" not in message
    assert sorted(data.numbers()) == [1, 2, 3]


def test_a_database_of_an_earlier_version_is_tied_to_the_folder_whose_jobs_it_knows(
    data: DataFolder, own: Database
) -> None:
    tie(own, data)
    tie(own, data)

    with own.connection() as connection:
        assert connection.execute(sa.select(data_folders.c.id)).scalars().all() == [data.identity()]
    data.job(4).prepare()
    _add_and_delete(own, 4)
    tie(own, data)  # what a killed deletion left is removed at the start as before


def test_a_database_of_an_earlier_version_need_not_know_jobs_that_were_deleted_as_they_ended(data: DataFolder) -> None:
    """Their folders stayed if the service stopped at this moment."""
    own = _with_jobs(data.database, 1)
    _add_and_delete(own, 2, 3)

    tie(own, data)
    own.close()


def test_a_database_of_an_earlier_version_that_knows_no_job_of_the_folder_is_refused(
    data: DataFolder, empty: Database
) -> None:
    with empty.transaction() as connection:
        connection.execute(sa.insert(pipelines).values(_PIPELINE))
    _add_and_delete(empty, 1, 2, 3)

    with pytest.raises(UsageError, match=r"the database does not know \(3, such as .*/jobs/1\)"):
        tie(empty, data)


def test_an_older_copy_of_the_folders_database_is_refused(data: DataFolder, own: Database) -> None:
    """As the SQLite file that stayed in the folder when all rows were copied to PostgreSQL."""
    tie(own, data)
    data.job(4).prepare()
    for _ in range(2):
        with pytest.raises(UsageError, match=r"the database does not know \(1, such as .*/jobs/4\)"):
            tie(own, data)
    assert sorted(data.numbers()) == [1, 2, 3, 4]


@needs_postgresql
def test_rows_that_were_copied_to_postgresql_belong_to_the_folder(
    data: DataFolder, own: Database, database: str
) -> None:
    """Copied rows have numbers that its sequence has not given; deleted rows have numbers that no row has."""
    tie(own, data)
    copied = Database(database.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with copied.transaction() as connection:
            connection.execute(sa.insert(data_folders).values(id=data.identity()))
        with pytest.raises(UsageError, match=r"the database does not know \(3, such as .*/jobs/1\)"):
            tie(copied, data)
        _add_jobs(copied, 1, 2, 3)
        tie(copied, data)

        data.job(4).prepare()
        with pytest.raises(UsageError, match=r"the database does not know \(1, such as .*/jobs/4\)"):
            tie(copied, data)
        with copied.transaction() as connection:
            connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('jobs', 'id'), 3)"))
            number = connection.execute(sa.insert(jobs).values(_JOB)).inserted_primary_key
            connection.execute(sa.delete(jobs).where(jobs.c.id == 4))
        assert number == (4,)
        tie(copied, data)
    finally:
        copied.close()


def test_a_database_of_another_folder_is_refused(data: DataFolder, own: Database, tmp_path: Path) -> None:
    tie(own, data)
    other = DataFolder(tmp_path / "other")
    other.path.mkdir()

    for _ in range(2):
        with pytest.raises(UsageError, match="not the data folder of this database"):
            tie(own, other)
        other.identity()


def test_a_database_that_knows_some_of_the_jobs_is_refused(data: DataFolder, tmp_path: Path) -> None:
    """As a file that was left in the folder when the service moved to PostgreSQL, and counted from 1 as well."""
    stale = _with_jobs(tmp_path / "stale.sqlite3", 1, 2)
    with pytest.raises(UsageError, match=r"the database does not know \(1, such as .*/jobs/3\)"):
        tie(stale, data)
    stale.close()


@pytest.mark.parametrize("kind", ["values", "schedules", "hooks"])
def test_an_empty_database_is_refused_for_a_folder_with_secret_values_alone(
    kind: str, empty: Database, tmp_path: Path
) -> None:
    data = DataFolder(tmp_path / "data")
    (data.path / kind).mkdir(parents=True)
    (data.path / kind / "1.json").write_text("{}")

    with pytest.raises(UsageError, match=rf"secret values that the database does not know \(in .*/{kind}\)"):
        tie(empty, data)


def test_rows_and_folders_that_were_moved_belong_together(data: DataFolder, own: Database, tmp_path: Path) -> None:
    tie(own, data)
    own.close()
    moved = DataFolder(Path(shutil.copytree(data.path, tmp_path / "moved")))
    rows = Database(sqlite_url(moved.database.rename(tmp_path / "elsewhere.sqlite3")))

    tie(rows, moved)
    rows.close()


def test_a_copy_of_the_folder_ends_no_containers_of_the_original(
    data: DataFolder, own: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a backup that is tried out on the engine of the service."""
    asked = list[tuple[str, ...]]()
    monkeypatch.setattr(leftovers, "_engine", lambda *words: asked.append(words) or "")
    monkeypatch.setattr(leftovers, "_labeled_containers", lambda: [("running", data.label(1))])
    copy = DataFolder(Path(shutil.copytree(data.path, tmp_path / "copy")))
    (tmp_path / "link").symlink_to(data.path)

    for folder in (copy, DataFolder(tmp_path / "link")):
        cleaning = Cleaning(Pipelines(own, folder.hidden), folder, Isolation())
        cleaning.end_containers()
        cleaning.remove_leftovers(1)
        assert [words[0] for words in asked] == ([] if folder is copy else ["kill", "rm"] * 2)


def test_containers_that_an_earlier_version_started_are_ended(
    data: DataFolder, own: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their label had the ID of the folder; an update with ``docker compose`` leaves them, and their jobs run again."""
    asked = list[tuple[str, ...]]()
    labels = [f"{data.identity()}{end}" for end in ("-1", "-1-toil", "0-1", "")]
    monkeypatch.setattr(leftovers, "_engine", lambda *words: asked.append(words) or "")
    monkeypatch.setattr(leftovers, "_labeled_containers", lambda: [(label, label) for label in labels])
    cleaning = Cleaning(Pipelines(own, data.hidden), data, Isolation())

    for end in (cleaning.end_containers, lambda: cleaning.remove_leftovers(1)):
        asked.clear()
        end()
        assert asked == [("kill", labels[0]), ("rm", "--force", "--volumes", labels[0])]


def test_a_folder_is_used_by_one_service_with_whichever_database(data: DataFolder, tmp_path: Path) -> None:
    """Also by a prune, which has the lock of its own database."""
    stale = tmp_path / "stale.sqlite3"
    _with_jobs(stale, 1, 2, 3).close()
    code = "import sys; from pathlib import Path; from generator.service.store.job_folders import DataFolder\n"
    code += "DataFolder(Path(sys.argv[1])).claim(); print('claimed', flush=True); input()"
    command = [sys.executable, "-c", code, str(data.path)]
    with subprocess.Popen(command, cwd=here.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"claimed\n"
        with pytest.raises(UsageError, match="a 'packmill serve' or 'packmill prune' uses this data folder"):
            data.claim()
        with (
            pytest.raises(UsageError, match="a 'packmill serve' or 'packmill prune' uses this data folder"),
            old_pipelines(data.path, database=sqlite_url(stale), before=1e12, is_removing=True),
        ):
            pass
        other.communicate(b"\n")
    data.claim()


def test_prune_removes_no_pipelines_by_the_database_of_another_folder(data: DataFolder, tmp_path: Path) -> None:
    stale = tmp_path / "stale.sqlite3"
    _with_jobs(stale, 1, 2).close()

    with (
        pytest.raises(UsageError, match="has jobs that the database does not know"),
        old_pipelines(data.path, database=sqlite_url(stale), before=1e12, is_removing=True),
    ):
        pass
