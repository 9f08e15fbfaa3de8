"""The service stays within its quota: the oldest things go, and what is kept or running stays."""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from ci_service import ACCESS, TRIGGER, Service
from prometheus_client.parser import text_string_to_metric_families
from waiting import wait_until

from generator.service.retention import keeper as keeper_module
from generator.service.retention.ended import remove_artifacts, remove_old_uploads
from generator.service.retention.images import ImageReport, prune_images
from generator.service.retention.keeper import Keeper
from generator.service.retention.policy import Policy
from generator.service.retention.usage import Usage, measure
from generator.service.store.database import Database, jobs, pipelines, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.service.store.pipelines import Pipelines
from generator.service.store.schedules import Schedules
from generator.shared.removal import remove_tree
from generator.shared.size_text import read_size

_LOG, _ARTIFACTS = 1_000_000, 9_000_000
_EXPIRES = 4e9
_HOURLY = {"description": "", "ref": "main", "cron": "0 * * * *", "cron_timezone": "UTC", "active": True}
_HOURLY |= {"user": "ada", "user_id": 1}


class Stored:
    """Pipelines of one job, each with a log of 1 MB and artifacts of 9 MB, that ended one day after the other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.data = DataFolder(folder)
        self.rows = Pipelines(Database(sqlite_url(self.data.database)), self.data.hidden)

    def add(self, number: int, *, status: str = "success", expires: float | None = _EXPIRES) -> None:
        ended = None if status == "running" else time.time() - (100 - number) * 86400
        row = {"id": number, "sha": "a", "ref": "main", "tag": False, "source": "api", "status": status, "user": "ada"}
        row |= {"variables": [], "created_at": 0.0, "updated_at": 0.0, "finished_at": ended}
        job = {"id": number, "pipeline_id": number, "name": "build", "stage": "build", "stage_index": 0, "lane": ""}
        job |= {"when": "on_success", "allow_failure": False, "status": status, "created_at": 0.0}
        job |= {"artifacts_size": _ARTIFACTS, "artifacts_expire_at": expires}
        with self.rows.database.transaction() as connection:
            connection.execute(sa.insert(pipelines).values(row))
            connection.execute(sa.insert(jobs).values(job))
        self.data.job(number).prepare()
        self.data.job(number).trace.write_bytes(b"x" * _LOG)
        self.data.job(number).artifacts.write_bytes(b"x" * _ARTIFACTS)

    def keeper(self, *, is_idle: bool = True, report: ImageReport | None = None, **policy: Any) -> Keeper:
        @contextmanager
        def hold() -> Iterator[bool]:
            yield is_idle

        return Keeper(self.rows, self.data, Policy(**policy), hold=hold, prune_images=lambda _: report)

    def state(self) -> dict[int, str]:
        """What each pipeline has on disk: its log alone, or artifacts too."""
        return {
            number: "artifacts" if self.data.job(number).artifacts.exists() else "log"
            for number in sorted(self.data.numbers())
        }


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Stored]:
    made = Stored(tmp_path / "data")
    for number in (1, 2, 3, 4):
        made.add(number)
    yield made
    made.rows.database.close()


def test_the_oldest_artifacts_go_first_and_only_as_many_as_needed(stored: Stored) -> None:
    keeper = stored.keeper(quota=30_000_000)

    assert keeper.problem() == ""
    assert stored.state() == {1: "log", 2: "log", 3: "artifacts", 4: "artifacts"}
    assert (keeper.removed.artifacts, keeper.removed.pipelines, keeper.removed.size) == (2, 0, 2 * _ARTIFACTS)
    assert stored.rows.job(1)["artifacts_size"] is None  # type: ignore[index]


def test_a_pipeline_with_a_retried_job_that_has_not_ended_stays(stored: Stored) -> None:
    """The retry of a job that was being canceled may end first; the job still writes to its folder."""
    job = {"id": 101, "pipeline_id": 1, "name": "build", "stage": "build", "stage_index": 0, "lane": ""}
    job |= {"when": "on_success", "allow_failure": False, "status": "canceling", "created_at": 0.0, "retried": True}
    with stored.rows.database.transaction() as connection:
        connection.execute(sa.insert(jobs).values(job))
    stored.data.job(101).prepare()
    stored.keeper(quota=1000).enforce()

    assert sorted(stored.state()) == [1, 101]
    stored.rows.update_job(101, {"status": "canceled"})
    stored.keeper(quota=1000).enforce()
    assert not stored.state()


def test_then_the_oldest_pipelines_go_with_their_logs(stored: Stored) -> None:
    keeper = stored.keeper(quota=4_000_000)
    keeper.enforce()

    left = stored.state()
    assert 0 < len(left) < 4
    assert list(left) == [1, 2, 3, 4][-len(left) :]
    assert set(left.values()) == {"log"}
    assert keeper.usage.total <= 4_000_000


def _add_canceled(stored: Stored, *numbers: int) -> None:
    """Add pipelines that were canceled before any job ran, half a megabyte each."""
    row = {"sha": "a", "ref": "main", "tag": False, "source": "api", "status": "canceled", "user": "ada"}
    row |= {"created_at": 0.0, "updated_at": 0.0, "finished_at": 1.0}
    row |= {"variables": [{"key": "note", "value": "x y " * 125_000, "variable_type": "env_var"}]}
    job = {"name": "build", "stage": "build", "stage_index": 0, "lane": "", "when": "on_success"}
    job |= {"allow_failure": False, "status": "canceled", "created_at": 0.0}
    with stored.rows.database.transaction() as connection:
        connection.execute(sa.insert(pipelines), [{**row, "id": number} for number in numbers])
        connection.execute(sa.insert(jobs), [{**job, "id": number, "pipeline_id": number} for number in numbers])


def test_space_of_deleted_rows_is_returned_before_anything_is_removed(stored: Stored) -> None:
    """The file of the database keeps it otherwise, also if an admin deletes pipelines."""
    _add_canceled(stored, *range(11, 31))
    for number in range(11, 31):
        stored.rows.delete(number)
    assert measure(stored.data).database > 10_000_000

    keeper = stored.keeper(quota=41_000_000)
    assert keeper.problem() == ""
    assert stored.state() == dict.fromkeys((1, 2, 3, 4), "artifacts")
    assert keeper.usage.database < 1_000_000
    assert measure(stored.data).total == keeper.usage.total


def test_pipelines_that_are_only_rows_go_and_no_more_than_needed(tmp_path: Path) -> None:
    stored = Stored(tmp_path / "data")
    _add_canceled(stored, *range(11, 21))
    stored.data.hidden.keep(11, [{"key": "inputs", "value": "x" * 500_000}])
    keeper = stored.keeper(quota=3_700_000)
    keeper.enforce()

    with stored.rows.database.connection() as connection:
        assert list(connection.execute(sa.select(pipelines.c.id)).scalars()) == list(range(15, 21))
    assert keeper.usage.total <= 3_700_000
    assert keeper.problem() == ""
    stored.rows.database.close()


def test_a_database_that_cannot_be_shrunk_keeps_no_artifacts(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """On a full disk, files go all the same."""

    def fail(_: float) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(stored.rows.database, "give_back", fail)
    stored.keeper(quota=35_000_000).enforce()

    assert stored.state() == {1: "log", 2: "artifacts", 3: "artifacts", 4: "artifacts"}
    assert "cannot shrink the database: database or disk is full" in capfd.readouterr().err


def test_uploads_go_last_and_stay_for_a_day_or_while_a_schedule_needs_them(stored: Stored) -> None:
    """No request deletes one: a token could fill the quota for a month."""
    uploads = stored.data.uploads
    for days, name in enumerate(("fresh", "spare", "needed", "oldest")):
        with uploads.writing(uploads.path("tables", "1", name)) as file:
            file.write(b"x" * 5_000_000)
        os.utime(uploads.path("tables", "1", name), (time.time() - days * 90_000,) * 2)
    needed = {"key": "table", "value": "tables/1/needed", "variable_type": "env_var"}
    Schedules(stored.rows.database, stored.data.schedule_values).create([needed], **_HOURLY)

    stored.keeper(quota=30_000_000).enforce()
    assert len(list(uploads.folder.glob("*/*/*"))) == 4
    stored.keeper(quota=18_000_000).enforce()
    assert (stored.state(), {path.name for path in uploads.folder.glob("*/*/*")}) == ({}, {"fresh", "spare", "needed"})
    keeper = stored.keeper(quota=1_000_000)
    keeper.enforce()

    assert {path.name for path in uploads.folder.glob("*/*/*")} == {"fresh", "needed"}
    assert keeper.removed.size == 5_000_000


@pytest.mark.parametrize("status", ["created", "pending", "running", "canceling", "manual"])
def test_the_table_of_a_pipeline_that_waits_or_runs_stays(stored: Stored, status: str) -> None:
    """Its job fetches it only when it starts."""
    table = _upload_of_last_week(stored, "needed")
    stored.add(5, status="running")
    variables = [{"key": "table", "value": " tables/1/needed", "variable_type": "env_var"}]
    with stored.rows.database.transaction() as connection:
        this = sa.update(pipelines).where(pipelines.c.id == 5)
        connection.execute(this.values(status=status, finished_at=None, variables=variables))

    stored.keeper(quota=1000).enforce()
    assert table.exists()
    with stored.rows.database.transaction() as connection:
        connection.execute(sa.update(pipelines).where(pipelines.c.id == 5).values(status="success"))
    stored.keeper(quota=1000).enforce()
    assert not table.exists()


def test_the_table_of_a_pipeline_that_is_starting_stays(stored: Stored) -> None:
    """Room is made for a pipeline before it is stored."""
    table, other = (_upload_of_last_week(stored, name) for name in ("needed", "other"))
    stored.data.uploads.note_use("tables/1/needed")
    stored.keeper(quota=1000).enforce()

    assert (table.exists(), other.exists()) == (True, False)


def _upload_of_last_week(stored: Stored, name: str) -> Path:
    path = stored.data.uploads.path("tables", "1", name)
    with stored.data.uploads.writing(path) as file:
        file.write(b"x" * 5000)
    os.utime(path, (time.time() - 7 * 86400,) * 2)
    return path


def test_uploads_are_removed_after_a_month_unless_a_schedule_or_a_pipeline_needs_them(stored: Stored) -> None:
    """A schedule of each month used its table before the last one, and all its later runs failed."""
    uploads = stored.data.uploads
    for name, days in (("old", 31), ("new", 29), ("scheduled", 400), ("waiting", 31)):
        with uploads.writing(uploads.path("tables", name, name)) as file:
            file.write(b"x")
        os.utime(uploads.path("tables", name, name), (time.time() - days * 86400,) * 2)
    scheduled, waiting = ([{"key": "table", "value": f"tables/{name}/{name}"}] for name in ("scheduled", "waiting"))
    Schedules(stored.rows.database, stored.data.schedule_values).create(scheduled, **(_HOURLY | {"active": False}))
    stored.add(5, status="running")
    with stored.rows.database.transaction() as connection:
        connection.execute(sa.update(pipelines).where(pipelines.c.id == 5).values(variables=waiting))

    killed = uploads.folder / ".killed.new"
    killed.touch()
    os.utime(killed, (0, 0))

    remove_old_uploads(stored.data, stored.rows.database)

    assert not killed.exists()
    assert {path.name for path in uploads.folder.glob("*/*/*")} == {"new", "scheduled", "waiting"}
    assert {path.name for path in (uploads.folder / "tables").iterdir()} == {"new", "scheduled", "waiting"}


def test_artifacts_stay_if_their_pipeline_runs_again_meanwhile(stored: Stored) -> None:
    with stored.rows.database.transaction() as connection:
        connection.execute(sa.update(pipelines).where(pipelines.c.id == 1).values(status="running"))

    assert not remove_artifacts(stored.data, stored.rows.database, 1)
    assert remove_artifacts(stored.data, stored.rows.database, 2)
    assert stored.state() == {1: "artifacts", 2: "log", 3: "artifacts", 4: "artifacts"}


def test_artifacts_that_were_removed_meanwhile_are_not_reported_as_kept(stored: Stored) -> None:
    remove_artifacts(stored.data, stored.rows.database, 1)

    assert [stored.rows.keep_artifacts(number) for number in (1, 2)] == [False, True]
    assert not remove_artifacts(stored.data, stored.rows.database, 2)


def test_what_is_kept_or_running_stays_and_a_quota_that_it_exceeds_refuses_pipelines(stored: Stored) -> None:
    stored.add(5, expires=None)
    stored.add(6, status="running")
    keeper = stored.keeper(quota=10_000_000)

    assert keeper.problem().startswith("the storage quota is reached: the service stores 2")
    assert "of 10 MB" in keeper.problem()
    assert stored.state() == {5: "artifacts", 6: "artifacts"}
    stored.rows.delete(5)
    stored.data.job(5).remove()
    assert "the storage quota is reached" in keeper.problem()
    stored.data.job(6).remove_artifacts()
    assert keeper.problem() == ""


def test_folders_nested_by_the_thousand_are_measured(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that has not ended can have left them."""
    before, top = measure(stored.data).work, stored.data.path / "builds"
    top.mkdir(exist_ok=True)
    monkeypatch.chdir(top)
    for _ in range(1_500):
        Path("d").mkdir()
        os.chdir("d")
    Path("f").write_bytes(b"x" * 1000)
    monkeypatch.undo()

    try:
        assert measure(stored.data).work == before + 1000
    finally:
        remove_tree(top)


def test_without_a_quota_nothing_goes_and_nothing_is_refused(stored: Stored) -> None:
    keeper = stored.keeper()
    keeper.enforce()

    assert keeper.problem() == ""
    assert len(stored.state()) == 4
    assert keeper.usage.artifacts == 4 * _ARTIFACTS
    assert keeper.usage.logs >= 4 * _LOG


class Measuring:
    """Measurements of a data folder that wait until they may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.may_end, self.has_begun = 0, threading.Event(), threading.Event()
        self.may_end.set()
        monkeypatch.setattr(keeper_module, "measure", self._measure)

    def _measure(self, data: DataFolder) -> Usage:
        self.count += 1
        self.has_begun.set()
        assert self.may_end.wait(60)
        return measure(data)

    @contextmanager
    def held(self, keeper: Keeper, threads: int) -> Iterator[list[str]]:
        """Requests that have begun to look for room, the first of which is measuring."""
        answers: list[str] = []
        self.may_end.clear()
        self.has_begun.clear()
        asking = [threading.Thread(target=lambda: answers.append(keeper.problem())) for _ in range(threads)]
        asking[0].start()
        assert self.has_begun.wait(60)
        for one in asking[1:]:
            one.start()
        yield answers
        self.may_end.set()
        for one in asking:
            one.join(60)


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Measuring:
    return Measuring(monkeypatch)


def test_requests_at_the_same_time_measure_no_more_than_twice(stored: Stored, measuring: Measuring) -> None:
    """The second time for all that came after the first one had begun."""
    keeper = stored.keeper(quota=10**12)
    with measuring.held(keeper, 9) as answers:
        time.sleep(0.1)  # until they wait for the lock; later ones would find what is measured

    assert answers == [""] * 9
    assert measuring.count <= 2


def test_over_the_quota_one_request_measures_and_no_other_waits_for_it(stored: Stored, measuring: Measuring) -> None:
    """Requests that are refused anyway could hold all threads that answer."""
    stored.add(5, expires=None)
    keeper = stored.keeper(quota=5_000_000)
    assert "the storage quota is reached" in keeper.problem()

    with measuring.held(keeper, 1):
        assert "the storage quota is reached" in keeper.problem()
        stored.rows.delete(5)
        stored.data.job(5).remove()

    assert keeper.problem() == ""


def test_the_folder_is_measured_once_if_nothing_can_be_removed(stored: Stored, measuring: Measuring) -> None:
    for number in (1, 2, 3, 4):
        stored.rows.delete(number)
    stored.add(5, expires=None)
    stored.keeper(quota=5_000_000).enforce()

    assert measuring.count == 1


def test_a_pipeline_that_is_retried_meanwhile_stays(stored: Stored) -> None:
    keeper = stored.keeper(older_than=0.0)
    stored.rows.retry(1)
    keeper.remove_old()

    assert list(stored.state()) == [1]


def test_at_the_times_of_the_schedule_old_pipelines_and_images_go(stored: Stored) -> None:
    report = ImageReport(size=7, removed=2, removed_size=50)
    keeper = stored.keeper(older_than=97.5 * 86400, report=report, schedule="0 3 * * *")

    assert keeper.due is not None
    assert keeper.due % 86400 == 3 * 3600
    keeper.remove_old()
    assert keeper.prune_images()
    assert list(stored.state()) == [3, 4]
    assert keeper.images == report
    assert (keeper.removed.pipelines, keeper.removed.images) == (2, 2)


def test_images_stay_while_a_job_runs(stored: Stored) -> None:
    keeper = stored.keeper(is_idle=False, image_quota=1, report=ImageReport(size=0, removed=9, removed_size=9))

    assert not keeper.prune_images()
    assert keeper.images is None


def test_while_images_wait_old_pipelines_go_once_and_nothing_else_is_measured(
    stored: Stored, measuring: Measuring
) -> None:
    """A service that always has a job would measure a large data folder every second."""
    keeper, tries, is_idle = stored.keeper(older_than=97.5 * 86400), [], [False]

    @contextmanager
    def hold() -> Iterator[bool]:
        tries.append(is_idle[0])
        yield is_idle[0]

    keeper._hold, keeper._due = hold, time.time() - 1
    for _ in range(5):
        keeper._prune_if_due()
    assert (tries, measuring.count, list(stored.state())) == ([False], 1, [3, 4])
    assert keeper.due
    assert keeper.due > time.time()

    for is_idle[0] in (False, True, True):
        keeper._images_due -= 60  # a minute later
        keeper._prune_if_due()
    assert (tries, measuring.count) == ([False, False, True], 1)


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
def test_images_are_measured_by_packmill_prune(tmp_path: Path) -> None:
    """Nothing is old enough, so nothing goes."""
    found = prune_images(Policy(older_than=36500.0 * 86400), data=tmp_path, variables={})

    assert found is not None
    assert (found.removed, found.removed_size) == (0, 0)
    assert found.size >= 0


def test_an_engine_that_does_not_answer_is_reported_and_nothing_else_happens(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without its images, the service still removes pipelines."""
    found = prune_images(Policy(image_quota=1), data=tmp_path, variables={"DOCKER_HOST": "unix:///no/such.sock"})

    assert found is None
    assert "packmill: retention: images: no container engine answers" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [("100GB", 10**11), ("1.5 TB", 1_500_000_000_000), ("64GiB", 2**36), ("500 mb", 5 * 10**8), ("12", 12)],
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1e9", "5 XB", "many"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 100GB"):
        read_size(text)


def test_a_running_service_refuses_pipelines_over_its_quota_until_there_is_room(
    another_service: Callable[..., Service],
) -> None:
    before = another_service()
    kept, expiring = (before.trigger(script="mkdir out; head -c 3000000 /dev/urandom > out/big") for _ in range(2))
    assert {before.wait(kept), before.wait(expiring)} == {"success"}
    job = before.jobs(kept)["one"]["id"]
    assert before.ask("POST", f"/jobs/{job}/artifacts/keep").status_code == 200
    before.stop()
    service = another_service("--quota", "2MB")

    refused = service.ask("POST", "/trigger/pipeline", token="", data={"token": TRIGGER, "ref": "main"})
    assert refused.status_code == 507, refused.text
    sentence = refused.json()["message"]["base"][0]
    assert sentence.startswith("the storage quota is reached: the service stores 3.")
    assert [one["id"] for one in service.get("/pipelines")] == [kept]
    assert service.ask("PUT", "/packages/generic/a/1/b", data=b"c").status_code == 507
    further = [
        service.ask("POST", f"/{path}") for path in (f"pipelines/{kept}/retry", f"jobs/{job}/retry", f"jobs/{job}/play")
    ]
    assert [(one.status_code, one.json()) for one in further] == [(507, refused.json())] * 3
    session, page = requests.Session(), f"{service.url}/ada/toy/-/pipelines"
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    form = session.get(f"{page}/{kept}", timeout=60).text
    hidden = {name: re.findall(rf'name="{name}" value="([^"]+)"', form)[-1:] for name in ("form_token", "submission")}
    assert session.post(f"{page}/{kept}/retry", data=hidden, timeout=60).status_code == 507

    def metrics() -> dict[tuple[str, str], float]:
        answer = requests.get(f"{service.url}/metrics", headers={"PRIVATE-TOKEN": ACCESS}, timeout=60)
        families = text_string_to_metric_families(answer.text)
        samples = [one for family in families for one in family.samples]
        return {(one.name, one.labels.get("kind", one.labels.get("of", ""))): one.value for one in samples}

    assert metrics()["packmill_data_bytes", "artifacts"] > 3_000_000
    assert metrics()["packmill_quota_bytes", "data"] == 2_000_000
    assert service.ask("DELETE", f"/jobs/{job}/artifacts").status_code == 204
    assert service.wait(service.trigger()) == "success"
    wait_until(lambda: metrics()["packmill_data_bytes", "artifacts"] < 3_000_000, message="the data is measured again")
