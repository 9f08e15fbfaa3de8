"""A wave: rows that one Toil workflow runs, and what its jobs left, in the folder that `packmill_rows.py` describes.

A repeated row, which may need more memory, belongs to a later wave. The folder of a wave stays until all of its rows
have ended, so that ``--resume`` finds the rows that ended while nobody looked, and Toil's job store.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generator.package.map.files import Mounts
from generator.package.map.records import read_object
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Attempt
from generator.package.map.toil.plan import ToilPlan
from generator.resources import data_folder
from generator.shared import durable_files, removal, write_limits

_PLAN, _ROWS, _PROGRAM, _STOP, _TAKEN = "plan.json", "rows.jsonl", "packmill_rows.py", "stop", "taken"
_PERSISTENT = ("command", "writing", "isolated", "memory", "rows")
"""Fields of a plan that a leader which continues needs unchanged."""


@dataclass(slots=True)
class Wave:
    """Rows of one workflow, by their numbers."""

    folder: Path
    attempts: Mapping[int, Attempt]
    answered: set[int] = field(default_factory=set)
    """Rows that ended and whose results were taken."""
    _read: dict[str, int] = field(default_factory=dict)
    """How many bytes of each group's answers were read."""

    @property
    def program(self) -> Path:
        """The workflow, as the leader and all nodes see it."""
        return self.folder / _PROGRAM

    @property
    def job_store(self) -> Path:
        """Toil's job store, if the batch system can use one in a folder."""
        return self.folder / "jobstore"

    @property
    def has_begun(self) -> bool:
        """Whether a leader has made the job store, which may be one that the user names."""
        return (self.folder / "begun").exists()

    @property
    def log(self) -> Path:
        """The log of Toil's leader."""
        return self.folder / "toil.log"

    def left(self) -> list[Attempt]:
        """Return the attempts that have not ended."""
        return [attempt for number, attempt in self.attempts.items() if number not in self.answered]

    def answers(self) -> Iterator[tuple[Attempt, Path, Mapping[str, Any]]]:
        """Take the answers since the last call: the attempt, the folder of what the row left, and how it ended."""
        for group in self._groups():
            for answer in self._new_answers(group):
                number = answer.get("number")
                attempt = self.attempts.get(number) if isinstance(number, int) else None
                if attempt is None or number in self.answered:
                    continue
                left = group / "done" / str(number)
                if os.path.lexists(left) or not answer.get("left"):  # a notebook may have put a file in its place
                    self.answered.add(attempt.row.number)
                    yield attempt, left, answer

    def note_of_move(self, number: int) -> Path:
        """Return the file that exists once a row's results are being moved: a map that is killed then has them."""
        return self.folder / f"moved-{number}"

    def note_taken(self, number: int) -> None:
        """Note that a row's results were taken and recorded: a later map must not take its answer again."""
        with (self.folder / _TAKEN).open("a", encoding="ascii") as file:
            file.write(f"{number}\n")

    def running(self) -> int:
        """Count the jobs that run: each runs one row at a time."""
        return sum((group / "lock").exists() and not (group / "ended").exists() for group in self._groups())

    def problem(self) -> str:
        """Return why a job could not start a container; empty if none reports a problem."""
        for group in self._groups():
            with suppress(OSError):
                return (group / "problem").read_text(encoding="utf-8", errors="replace").strip()
        return ""

    def stop(self) -> None:
        """Let jobs start no further row."""
        (self.folder / _STOP).touch()

    def wait_for_jobs(self, say: Callable[[str], None]) -> None:
        """Wait for the jobs that a killed leader left behind, and report it: each ends after its current row."""
        for group in self._groups():
            with suppress(FileNotFoundError), (group / "lock").open("rb") as lock, suppress(OSError):
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    say(f"waiting for a job that the earlier map left, until its row has ended: {group}")
                    fcntl.flock(lock, fcntl.LOCK_SH)

    def remove(self) -> None:
        """Remove everything of the wave."""
        removal.remove_tree(self.folder)

    def _groups(self) -> Sequence[Path]:
        groups = self.folder / "groups"
        return sorted(groups.iterdir()) if groups.is_dir() else []

    def _new_answers(self, group: Path) -> Iterator[Mapping[str, Any]]:
        try:
            with (group / "answers.jsonl").open("rb") as file:
                file.seek(self._read.get(group.name, 0))
                complete, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self._read[group.name] = self._read.get(group.name, 0) + len(complete) + len(end)
        for line in complete.splitlines():
            with suppress(ValueError, RecursionError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    yield answer


def write_wave(plan: ToilPlan, attempts: Sequence[Attempt], *, isolated: bool) -> Wave:
    """Write what the leader needs to run some rows, which all get the same memory."""
    numbers = [int(path.name) for path in plan.folder.glob("[0-9]*")]
    folder = plan.folder / str(max(numbers, default=0) + 1)
    folder.mkdir(mode=0o700, parents=True)
    modules = map(Path, (write_limits.__file__, durable_files.__file__, removal.__file__))
    for file in (*sorted((data_folder("templates") / "toil").glob("*.py")), *modules):
        shutil.copyfile(file, folder / file.name)
    with _private(folder / _ROWS) as file:
        mounts = Mounts(attempt.row.values for attempt in attempts)
        file.writelines(f"{json.dumps(_line(plan, mounts, attempt))}\n" for attempt in attempts)
    shared = plan.shared(folder / "groups", rows=len(attempts), memory=attempts[0].memory, isolated=isolated)
    with _private(folder / _PLAN) as file:
        json.dump(shared, file)
    return Wave(folder, {attempt.row.number: attempt for attempt in attempts})


def _private(path: Path) -> Any:
    """Open a new file that nobody else can read: rows may have secret values."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")


def _line(plan: ToilPlan, mounts: Mounts, attempt: Attempt) -> dict[str, Any]:
    row = attempt.row
    return {
        "number": row.number,
        "digest": row.digest,
        "digest_with_keys": row.digest_with_keys,
        "attempt": attempt.number,
        "memory": attempt.memory,
        "inputs": mounts.inside(dict(row.values)),
        "mounts": plan.mounts(mounts.of_row(row.values)),
    }


def left_waves(plan: ToilPlan, rows: Sequence[PlannedRow], *, isolated: bool) -> Iterator[tuple[Wave, bool]]:
    """Yield the waves of an interrupted map, and whether Toil can continue each.

    It can if it would run the same rows in the same way, with the same secrets and keys. Rows whose values changed
    since are not in the waves, nor are those whose results were taken: they failed, and run again.
    """
    by_number = {row.number: row for row in rows}
    for folder in sorted(plan.folder.glob("[0-9]*"), key=lambda path: int(path.name)):
        lines = _read_lines(folder / _ROWS)
        expected = by_number.keys() - _read_lines(folder / _TAKEN)
        attempts = {
            line["number"]: Attempt(by_number[line["number"]], line["attempt"], line["memory"])
            for line in lines
            if line["number"] in expected and by_number[line["number"]].digest == line["digest"]
        }
        wave = Wave(folder, attempts)
        (folder / _STOP).unlink(missing_ok=True)
        memory = lines[0]["memory"] if lines else 1.0
        now = plan.shared(folder / "groups", rows=len(lines), memory=memory, isolated=isolated)
        then = read_object(folder / _PLAN)
        is_same = all(now[name] == then.get(name) for name in _PERSISTENT)
        unchanged = {
            line["number"]
            for line in lines
            if line["number"] in attempts
            and attempts[line["number"]].row.digest_with_keys == line.get("digest_with_keys")
        }
        unanswered = {line["number"] for line in lines} - set(_answered(folder))
        yield wave, is_same and unanswered <= unchanged and wave.has_begun


def _answered(folder: Path) -> Iterator[int]:
    for path in folder.glob("groups/*/answers.jsonl"):
        yield from (line["number"] for line in _read_lines(path))


def _read_lines(path: Path) -> list[Any]:
    """Return the lines of a file of packmill's own; a line that was not completed is left out."""
    lines = []
    with suppress(FileNotFoundError):
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
    return lines
