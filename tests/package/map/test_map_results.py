"""What rows left: checked, moved, remembered for --resume, and written as a table."""

from __future__ import annotations

import csv
import errno
import fcntl
import json
import math
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from deep_folders import make_deep
from waiting import wait_until

from generator.package.map import collecting, earlier_files, records
from generator.package.map.collecting import collect_row
from generator.package.map.earlier_files import refuse_files_of_others
from generator.package.map.folders import remove_folder
from generator.package.map.journal import Ended, Journal, hidden_folder, open_journal
from generator.package.map.map import _written_to
from generator.package.map.records import small_values
from generator.package.map.report import write_report
from generator.package.map.results import write_results
from generator.package.map.row_table import RowTable
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Attempt, Schedule, Scheduler
from generator.package.map.syncing import synced
from generator.shared import durable_files
from generator.shared.errors import DiskFullError, PackmillError, RunError, UsageError
from generator.shared.write_limits import WriteLimits, no_limits

_SUCCEEDED = {"state": "succeeded", "reason": None, "message": None}


def left(folder: Path, **files: str) -> Path:
    """Make what a container left of a row."""
    (folder / "left" / "output").mkdir(parents=True)
    names = {"result": "output/result.json", "scraps": "output/scraps.json", "outputs": "cwl.output.json"}
    for name, text in files.items():
        (folder / "left" / names[name]).write_text(text)
    return folder / "left"


def test_results_are_moved_and_summed_up(tmp_path: Path) -> None:
    outputs = {"map": {"class": "File", "path": "output/map.png"}, "output_dir": {"path": "output"}}
    row = left(
        tmp_path,
        result=json.dumps({"duration": 1.5, "peak_memory": 7, "reason": None, "cells": [{"cell": 1}]}),
        scraps='{"mean": 3}',
        outputs=json.dumps(outputs),
    )

    ended = collect_row(row, tmp_path / "rows" / "1", {**_SUCCEEDED, "note": "said"})

    expected = Ended(
        state="succeeded", seconds=1.5, peak_memory=7, note="said", scraps={"mean": 3}, outputs={"map": "map.png"}
    )
    assert ended == expected
    assert (tmp_path / "rows" / "1" / "scraps.json").is_file()


def test_results_of_an_earlier_attempt_are_replaced(tmp_path: Path) -> None:
    final = tmp_path / "rows" / "1"
    final.mkdir(parents=True)
    (final / "earlier.txt").touch()

    collect_row(left(tmp_path, scraps="{}"), final, _SUCCEEDED)

    assert [path.name for path in final.iterdir()] == ["scraps.json"]


@pytest.mark.parametrize("problem", ["no folder", "a link", "the limit", "not copied"])
def test_a_row_that_runs_again_without_results_has_none_of_its_earlier_values(problem: str, tmp_path: Path) -> None:
    final, row = tmp_path / "rows" / "1", left(tmp_path)
    final.mkdir(parents=True)
    (final / "scraps.json").write_text('{"city": "Lisbon"}')
    limits = WriteLimits(size=1, files=0) if problem == "the limit" else no_limits
    match problem:
        case "no folder":
            remove_folder(row / "output")
        case "a link":
            (row / "output" / "plan.txt").symlink_to("/etc/hostname")
        case "the limit":
            (row / "output" / "scraps.json").write_text('{"city": "Nairobi"}')
        case _:
            row.with_name("copy").write_text("not a folder")

    ended = collect_row(row, final, _SUCCEEDED, limits=limits)

    assert (ended.state, ended.scraps) == ("failed", {})
    assert not os.path.lexists(final)


def test_a_row_that_runs_again_and_exceeds_a_limit_has_none_of_its_earlier_values(tmp_path: Path) -> None:
    final, ends = tmp_path / "rows" / "1", list[Ended]()
    final.mkdir(parents=True)
    plan: Any = SimpleNamespace(writing=no_limits)
    scheduler = Scheduler(
        plan, Schedule(parallel=1), lambda _row: final, on_end=lambda _, one: ends.append(one), on_wait=lambda _: None
    )

    scheduler._collect(Attempt(row(1)), left(tmp_path), _SUCCEEDED, "wrote more than 1 MiB")
    scheduler._removal.shutdown()

    assert [one.reason for one in ends] == ["output-limit"]
    assert not final.exists()


def test_a_link_in_the_place_of_a_row_s_folder_is_replaced(tmp_path: Path) -> None:
    final = tmp_path / "rows" / "1"
    final.parent.mkdir()
    final.symlink_to("missing")

    assert collect_row(left(tmp_path, scraps="{}"), final, _SUCCEEDED).has_succeeded
    assert [path.name for path in final.iterdir()] == ["scraps.json"]


def test_a_copy_that_a_killed_map_left_does_not_fail_the_row(tmp_path: Path) -> None:
    row = left(tmp_path, scraps='{"x": 1}')
    (row.with_name("copy") / "output").mkdir(parents=True)
    (row.with_name("copy") / "output" / "half").touch()

    ended = collect_row(row, tmp_path / "rows" / "1", _SUCCEEDED)

    assert (ended.state, ended.message, ended.scraps) == ("succeeded", None, {"x": 1})
    assert not (tmp_path / "rows" / "1" / "half").exists()


@pytest.mark.parametrize("has_ended", [True, False], ids=["moved", "copied"])
def test_results_that_cannot_be_moved_to_their_folder_fail_the_row(has_ended: bool, tmp_path: Path) -> None:
    (tmp_path / "rows").write_text("of somebody else")
    row = left(tmp_path)

    ended = collect_row(row, tmp_path / "rows" / "Rome" / "1", _SUCCEEDED, has_ended=has_ended)

    assert (ended.state, ended.reason) == ("failed", "output-refused")
    assert f"not be moved to {tmp_path / 'rows' / 'Rome' / '1'}: Not a directory" in str(ended.message)
    assert (tmp_path / "rows").read_text() == "of somebody else"


def test_a_row_whose_records_cannot_be_read_now_has_not_succeeded_without_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(records, "open_regular_file", fail)

    ended = collect_row(left(tmp_path, scraps='{"x": 1}'), tmp_path / "rows" / "1", _SUCCEEDED)

    assert (ended.state, ended.reason) == ("failed", "output-refused")
    assert "Input/output error" in str(ended.message)


def test_a_full_disk_is_not_the_failure_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copy(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(collecting, "copy_folder", copy)

    with pytest.raises(OSError, match="No space left"):
        collect_row(left(tmp_path), tmp_path / "rows" / "1", _SUCCEEDED)


def test_a_link_out_of_the_folder_fails_the_row(tmp_path: Path) -> None:
    row = left(tmp_path)
    (row / "output" / "plan.txt").symlink_to("/etc/hostname")

    ended = collect_row(row, tmp_path / "rows" / "1", _SUCCEEDED)

    assert (ended.state, ended.reason) == ("failed", "output-refused")
    assert "plan.txt: the link leaves the output folder" in str(ended.message)
    assert not (tmp_path / "rows").exists()


@pytest.mark.parametrize("has_ended", [True, False], ids=["moved", "copied"])
def test_more_folders_in_each_other_than_python_follows_fail_the_row(has_ended: bool, tmp_path: Path) -> None:
    row = left(tmp_path)
    make_deep(row / "output")

    ended = collect_row(row, tmp_path / "rows" / "1", _SUCCEEDED, has_ended=has_ended)
    remove_folder(row)

    assert (ended.state, ended.reason) == ("failed", "output-refused")
    assert not (tmp_path / "rows").exists()
    assert not row.exists()


@pytest.mark.parametrize("large", ["scraps", "outputs", "a list of outputs"])
def test_a_row_whose_values_are_too_large_for_the_tables_has_a_message(
    large: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {"maps": [{"path": f"output/{number:05}.png"} for number in range(10_000 if large[0] == "a" else 1)]}
    row = left(tmp_path, scraps='{"mean": 3.2}', outputs=json.dumps(outputs))
    if large != "a list of outputs":
        monkeypatch.setattr(records, "_LARGEST", 1000)
        with (row / {"scraps": "output/scraps.json", "outputs": "cwl.output.json"}[large]).open("a") as file:
            file.write(" " * 1000)

    ended = collect_row(row, tmp_path / "rows" / "1", _SUCCEEDED)

    name = "scraps" if large == "scraps" else "outputs"
    assert ended.has_succeeded
    assert ended.message == f"too large for the tables of results: {name}; see the row's folder"


@pytest.mark.parametrize("text", ["[1]", "{", "\0", '{"duration": "x", "peak_memory": [], "cells": 5}', "1" * 50])
def test_records_of_a_notebook_may_be_anything(text: str, tmp_path: Path) -> None:
    answer = {"state": "failed", "reason": 5, "message": ["x"]}

    ended = collect_row(left(tmp_path, result=text, scraps=text, outputs=text), tmp_path / "1", answer)

    assert (ended.state, ended.reason, ended.message, ended.seconds) == ("failed", None, None, None)


@pytest.mark.parametrize(
    ("scraps", "expected"),
    [
        ('{"a": NaN, "b": [Infinity], "c": 1e999}', {"a": None, "b": [None], "c": None}),
        (r'{"a": "\ud800", "\udc00": 1}', {"a": "?", "?": 1}),
        (r'{"__proto__": {"x": 1}, "": 2, "a\u0000": 3}', {"__proto__": {"x": 1}, "": 2, "a\0": 3}),
        (json.dumps({"small": 1, "large": "x" * 100_000}), {"small": 1}),
        ('{"a": ' + "9" * 5000 + "}", {}),
        (
            json.dumps({"a": 1} | {f"{number:05}": "x" * 65529 for number in range(20)}),
            {"a": 1} | {f"{number:05}": "x" * 65529 for number in range(15)},
        ),
    ],
)
def test_scraps_that_no_table_can_have_do_not_end_a_map(scraps: str, expected: dict[str, Any], tmp_path: Path) -> None:
    record = '{"duration": ' + "9" * 401 + ', "peak_memory": true}'
    folder = left(tmp_path, scraps=scraps, result=record)

    ended = collect_row(folder, tmp_path / "rows" / "1", _SUCCEEDED)

    assert (ended.scraps, ended.seconds, ended.peak_memory) == (expected, None, None)
    with open_journal(tmp_path, resume=False) as journal:
        journal.store(row(1), "1", ended)
        results = [(row(1, n=float("nan"), text="\ud800"), "1", journal.ended(row(1), "1"))]
    write_report(tmp_path, results, package="<b>", tables=write_results(tmp_path, results))


def test_whole_numbers_of_any_size_are_results_next_to_fractions(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    ended = [Ended(state="succeeded", scraps={"n": value}) for value in (1.5, 10**400)]

    write_results(tmp_path, [(row(number), str(number), one) for number, one in enumerate(ended, 1)])

    assert parquet.read_table(tmp_path / "results.parquet")["n"].to_pylist() == ["1.5", str(10**400)]


@pytest.mark.parametrize("value", [[{}], [[{}]], [{"a": {}}], [{"a": [{}]}, {"a": []}]])
def test_objects_without_fields_are_results(value: Any, tmp_path: Path) -> None:
    """Parquet has no type for them."""
    parquet = pytest.importorskip("pyarrow.parquet")

    write_results(tmp_path, [(row(1), "1", Ended(state="succeeded", scraps={"a": value}))])

    assert parquet.read_table(tmp_path / "results.parquet")["a"].to_pylist() == [json.dumps(value)]


def test_scraps_of_all_rows_beyond_what_the_memory_may_take_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.package.map.row_table._LEAST_RECORDS", 1000)
    monkeypatch.setattr("generator.package.map.row_table._SHARE_OF_MEMORY", 0)
    rows = [row(number) for number in range(1, 11)]
    warnings: list[str] = []
    with open_journal(tmp_path, resume=False) as journal:
        table = RowTable(tmp_path, rows, {one.number: str(one.number) for one in rows}, journal)
        for number, one in enumerate(rows):
            table.store(one, Ended(state="succeeded", scraps={"mean": number, "text": "x" * 200}))

        results = table.results(warn=warnings.append)

    assert [ended and ended.scraps for _, _, ended in results] == [{"mean": number} for number in range(10)]
    assert warnings == ["scraps of a row beyond 100 characters are not in the tables of results; see the rows' folders"]


def test_a_name_of_a_scrap_counts_like_its_value() -> None:
    assert small_values({"x" * 100_000: 1, "a": 1}) == {"a": 1}


def test_a_notebook_that_names_other_scraps_in_each_row_fills_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.package.map.results._MOST_CELLS", 30)
    monkeypatch.setattr("generator.package.map.results._LEAST_COLUMNS", 2)
    ended = [Ended(state="succeeded", scraps={f"of {number}": number, "mean": 1.5}) for number in range(10)]
    warnings: list[str] = []

    rows = [(row(number), str(number), one) for number, one in enumerate(ended, 1)]
    write_results(tmp_path, rows, warn=warnings.append)

    with (tmp_path / "results.csv").open(newline="") as file:
        names = next(csv.reader(file))
    assert names[-3:] == ["mean", "of 0", "of 1"]
    assert warnings == [
        "8 scraps or outputs of few rows have no column in the tables of results; see the rows' folders"
    ]


@pytest.mark.parametrize(
    ("value", "expected"), [("1.5", 1.5), ("-1", None), ("true", None), ("1e300", None), ("9" * 400, None)]
)
def test_a_duration_is_what_a_run_can_take(value: str, expected: float | None, tmp_path: Path) -> None:
    ended = collect_row(
        left(tmp_path, result=f'{{"duration": {value}, "peak_memory": {value}}}'), tmp_path / "1", _SUCCEEDED
    )

    assert (ended.seconds, ended.peak_memory) == (expected, None)


@pytest.mark.parametrize("nested", ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "[" * 100_000])
def test_records_may_be_nested_deeply(nested: str, tmp_path: Path) -> None:
    text = f'{{"a": {nested}}}'
    ended = collect_row(left(tmp_path, scraps=text, outputs=text, result=text), tmp_path / "rows" / "1", _SUCCEEDED)

    with open_journal(tmp_path, resume=False) as journal:
        journal.store(row(1), "1", ended)
    assert ended.state == "succeeded"


@pytest.mark.parametrize("path", ["/etc/passwd", "output/../../secret", "../x"])
def test_an_output_outside_of_the_row_is_not_linked(path: str, tmp_path: Path) -> None:
    outputs = json.dumps({"map": {"class": "File", "path": path}})

    assert collect_row(left(tmp_path, outputs=outputs), tmp_path / "1", _SUCCEEDED).outputs == {"map": None}


def row(number: int, **values: Any) -> PlannedRow:
    return PlannedRow(number=number, values=values, given=values)


def test_the_journal_knows_rows_by_their_values_and_folders(tmp_path: Path) -> None:
    ended = Ended(state="succeeded", scraps={"y": 1})
    with open_journal(tmp_path, resume=False) as journal:
        journal.store(row(1, n=1), "1", ended)
    with open_journal(tmp_path, resume=True) as journal:
        found = [journal.ended(row(1, n=1), "1"), journal.ended(row(1, n=2), "1"), journal.ended(row(1, n=1), "a")]

    assert found == [ended, None, None]


@pytest.mark.parametrize(
    ("number", "n", "folder", "kept"),
    [
        (2, 1, "B", {1, 2, 3, 4}),
        (2, 2, "B", {1, 3, 4}),
        (1, 1, "B", {1, 3, 4}),
        (5, 1, "C", {1, 2, 4}),
        (5, 1, "B/1", {1, 3, 4}),
        (5, 1, "D", {1, 2, 3, 4}),
    ],
)
def test_a_row_whose_results_are_replaced_is_forgotten_before(
    number: int, n: int, folder: str, kept: set[int], tmp_path: Path
) -> None:
    """Also one whose folder, of another template, is above or below that of the row that replaces it."""
    with open_journal(tmp_path, resume=False) as journal:
        for other, place in {1: "A", 2: "B", 3: "C/1", 4: "B0"}.items():
            journal.store(row(other, n=1), place, Ended(state="succeeded"))

        journal.forget_replaced(row(number, n=n), folder)

        assert journal.numbers() == kept


def test_rows_that_ended_with_other_values_or_are_not_in_the_table_any_more_are_counted(tmp_path: Path) -> None:
    """The user is told: a table may be a wrong one, so nothing of theirs is removed before others take their places."""
    with open_journal(tmp_path, resume=False) as journal:
        for number, folder in {1: "1", 2: "2", 3: "3", 4: "old/4"}.items():
            journal.store(row(number, n=1), folder, Ended(state="succeeded"))

        rows, folders = [row(1, n=1), row(2, n=2), row(4, n=1)], {1: "1", 2: "2", 4: "new/4"}
        assert journal.count_outdated(rows, folders) == 3
        assert journal.count_outdated(rows[:1], folders) == 3
        assert journal.ended(row(2, n=1), "2") == Ended(state="succeeded")


def test_tables_of_an_earlier_map_that_are_not_written_again_are_removed(tmp_path: Path) -> None:
    """Such as by a map without pyarrow, or without --report; a file that no map wrote stays."""
    names = ("results.parquet", "report.html")
    with open_journal(tmp_path, resume=False) as journal:
        for name in names:
            (tmp_path / name).touch()
        earlier_files.remove_outdated_tables(tmp_path, journal, [])
        assert all((tmp_path / name).exists() for name in names)

        earlier_files.claim_tables(journal, report=True)
        earlier_files.remove_outdated_tables(tmp_path, journal, [tmp_path / name for name in names])
        assert all((tmp_path / name).exists() for name in names)

        (tmp_path / "kept").touch()
        (tmp_path / "report.html").unlink()
        (tmp_path / "report.html").symlink_to("kept")
        earlier_files.remove_outdated_tables(tmp_path, journal, [tmp_path / "results.csv"])
        assert sorted(path.name for path in tmp_path.iterdir()) == [".packmill-map", "kept"]


@pytest.mark.parametrize(
    "link", [".packmill-map", ".packmill-map/lock", ".packmill-map/rows.sqlite", ".packmill-map/toil"]
)
def test_a_map_s_own_files_are_no_links_that_a_repository_shipped(link: str, tmp_path: Path) -> None:
    kept, outdir = tmp_path / "kept", tmp_path / "results"
    (kept / "work-of-the-user").mkdir(parents=True)
    (outdir / link).parent.mkdir(parents=True)
    (outdir / link).symlink_to(kept)

    with pytest.raises(UsageError, match=f"{link}: is a link"), open_journal(outdir, resume=False):
        pass

    assert [path.name for path in kept.iterdir()] == ["work-of-the-user"]


def test_only_a_continued_map_runs_what_an_earlier_one_left_for_toil(tmp_path: Path) -> None:
    (tmp_path / ".packmill-map/toil/1").mkdir(parents=True)

    with pytest.raises(UsageError, match="add --resume"), open_journal(tmp_path, resume=False):
        pass

    with open_journal(tmp_path, resume=True):
        pass


def test_a_table_of_results_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("of the user")
    for link in (".results.csv.new", ".results.parquet.new", ".report.html.new", "results.csv", "report.html"):
        (tmp_path / link).symlink_to("kept")
    results = [(row(1), "1", Ended(state="succeeded"))]

    tables = write_results(tmp_path, results)
    report = write_report(tmp_path, results, package="main", tables=tables)

    assert (tmp_path / "kept").read_text() == "of the user"
    assert not [path for path in (*tables, report) if path.is_symlink()]
    assert not list(tmp_path.glob(".*.new"))


def test_rows_that_a_power_loss_may_have_taken_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ended after the last sync, if the machine was started since."""
    ended = Ended(state="succeeded")
    with open_journal(tmp_path, resume=False) as journal:
        journal.store(row(1), "1", ended)
        journal.sync()
        journal.store(row(2), "2", ended)
    with open_journal(tmp_path, resume=True) as journal:
        assert (journal.forget_lost(), journal.numbers()) == (0, {1, 2})

    monkeypatch.setattr(durable_files, "boot", lambda: "another start of the machine")
    with open_journal(tmp_path, resume=True) as journal:
        assert (journal.forget_lost(), journal.numbers()) == (1, {1})


@pytest.mark.parametrize("failure", [OSError(errno.EIO, "I/O error"), sqlite3.OperationalError("disk I/O error")])
def test_a_failed_sync_is_repeated_and_the_map_goes_on(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def sync(_journal: Journal) -> None:
        tried.append(True)
        if len(tried) == 1:
            raise failure

    monkeypatch.setattr(Journal, "sync", sync)
    with open_journal(tmp_path, resume=False) as journal, synced(journal, interval=0.01):
        wait_until(lambda: len(tried) > 1, seconds=30)


def test_results_are_not_mixed_with_those_of_an_earlier_map(tmp_path: Path) -> None:
    with open_journal(tmp_path, resume=False) as journal:
        journal.store(row(1), "1", Ended(state="failed"))

    with pytest.raises(UsageError, match="add --resume"), open_journal(tmp_path, resume=False):
        pass


@pytest.mark.parametrize("name", ["results.csv", "results.parquet", "report.html", "rows/1", "rows"])
def test_a_map_begins_in_no_folder_with_files_of_others_that_it_would_replace(name: str, tmp_path: Path) -> None:
    """A project may have a folder ``results`` of its own, or the table of the map be in it."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    is_refused = pytest.raises(UsageError, match=f"{name}: was not written by a map")

    with open_journal(tmp_path, resume=True) as journal:
        with is_refused:
            refuse_files_of_others(tmp_path, journal, report=True)
        journal.digits(1)
    with open_journal(tmp_path, resume=False) as journal:  # of a map that ended before its first row, such as by Ctrl-C
        refuse_files_of_others(tmp_path, journal, report=True)

    assert path.read_text() == "mine"


@pytest.mark.parametrize("has_ended", [True, False], ids=["ended", "killed"])
def test_a_report_of_the_user_is_kept_by_a_map_without_one_and_by_its_continuation(
    has_ended: bool, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("mine")
    (tmp_path / "rows").mkdir()

    with open_journal(tmp_path, resume=False) as journal:
        refuse_files_of_others(tmp_path, journal, report=False)
        journal.digits(1)
        if has_ended:
            earlier_files.remove_outdated_tables(tmp_path, journal, [tmp_path / "results.csv"])
    with open_journal(tmp_path, resume=True) as journal:
        refuse_files_of_others(tmp_path, journal, report=False)
        with pytest.raises(UsageError, match=r"report\.html: was not written by a map"):
            refuse_files_of_others(tmp_path, journal, report=True)


def test_a_map_that_is_killed_while_it_writes_its_report_goes_on_with_one(tmp_path: Path) -> None:
    with open_journal(tmp_path, resume=False) as journal:
        refuse_files_of_others(tmp_path, journal, report=False)
        journal.digits(1)
        earlier_files.remove_outdated_tables(tmp_path, journal, [])
    with open_journal(tmp_path, resume=True) as journal:
        earlier_files.claim_tables(journal, report=True)
    (tmp_path / "report.html").write_text("of the map")

    with open_journal(tmp_path, resume=True) as journal:
        refuse_files_of_others(tmp_path, journal, report=True)


def test_a_journal_on_a_full_disk_has_the_exit_code_of_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", fail)
    with pytest.raises(UsageError, match="check its permissions and its disk"), open_journal(tmp_path, resume=True):
        pass
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096))
    with pytest.raises(DiskFullError, match=r"rows\.sqlite: the disk is full"), open_journal(tmp_path, resume=True):
        pass


def test_two_maps_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path, resume=False),
        pytest.raises(UsageError, match="another packmill map"),
        open_journal(tmp_path, resume=True),
    ):
        pass


def test_maps_on_two_hosts_do_not_write_to_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS, the lock of a folder holds for one host; all hosts see that of a file, if it is open for writing."""
    lock = fcntl.flock

    def lock_as_nfs(descriptor: int, options: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_RDWR
            lock(descriptor, options)

    monkeypatch.setattr(fcntl, "flock", lock_as_nfs)

    test_two_maps_do_not_write_to_one_folder(tmp_path)


def test_the_lock_of_a_map_of_an_earlier_version_counts(tmp_path: Path) -> None:
    (tmp_path / ".packmill-map").mkdir()
    earlier = os.open(tmp_path / ".packmill-map", os.O_RDONLY)
    fcntl.flock(earlier, fcntl.LOCK_EX)

    with pytest.raises(UsageError, match="another packmill map"), open_journal(tmp_path, resume=False):
        pass

    os.close(earlier)


def test_a_map_that_continues_with_another_package_is_noticed(tmp_path: Path) -> None:
    with open_journal(tmp_path, resume=False) as journal:
        assert not journal.change_tool(1)
        assert not journal.change_tool(2), "no row has ended"
        journal.store(row(1), "1", Ended(state="succeeded"))
    with open_journal(tmp_path, resume=True) as journal:
        assert not journal.change_tool(2)
        assert journal.change_tool(3)


def test_another_package_is_noticed_if_jobs_of_an_interrupted_map_may_have_run_rows(tmp_path: Path) -> None:
    with open_journal(tmp_path, resume=False) as journal:
        assert not journal.change_tool(1)
    (tmp_path / hidden_folder / "toil" / "1").mkdir(parents=True)
    with open_journal(tmp_path, resume=True) as journal:
        assert not journal.change_tool(1)
        assert journal.change_tool(2)


_RESULTS = [
    (row(1, n=1), "1", Ended(state="succeeded", seconds=0.5, scraps={"y": 2, "state": "=x", "m": [1]})),
    (row(2, n=-2), "2", Ended(state="failed", reason="cell-error", message="-1", outputs={"map": "a.png"})),
    (row(3, n=3), "3", None),
]


def test_the_table_has_a_row_for_each_row(tmp_path: Path) -> None:
    write_results(tmp_path, _RESULTS)

    with (tmp_path / "results.csv").open(newline="") as file:
        first, second, third = csv.DictReader(file)
    assert (first["row"], first["n"], first["state"], first["y"], first["m"]) == ("1", "1", "succeeded", "2", "[1]")
    assert (second["n"], second["reason"], second["map"], second["y"]) == ("-2", "cell-error", "rows/2/a.png", "")
    assert (third["state"], third["folder"]) == ("missing", "")


def test_a_scrap_with_a_taken_name_and_texts_like_formulas_stay_readable(tmp_path: Path) -> None:
    write_results(tmp_path, _RESULTS)

    with (tmp_path / "results.csv").open(newline="") as file:
        first, second, _ = csv.DictReader(file)
    assert (first["scrap_state"], second["message"]) == ("'=x", "'-1")


def test_parquet_keeps_types(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write_results(tmp_path, _RESULTS)

    table = parquet.read_table(tmp_path / "results.parquet").to_pydict()
    assert table["n"] == [1, -2, 3]
    assert table["m"] == [[1], None, None]
    assert table["scrap_state"] == ["=x", None, None]


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([1, 0.5], [1.0, 0.5]),
        ([2**53 + 1, 0.5], ["9007199254740993", "0.5"]),
        ([2**63, 1], ["9223372036854775808", "1"]),
        ([[2**53 + 1], [0.5]], ["[9007199254740993]", "[0.5]"]),
    ],
)
def test_parquet_rounds_no_whole_number(values: list[Any], column: list[Any], tmp_path: Path) -> None:
    """A column whose numbers no type of Parquet has is text."""
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    ended = [Ended(state="succeeded", scraps={"id": value}) for value in values]
    write_results(tmp_path, [(row(number), str(number), one) for number, one in enumerate(ended, 1)])

    assert parquet.read_table(tmp_path / "results.parquet").to_pydict()["id"] == column


def test_inputs_that_are_infinite_or_not_a_number_are_in_the_tables(tmp_path: Path) -> None:
    """They are no missing values, for which the default would have run; JSON has them as texts."""
    numbers = [math.inf, -math.inf, math.nan, 0.5]
    results = [
        (row(number, cutoff=value, limits=[value], any=value if number > 1 else "x"), str(number), None)
        for number, value in enumerate(numbers, 1)
    ]
    write_results(tmp_path, results)

    with (tmp_path / "results.csv").open(newline="") as file:
        found = [(one["cutoff"], one["limits"], one["any"]) for one in csv.DictReader(file)]
    assert found == [
        ("inf", '["inf"]', "x"),
        ("-inf", '["-inf"]', "-inf"),
        ("nan", '["nan"]', "nan"),
        ("0.5", "[0.5]", "0.5"),
    ]
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = parquet.read_table(tmp_path / "results.parquet").to_pydict()
    assert list(map(str, columns["cutoff"])) == list(map(str, numbers))
    assert list(map(str, columns["limits"])) == [str([number]) for number in numbers]
    assert columns["any"] == ["x", "-inf", "nan", "0.5"]


def test_a_table_that_cannot_be_written_leaves_no_half_of_it(tmp_path: Path) -> None:
    write_results(tmp_path, _RESULTS[:1])
    before = (tmp_path / "results.csv").read_text()
    circular: list[Any] = []
    circular.append(circular)

    with pytest.raises(RecursionError):
        write_results(tmp_path, [_RESULTS[0], (row(2), "2", Ended(state="succeeded", scraps={"y": circular}))])

    assert (tmp_path / "results.csv").read_text() == before
    assert not list(tmp_path.glob(".results*"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFullError),
        (DiskFullError(OSError(errno.ENOSPC, "No space left on device")), DiskFullError),
        (sqlite3.OperationalError("database or disk is full"), DiskFullError),
        (OSError(errno.EIO, "Input/output error"), RunError),
    ],
)
def test_a_disk_that_is_full_or_broken_ends_a_map_with_advice(
    error: Exception, kind: type[PackmillError], tmp_path: Path
) -> None:
    with pytest.raises(kind, match=r"the same command with --resume runs what is missing$"), _written_to(tmp_path):
        raise error


def test_an_input_with_the_name_of_another_column_keeps_its_values(tmp_path: Path) -> None:
    ended = Ended(state="failed", outputs={"input_state": "a.txt"})
    write_results(tmp_path, [(row(1, row="north", state="Ohio"), "1", ended)])

    with (tmp_path / "results.csv").open(newline="") as file:
        names, cells = list(csv.reader(file))
    assert len(set(names)) == len(names)
    found = dict(zip(names, cells, strict=True))
    assert (found["row"], found["state"], found["input_row"], found["input_state"]) == ("1", "failed", "north", "Ohio")
    assert found["output_input_state"] == "rows/1/a.txt"


@pytest.mark.parametrize(
    "stored",
    [
        "{",
        "[]",
        "{}",
        '{"state": "other"}',
        '{"state": "succeeded", "of_another_version": 1}',
        '{"state": "succeeded", "outputs": 7}',
        "[" * 100_000,
        b"\xff",
        None,
    ],
    ids=lambda stored: str(stored)[:30],
)
def test_a_row_whose_entry_is_damaged_runs_again(stored: str | bytes | None, tmp_path: Path) -> None:
    with open_journal(tmp_path, resume=False) as journal:
        journal.store(row(1), "1", Ended(state="succeeded"))
        journal.digits(3)
    with closing(sqlite3.connect(tmp_path / ".packmill-map" / "rows.sqlite")) as database, database:
        database.execute("UPDATE rows SET ended = ?", (stored,))
        database.execute("UPDATE facts SET value = 'three'")

    with open_journal(tmp_path, resume=True) as journal:
        assert (journal.ended(row(1), "1"), journal.digits(2)) == (None, 2)


def test_a_damaged_journal_is_an_error(tmp_path: Path) -> None:
    with open_journal(tmp_path, resume=False) as journal:
        for number in range(1, 200):
            journal.store(row(number), "1", Ended(state="succeeded", message="a" * 1000))
    file = tmp_path / ".packmill-map" / "rows.sqlite"
    content = bytearray(file.read_bytes())
    content[4096:] = b"x" * (len(content) - 4096)
    file.write_bytes(content)

    with pytest.raises(UsageError, match="journal cannot be opened"), open_journal(tmp_path, resume=True):
        pass
