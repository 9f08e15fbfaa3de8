"""``kill -9`` of one map at random moments, each followed by ``--resume``: every row has one result.

CI kills the map once, with few rows; ``make crash`` kills one of a thousand rows again and again.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from crash_trials import Trials, begin, kill_tree
from local_images import Built
from waiting import wait_until

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.group("several")]

_ROWS_A_KILL, _MOST_ROWS = 50, 1000
_START = 2.0
"""Seconds in which a map that is killed before its next row ends may be anywhere in its start."""


class KilledMap:
    """A map that is begun again with ``--resume`` each time."""

    def __init__(self, package: Path, folder: Path, *, rows: int, trials: Trials) -> None:
        self.rows, self.outdir = rows, folder / "out"
        self._folder, self._trials = folder, trials
        self._words = ("map", package, "--product", f"n=1..{rows}", "--outdir", self.outdir)

    def begin(self) -> subprocess.Popen[str]:
        """Begin the map, or go on with it."""
        resume = ("--resume",) if self.outdir.exists() else ()
        return begin(("-m", "generator", *self._words, *resume), cwd=self._folder)

    def ended(self) -> dict[int, str]:
        """What the journal has of each row that ended."""
        address = f"file:{self.outdir}/.packmill-map/rows.sqlite?mode=ro"
        with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as database:
            return dict(database.execute("SELECT number, ended FROM rows"))
        return {}

    def results(self, numbers: set[int]) -> dict[int, tuple[str, int, int]]:
        """The records of rows, with the file that each of them is in: a row that runs again has another one."""
        paths = {
            number: self.outdir / "rows" / f"{number:0{len(str(self.rows))}d}" / "result.json" for number in numbers
        }
        return {
            number: (path.read_text(), path.stat().st_ino, path.stat().st_mtime_ns) for number, path in paths.items()
        }

    def kill(self, further: int) -> float:
        """Begin the map, kill it some time after so many further rows have ended, and return the moment in seconds.

        Either all of its processes are killed, or the one alone that distributes the rows, as Linux does when memory
        runs out: then its containers go on.
        """
        began, process, goal = time.monotonic(), self.begin(), len(self.ended()) + further
        wait_until(
            lambda: process.poll() is not None or len(self.ended()) >= goal, message="rows have ended", seconds=300
        )
        time.sleep(self._trials.random.uniform(0, 0.2 if further else _START))
        self._trials.killed += process.poll() is None
        if self._trials.random.random() < 0.5:
            kill_tree(process.pid)
        process.kill()
        process.wait(60)
        return time.monotonic() - began


def test_kills_of_a_map_of_many_rows(several: Built, tmp_path: Path, trials: Trials) -> None:
    rows = min(_ROWS_A_KILL * trials.number, _MOST_ROWS)
    one = KilledMap(several.package / "good", tmp_path, rows=rows, trials=trials)
    journal: dict[int, str] = {}
    kept: dict[int, tuple[str, int, int]] = {}

    def again() -> int:
        now = one.ended()
        same = {number for number, text in journal.items() if now.get(number) == text}
        return len(journal) - sum(one.results({number})[number] == kept[number] for number in same)

    for left in range(trials.number, 0, -1):
        share = 2 * (rows - len(journal)) // (left + 1)
        moment = one.kill(trials.random.randint(0, max(1, share)) if trials.random.random() < 0.8 else 0)
        trials.note(moment, doubled=again())
        journal = one.ended()
        kept = one.results(set(journal))
    process = one.begin()
    code = process.wait(600)
    with (one.outdir / "results.csv").open(newline="") as file:
        table = [(row["row"], row["state"], row["attempts"], row["scrap_n"]) for row in csv.DictReader(file)]
    expected = [(str(n), "succeeded", "1", str(n)) for n in range(1, rows + 1)]
    listing = ["docker", "ps", "--all", "--quiet", "--filter", "label=org.packmill.map"]
    left_behind = [
        *subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split(),
        *(one.outdir / ".packmill-map").glob("work-*"),
        *one.outdir.glob(".*.new"),
    ]
    folders = [path.name for path in (one.outdir / "rows").iterdir()]
    print(f"  {rows} rows, {len(journal)} had ended before the last --resume")
    trials.report()
    assert (code, again(), len(folders), left_behind) == (0, 0, rows, [])
    assert table == expected
    assert all(json.loads(text)["attempts"] == 1 for text in one.ended().values())
