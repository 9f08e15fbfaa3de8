"""What the jobs of a workflow share: its plan, its rows, and the answers of the rows that ended."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What all jobs share; memory and disk in bytes, times in seconds."""

    command: list[str]
    """Starts a container. Between null characters, which no word of a command has, it has the names of what a job
    replaces: inputs and gpus by options, and group, tmp and name within words."""
    kill: list[str]
    """Kills a container, with its name to replace; empty for one that ends with its process."""
    writing: dict
    """What a row may write, as in `WriteLimits`: "size" and "files"; "advice" follows the limit in a message."""
    copied_at_most: int
    """Bytes of results that packmill copies out of the reach of their container; it moves more once that has ended."""
    most_files: int
    """Input files and folders that a container of several rows can read."""
    gpu_options: list[str]
    """See `row_gpus.py`."""
    isolated: bool
    rows: int
    rows_per_job: int | None
    """None: chosen from the measured time of the first rows."""
    first: int
    parallel: int
    """How many jobs the remaining rows are divided into at least."""
    cores: float
    memory: int
    disk: int
    gpus: int
    row_limit: float | None
    """The time limit of a row, if the package has one."""
    grace: float
    """Time that a row may take beyond its limit, and a container for its end after the last row."""
    start_limit: float
    """Time that a container may take for its start, if rows have a limit."""


def read_plan(folder: str) -> Plan:
    """Return the plan of a workflow."""
    return Plan(**json.loads(Path(folder, "plan.json").read_text(encoding="utf-8")))


def read_rows(folder: str, start: int, stop: int) -> list[dict]:
    """Return rows ``start`` to ``stop`` of a workflow."""
    with Path(folder, "rows.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in itertools.islice(lines, start, stop)]


def group_name(start: int) -> str:
    """Return the name of a group's folder."""
    return f"{start:07d}"


def parse_answer(line: bytes) -> dict | None:
    """Return a runner's answer without lists and objects, which a notebook may nest deeper than the leader can read."""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    return {name: value for name, value in answer.items() if not isinstance(value, (dict, list))}


def read_answers(path: Path) -> list[dict]:
    """Return the answers of a group; a line that was not completed is none."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [answer for line in lines if line.endswith(b"\n") and (answer := parse_answer(line)) and "number" in answer]
