"""``packmill map``: a package for every row of a table, in containers that run many rows."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from local_images import Built
from support import Finished
from waiting import wait_until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.group("several"),
]

Packmill = Callable[..., Finished]


def results(outdir: Path) -> list[dict[str, str]]:
    """The table of results."""
    with (outdir / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def containers() -> str:
    """The ids of all containers of maps."""
    listing = ["docker", "ps", "--all", "--quiet", "--filter", "label=org.packmill.map"]
    return subprocess.run(listing, capture_output=True, text=True, check=True).stdout


def test_a_table_becomes_a_table_of_results(several: Built, tmp_path: Path, packmill: Packmill) -> None:
    (tmp_path / 'a, "b".txt').write_text("of a")
    (tmp_path / "cities.csv").write_text('n,page,mode\n3,"a, ""b"".txt",\n-1,,b\n7,,\n')

    done = packmill("map", several.package / "good", tmp_path / "cities.csv", "--outdir", tmp_path / "out", "--json")

    assert done.code == 0, done.err
    assert json.loads(done.out)["succeeded"] == 3
    rows = results(tmp_path / "out")
    assert [(row["scrap_n"], row["text"], row["scrap_mode"]) for row in rows] == [
        ("3", "of a", "a"),
        ("-1", "", "b"),
        ("7", "", "a"),
    ]
    assert (tmp_path / "out" / rows[1]["out"]).read_text() == "-1"
    assert (tmp_path / "out" / "rows" / "2" / "good.ipynb").is_file()
    assert rows[0]["uid"] == str(os.getuid())
    assert not list((tmp_path / "out" / ".packmill-map").glob("work-*"))


def test_rows_with_a_destination_run_with_cwltool(several: Built, tmp_path: Path, packmill: Packmill) -> None:
    (tmp_path / "rows.csv").write_text("n,stage_out\n3,delivered\n4,s3://\n5,\n")
    command = ("map", several.package / "good", tmp_path / "rows.csv", "--outdir", tmp_path / "out")

    done = packmill(*command, "--parallel", "3")

    assert done.code == 20, done.err
    assert "row 1 has an address to fetch or a destination: cwltool runs the rows" in done.err
    rows = results(tmp_path / "out")
    assert [(row["state"], row["reason"], row["scrap_n"]) for row in rows] == [
        ("succeeded", "", "3"),
        ("failed", "workflow-failed", "4"),
        ("succeeded", "", "5"),
    ]
    assert rows[1]["message"]
    assert (tmp_path / "out" / rows[0]["staged_dir"] / "n.txt").read_text() == "3"
    assert json.loads((tmp_path / "out" / rows[0]["staged"]).read_text())
    assert (tmp_path / "out" / rows[2]["out"]).read_text() == "5"
    assert not containers()

    (tmp_path / "rows.csv").write_text("n,stage_out\n3,delivered\n4,\n5,\n")
    again = packmill(*command, "--resume", "--report")

    assert again.code == 0, again.err
    assert "2 of them have results" in again.err
    assert [Path(line).name for line in again.out.split()] == ["results.csv", "results.parquet", "report.html"]
    assert [row["scrap_n"] for row in results(tmp_path / "out")] == ["3", "4", "5"]


def test_tuning_measures_the_first_rows_and_keeps_them(several: Built, tmp_path: Path, packmill: Packmill) -> None:
    command = ("map", several.package / "good", "--product", "n=1..4", "--outdir", tmp_path / "out")

    done = packmill(*command, "--tune", "--tune-rows", "2", "--json")

    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert (summary["succeeded"], summary["missing"], summary["tune"]["rows"]) == (2, 2, 2)
    measured, proposed = summary["tune"]["measured"], summary["tune"]["proposed"]
    assert measured["cores"] > 0
    assert 20 < measured["ram"] < 1000
    assert proposed["time"] == 120
    assert min(proposed["cores"], proposed["parallel"]) >= 1

    again = packmill(*command, "--resume")

    assert again.code == 0, again.err
    assert "2 of them have results" in again.err
    assert [row["attempts"] for row in results(tmp_path / "out")] == ["1"] * 4


def test_nothing_starts_when_a_row_does_not_fit(several: Built, tmp_path: Path, packmill: Packmill) -> None:
    done = packmill("map", several.package / "good", "--product", "n=1,x", "--outdir", tmp_path / "out")

    assert done.code == 2
    assert "row 2: n is 'x'" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [(), ("--isolate", "container", "--parallel", "1")])
def test_failed_rows_have_reasons_and_their_notebooks(
    options: tuple[str, ...], several: Built, tmp_path: Path, packmill: Packmill
) -> None:
    product = ("--product", "n=1..2", "--outdir", str(tmp_path / "out"))
    done = packmill("map", several.package / "failing", *product, *options)

    assert done.code == 20
    assert "2 of 2 rows failed; row 1: cell 3 failed: ValueError: the reason" in done.err
    row = results(tmp_path / "out")[1]
    assert (row["state"], row["reason"], row["cell"]) == ("failed", "cell-error", "3")
    assert (tmp_path / "out" / row["folder"] / "failing.ipynb").is_file()
    assert (tmp_path / "out" / row["folder"] / "before.txt").is_file()


def test_no_more_rows_start_after_too_many_failures(several: Built, tmp_path: Path, packmill: Packmill) -> None:
    limits = ("--max-failures", "2", "--parallel", "1")
    done = packmill("map", several.package / "failing", "--product", "n=1..40", "--outdir", tmp_path / "out", *limits)

    assert done.code == 20
    states = [row["state"] for row in results(tmp_path / "out")]
    assert 3 <= states.count("failed") <= 5
    assert states.count("missing") == 40 - states.count("failed")


def test_a_killed_map_goes_on_with_resume(several: Built, tmp_path: Path, packmill: Packmill) -> None:
    outdir = tmp_path / "out"
    words = ["map", str(several.package / "good"), "--outdir", str(outdir), "--product"]

    def stored() -> list[int]:
        try:
            with closing(sqlite3.connect(f"file:{outdir}/.packmill-map/rows.sqlite?mode=ro", uri=True)) as database:
                return [number for (number,) in database.execute("SELECT number FROM rows")]
        except sqlite3.Error:
            return []

    process = subprocess.Popen([sys.executable, "-m", "generator", *words, "n=1..99"], stderr=subprocess.DEVNULL)
    wait_until(lambda: len(stored()) > 10, message="some rows have ended")
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {number: (outdir / "rows" / f"{number:02d}" / "result.json").read_text() for number in stored()}
    assert packmill(*words, "n=1..99").code == 2  # results of a map are not overwritten

    done = packmill(*words, "n=1..120", "--resume")

    assert done.code == 0, done.err
    assert f"{len(kept)} of them have results" in done.err
    rows = results(outdir)
    assert [row["scrap_n"] for row in rows] == [str(number) for number in range(1, 121)]
    assert {row["attempts"] for row in rows} == {"1"}
    for number, text in kept.items():
        assert (outdir / "rows" / f"{number:02d}" / "result.json").read_text() == text
    assert len(list((outdir / "rows").iterdir())) == 120
    assert containers() == ""
