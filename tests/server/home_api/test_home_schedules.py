"""The guide's daily report: a schedule gives the date, and its runs are stored in the home."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from notebook_server import NotebookServer
from waiting import wait_until

from generator.runner.server.problems import ProblemError
from generator.runner.server.schedules.time_parameters import check_formats

DAILY = {"notebook": "daily_report.ipynb", "cron": "0 2 * * *", "time_parameters": {"date": "%Y-%m-%d"}}


def make_due(server: NotebookServer, schedule_id: str, due: float) -> None:
    with closing(sqlite3.connect(server.data / "runs.sqlite", timeout=30)) as database, database:
        database.execute("UPDATE schedule SET due = ? WHERE id = ?", (int(due), schedule_id))


def result_of(server: NotebookServer, schedule_id: str) -> Any:
    def ended() -> Any:
        runs = server.get(f"/schedules/{schedule_id}")["runs"]
        return runs[0] if runs and runs[0]["ended"] else None

    run = wait_until(ended, seconds=60, message="the run of the schedule has ended")
    return server.get(f"/runs/{run['id']}/result")


@pytest.mark.parametrize(("zone", "date"), [("UTC", "2026-05-04"), ("Pacific/Auckland", "2026-05-05")])
def test_a_daily_report_has_its_date_and_is_stored_in_the_home(
    served: NotebookServer, home: Path, zone: str, date: str
) -> None:
    cron = "0 13 4 5 *" if zone == "UTC" else "0 1 5 5 *"  # the same moment
    body = {**DAILY, "cron": cron, "time_zone": zone, "parameters": {"threshold": 0.9}}
    made = served.ask("POST", "/schedules", json=body).json()
    assert made["time_parameters"] == {"date": "%Y-%m-%d"}
    make_due(served, made["id"], datetime(2026, 5, 4, 13, tzinfo=timezone.utc).timestamp())
    result = result_of(served, made["id"])

    assert result["scraps"]["shown"] == f"{date} 0.9"
    hour = "13" if zone == "UTC" else "01"
    assert result["delivered"] == f"daily_report_output_{date.replace('-', '')}_{hour}0000.ipynb"
    assert (home / result["delivered"]).is_file()
    assert "started late" in result["run"]["note"]


def test_a_run_for_missed_times_has_the_last_of_them(served: NotebookServer) -> None:
    made = served.ask("POST", "/schedules", json={**DAILY, "cron": "@daily"}).json()
    make_due(served, made["id"], time.time() - 10 * 86400)
    result = result_of(served, made["id"])

    day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    yesterday = datetime.fromtimestamp(time.time() - 86400, timezone.utc).strftime("%Y-%m-%d")
    assert result["scraps"]["shown"].split()[0] in (day, yesterday)


def test_a_parameter_of_another_type_gets_a_number(served: NotebookServer) -> None:
    body = {"notebook": "a/twice.ipynb", "cron": "@daily", "time_parameters": {"x": "%Y"}}
    made = served.ask("POST", "/schedules", json=body).json()
    make_due(served, made["id"], time.time())

    assert result_of(served, made["id"])["parameters"] == {"x": datetime.now(timezone.utc).year}


def test_time_parameters_are_changed_and_removed(served: NotebookServer) -> None:
    made = served.ask("POST", "/schedules", json=DAILY).json()
    address = f"/schedules/{made['id']}"

    assert served.ask("PATCH", address, json={"title": "a"}).json()["time_parameters"] == {"date": "%Y-%m-%d"}
    changed = served.ask("PATCH", address, json={"time_parameters": {"date": "%j"}})
    assert changed.json()["time_parameters"] == {"date": "%j"}
    both = served.ask("PATCH", address, json={"parameters": {"date": "x"}})
    assert (both.status_code, "both in parameters" in both.text) == (400, True)
    assert served.ask("PATCH", address, json={"time_parameters": {}}).json()["time_parameters"] == {}
    assert served.ask("DELETE", address).status_code == 204


@pytest.mark.parametrize(
    ("formats", "says"),
    [
        ({"date": "%s"}, "not a format"),
        ({"date": "%"}, "not a format"),
        ({"date": "%-d"}, "not a format"),
        ({"date": "a\nb"}, "not a format"),
        ({"date": "\0"}, "not a format"),
        ({"date": "x" * 300}, "not a format"),
        ({"day": "%d"}, "day"),
        ({"threshold": "%A"}, "threshold"),
        ({"date": 3}, "time_parameters.date"),
        ("%Y", "time_parameters"),
        ({f"p{number}": "%d" for number in range(101)}, "more than 100"),
    ],
)
def test_time_parameters_that_do_not_fit_are_refused(served: NotebookServer, formats: Any, says: str) -> None:
    answer = served.ask("POST", "/schedules", json={**DAILY, "time_parameters": formats})

    assert answer.status_code == 400
    assert says in answer.text


@pytest.mark.parametrize("text", ["{{ 7*7 }}", "${HOME}", "%Y' + str(1) + '", "%%s", "{0.__class__}", "100 %%"])
def test_other_text_of_a_format_is_text(text: str) -> None:
    assert check_formats({"date": text}) == {"date": text}


def test_a_format_is_no_template() -> None:
    with pytest.raises(ProblemError):
        check_formats({"date": "%(name)s"})
