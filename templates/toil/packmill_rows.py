"""Rows of ``packmill map`` as jobs of a Toil workflow. Toil's Python runs this file, on the leader and on nodes.

    python packmill_rows.py FOLDER [OPTIONS OF TOIL] JOBSTORE

FOLDER is shared by all nodes. packmill writes, before it starts the leader:

    packmill_rows.py    this file
    write_limits.py     generator/shared/write_limits.py: it measures what rows write
    plan.json           the fields of `Plan`
    rows.jsonl          a row a line: {"number": …, "inputs": {…}, "mounts": [options of the container, …]}
    stop                at any time: no further row starts

A job runs the rows [start, stop) of ``rows.jsonl`` in one container, by ``packmill-runner rows``, and leaves:

    groups/START/answers.jsonl    a line for each row that ended: the runner's answer, "number", "left" (whether it left
                                  a folder), and "seconds"
    groups/START/done/NUMBER/     what the row left, see ``packmill-runner rows``
    groups/START/container-*/     a folder for each container, until it has ended: its rows write to `rows` in it, and
                                  what it prints is in `log`
    groups/START/problem          why the job could not start a container
    groups/START/ended            the job has ended

A row's answer is written once its folder is below ``done``, which no container sees. A job locks its group and runs
only rows without an answer. So a job that Toil runs a second time, after a killed leader or a lost node, repeats no
row, even while the first one still runs.

Uses Toil's documented API for Python alone (Job, Toil), and the standard library.
"""

from __future__ import annotations

import ctypes
import fcntl
import inspect
import itertools
import json
import math
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from toil.common import Toil
from toil.job import Job
from write_limits import WriteLimits

_LONGEST_ANSWER = 1 << 20
_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_SMALL = {"cores": 0.1, "memory": "256Mi", "disk": "16Mi"}
"""What jobs need that add other jobs."""
_KNOWN = inspect.signature(Job.__init__).parameters
"""Toil 9 has walltime; older versions only a time for all jobs (--slurmTime)."""
_TIMES_START = 10
"""How many times as long as its start a job runs at least, if rows are grouped by their measured time."""
_LONG_JOB = 600.0
"""Seconds beyond which a job gets no more rows than that."""
_SLOW_ROW = 3.0
"""How many times as long as the measured mean rows may take, before the job exceeds its time."""
_START_ALLOWANCE = 300.0
"""Seconds for the start of a job: the image may have to be pulled."""
_PAUSE = 0.5
"""Seconds between two measurements of a container, or ten times as long as the last one took."""
_CANCELED = 10.0
"""Seconds for the end of the container of a canceled job: Slurm kills the job after 30."""
_KILLS = 3
"""How often a container is killed that does not end."""


@dataclass(frozen=True)
class Plan:
    """What all jobs share; memory and disk in bytes, times in seconds."""

    command: list[str]
    """Starts a container. @inputs@ and @gpus@ are replaced by options, and @group@, @tmp@ and @name@ within words."""
    kill: list[str]
    """Kills a container, with the word @name@; empty for one that ends with its process."""
    writing: dict
    """What a row may write, as in `WriteLimits`: "size" and "files"; "advice" follows the limit in a message."""
    gpu_options: list[str]
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


class Begin(Job):
    """The first job: groups rows, or measures a few of them before."""

    def __init__(self, folder: str) -> None:
        super().__init__(**_small("begin"))
        self.folder = folder

    def run(self, _store: object) -> None:
        """Add the jobs that run rows."""
        plan = read_plan(self.folder)
        if plan.rows_per_job or plan.rows <= plan.first:
            add_groups(self, self.folder, plan, 0, plan.rows_per_job or plan.first)
            return
        self.addChild(Rows(self.folder, plan, 0, plan.first))
        self.addFollowOn(Spread(self.folder))


class Spread(Job):
    """Groups the rows that follow the measured ones."""

    def __init__(self, folder: str) -> None:
        super().__init__(**_small("spread"))
        self.folder = folder

    def run(self, _store: object) -> None:
        """Add the jobs that run rows."""
        plan = read_plan(self.folder)
        starts, rows = measured(Path(self.folder, "groups", group_name(0)))
        size = rows_per_job(plan.rows - plan.first, plan.parallel, start=starts, row=rows)
        add_groups(self, self.folder, plan, plan.first, size, row_seconds=rows)


class Rows(Job):
    """Runs a group of rows in one container."""

    def __init__(self, folder: str, plan: Plan, start: int, stop: int, row_seconds: float | None = None) -> None:
        needs = {"cores": plan.cores, "memory": plan.memory, "disk": plan.disk}
        if plan.gpus:
            needs["accelerators"] = [f"gpu:{plan.gpus}"]
        if "walltime" in _KNOWN:
            needs["walltime"] = job_limit(stop - start, plan.row_limit, row_seconds)
        super().__init__(**needs, unitName=f"rows-{start + 1}-{stop}", displayName="rows")
        self.folder, self.start, self.stop = folder, start, stop

    def run(self, _store: object) -> None:
        """Run the rows that have no answer."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a canceled job ends its container
        with TemporaryDirectory(prefix="packmill-rows-", dir=self.tempDir, ignore_cleanup_errors=True) as temporary:
            Group(self.folder, self.start, self.stop, temporary).run()


def _small(name: str) -> dict:
    """Return the options of a job that adds others: it runs on the leader, if this Toil can do so."""
    local = {"local": True} if "local" in _KNOWN else {}
    return {**_SMALL, **local, "displayName": name}


def add_groups(job: Job, folder: str, plan: Plan, start: int, size: int, *, row_seconds: float | None = None) -> None:
    """Add a job for each group of rows from ``start``."""
    for first in range(start, plan.rows, size):
        job.addChild(Rows(folder, plan, first, min(first + size, plan.rows), row_seconds))


def group_name(start: int) -> str:
    """Return the name of a group's folder."""
    return f"{start:07d}"


def measured(group: Path) -> tuple[float, float]:
    """Return the seconds of a container's start, and of a row after the first one, which may load more than others."""
    answers = read_answers(group / "answers.jsonl")
    times = [answer["seconds"] for answer in answers] or [1.0]
    later = times[1:] or times
    return max((answer["started"] for answer in answers), default=0.0), sum(later) / len(later)


def rows_per_job(rows: int, parallel: int, *, start: float, row: float) -> int:
    """Return how many of some rows a job runs, from the seconds of a container's start and of a row.

    A job lasts at least ten times as long as its start takes. Beyond that it gets its share of the rows, but not more
    than ten minutes' worth of them.
    """
    row = max(row, 1e-3)
    least = _TIMES_START * (start + 1.0) / row
    share = min(rows / parallel, _LONG_JOB / row)
    return max(1, min(math.ceil(max(least, share)), rows))


def job_limit(rows: int, row_limit: float | None, row_seconds: float | None) -> int:
    """Return the seconds that a job may take; 0 without a time limit of the package."""
    if not row_limit:
        return 0
    likely = rows * row_seconds * _SLOW_ROW + row_limit if row_seconds else math.inf
    return math.ceil(min(rows * row_limit, likely) + _START_ALLOWANCE)


class NotStartedError(Exception):
    """No container starts on this node; Toil repeats the job, maybe on another one."""


class Group:
    """The rows of one job."""

    def __init__(self, folder: str, start: int, stop: int, temporary: str) -> None:
        self.plan = read_plan(folder)
        self.rows = read_rows(folder, start, stop)
        self.folder = Path(folder, "groups", group_name(start))
        self.temporary = temporary
        self._stop = Path(folder, "stop")

    def run(self) -> None:
        """Run the rows that have no answer, in as many containers as it takes."""
        (self.folder / "done").mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self.folder / "lock"):
            (self.folder / "ended").unlink(missing_ok=True)
            try:
                self._run_left()
            except NotStartedError as problem:
                (self.folder / "problem").write_text(str(problem), encoding="utf-8")
                raise
            finally:
                (self.folder / "ended").touch()

    def _run_left(self) -> None:
        answered = {answer["number"] for answer in read_answers(self.folder / "answers.jsonl")}
        left = deque(row for row in self.rows if row["number"] not in answered)
        while left and not self._stop.exists():
            with TemporaryDirectory(dir=self.temporary, ignore_cleanup_errors=True) as temporary:
                mounted = [left[0]] if self.plan.isolated else left
                mounts = dict.fromkeys(mount for row in mounted for mount in row["mounts"])
                self._fill(Container(self, temporary, list(mounts)), left)

    def _fill(self, container: Container, left: deque) -> None:
        """Give rows to a container until all have ended, or the container has."""
        with container:
            while left and not self._stop.exists():
                row = left[0]
                began = time.monotonic()
                name, answer = container.ask(row["inputs"])
                has_died = answer is None
                answer = answer or container.last_answer()
                spent = time.monotonic() - began - container.take_start()
                place = container.rows / name
                if excess := container.excess or container.limits.problem((place,)):
                    answer = self._beyond_limits(excess)
                    shutil.rmtree(place, ignore_errors=True)
                has_left = not excess and self._take(place, row["number"])
                facts = {"number": row["number"], "left": has_left, "seconds": spent, "started": container.started}
                self._store({**answer, **facts})
                left.popleft()
                if has_died or container.exceeds_limits or self.plan.isolated:
                    return

    def _beyond_limits(self, excess: str) -> dict:
        message = f"{excess}; {self.plan.writing['advice']}"
        return {"state": "failed", "reason": "output-limit", "message": message}

    def _take(self, place: Path, number: int) -> bool:
        """Move what a row left out of the container's sight; what a job left that ended before is moved aside."""
        if not place.exists():
            return False
        final = self.folder / "done" / str(number)
        if os.path.lexists(final):
            final.rename(self.folder / f"aside-{secrets.token_hex(4)}")
        place.rename(final)
        return True

    def _store(self, answer: dict) -> None:
        line = b"\n" + json.dumps(answer).encode() + b"\n"  # after anything that a killed job did not complete
        with (self.folder / "answers.jsonl").open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


class Container:
    """One container: runs a row at a time. It ends when its stdin does, thus soon after this process."""

    def __init__(self, group: Group, temporary: str, mounts: list[str]) -> None:
        self.started = 0.0
        """Seconds until the runner was ready."""
        self.excess = ""
        """The limit that the container exceeds with what it writes; then it is killed."""
        self.is_overdue = False
        """Whether its time is over; then it is killed."""
        self.limits = WriteLimits(size=group.plan.writing["size"], files=group.plan.writing["files"])
        self._plan, self._deadline = group.plan, math.inf
        self._folder = group.folder / f"container-{secrets.token_hex(4)}"
        self.rows, self._log = self._folder / "rows", self._folder / "log" / "stderr"
        self._written = (self.rows, self._log.parent, Path(temporary))
        for folder in (self.rows, self._log.parent):
            folder.mkdir(mode=0o700, parents=True)
        self._began, self._is_ready, self._untold_start = time.monotonic(), False, 0.0
        self._oom_kills, self._has_run_out_of_memory = 0, False
        replaced = {"@inputs@": mounts, "@gpus@": group.plan.gpu_options}
        words = [word for given in group.plan.command for word in replaced.get(given, [given])]
        name = f"packmill-rows-{secrets.token_hex(8)}"
        marks = {"@group@": f"{group.folder.name}/{self._folder.name}", "@tmp@": temporary, "@name@": name}
        marks["@devices@"] = devices(group.plan.gpus)
        self._kill = [_marked(word, marks) for word in group.plan.kill]
        with self._log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    [_marked(word, marks) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
                )
            except OSError as error:
                raise NotStartedError(
                    f"{words[0]}: cannot be started on {os.uname().nodename}: {error.strerror}"
                ) from None

    def __enter__(self) -> Container:  # noqa: PYI034 - Self is in typing from Python 3.11 on
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind:
            self._process.terminate()
        with suppress(OSError):
            self._process.stdin.close()
        self._deadline = math.inf
        with self._watched():
            self._end(_CANCELED if kind else self._plan.grace)
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, inputs: dict) -> tuple[str, dict | None]:
        """Run a row in a folder of a name that is unknown before; return the name, and None if the container ended."""
        name = secrets.token_hex(8)
        if self._is_ready:
            os.truncate(self._log, 0)  # what a row prints counts for this row alone
        self._allow_row()
        with suppress(OSError):
            self._process.stdin.write(json.dumps({"row": name, "inputs": inputs}).encode() + b"\n")
            self._process.stdin.flush()
        with self._watched():
            return name, self._answer(name)

    @property
    def exceeds_limits(self) -> bool:
        """Whether the container writes more than it may, or takes longer."""
        return bool(self.excess) or self.is_overdue

    def _allow_row(self) -> None:
        limit, plan = self._plan.row_limit, self._plan
        seconds = limit + plan.grace if limit and self._is_ready else plan.start_limit
        self._deadline = time.monotonic() + seconds if limit else math.inf

    @contextmanager
    def _watched(self):
        """Kill the container if it exceeds its limits while the block runs: its own runner may be stopped."""
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(self, ended: threading.Event) -> None:
        pause = _PAUSE
        while not ended.wait(pause):
            began = time.monotonic()
            self.excess = self.excess or self.limits.problem(self._written)
            self.is_overdue = self.is_overdue or began > self._deadline
            pause = max(_PAUSE, 10 * (time.monotonic() - began))
            if self.exceeds_limits:
                self._kill_once()

    def _kill_once(self) -> None:
        """Kill the container. The engine may fail to do so, such as while it is busy."""
        if not self._kill:
            self._process.kill()
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(self._kill, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, check=False)

    def _end(self, seconds: float) -> int:
        """Wait for the container's end, then kill it, so that it does not outlive its job; return its exit code."""
        for _ in range(_KILLS):
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(timeout=seconds)
            self._kill_once()
            seconds = _CANCELED
        self._process.kill()
        return self._process.wait()

    def _answer(self, name: str) -> dict | None:
        while line := self._process.stdout.readline(_LONGEST_ANSWER):
            if not (answer := _parse(line)):
                continue
            if not self._is_ready and "ended" not in answer:
                self._is_ready = True
                self._allow_row()
                self.started = self._untold_start = time.monotonic() - self._began
            self._count_kills(answer)
            if answer.get("row") == name:
                return answer
        return None

    def _count_kills(self, answer: dict) -> None:
        """Note whether the container ends because memory ran out; its last answer has the number of kills."""
        kills = answer.get("oom_kills")
        kills = kills if type(kills) is int else 0
        self._has_run_out_of_memory = "ended" in answer and kills > self._oom_kills
        self._oom_kills = max(kills, self._oom_kills)

    def take_start(self) -> float:
        """Return the seconds of the start, to the first caller alone: they are not the row's."""
        spent, self._untold_start = self._untold_start, 0.0
        return spent

    def last_answer(self) -> dict:
        """Return the answer for the row that was running when the container ended.

        Raises:
            NotStartedError: the runner was never ready, and not killed for what it wrote.
        """
        code = self._end(self._plan.grace)
        if not self._is_ready and not self.excess:
            raise NotStartedError(
                f"no container starts on {os.uname().nodename} (exit code {code}); {self._last_words()}"
            )
        if self.is_overdue:
            limit = f"{self._plan.row_limit:g} s"
            message = f"the run exceeded its time limit of {limit}, and its container had to be killed"
            return {"state": "failed", "reason": "run-time-limit", "message": message}
        reason = "out-of-memory" if self._has_run_out_of_memory else "container-died"
        how = "because memory ran out " if self._has_run_out_of_memory else ""
        message = f"the container of the row ended {how}(exit code {code}); {self._last_words()}"
        return {"state": "failed", "reason": reason, "message": message}

    def _last_words(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 4096))
            lines = [line.strip() for line in log.read(4096).decode(errors="replace").splitlines() if line.strip()]
        return f"its last line: {lines[-1][:500]}" if lines else "it printed nothing"


def devices(gpus: int) -> str:
    """Return the value of ``docker run --gpus``: the devices that the scheduler gave this job, or their number."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    return f'"device={given}"' if given else str(gpus)


def _marked(word: str, marks: dict[str, str]) -> str:
    for mark, text in marks.items():
        word = word.replace(mark, text)
    return word


def _parse(line: bytes) -> dict | None:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def read_answers(path: Path) -> list[dict]:
    """Return the answers of a group; a line that was not completed is none."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [answer for line in lines if line.endswith(b"\n") and (answer := _parse(line)) and "number" in answer]


@contextmanager
def locked(path: Path):
    """Hold a lock; a file system without locks gives none."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def end_with_parent() -> None:
    """Let SIGTERM end the leader once packmill has ended, in whatever way: the leader then ends its jobs."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> int:
    """Run the leader; return its exit code."""
    folder = sys.argv[1]
    options = Job.Runner.getDefaultArgumentParser().parse_args(sys.argv[2:])
    if getattr(options, "publish_workflow_metrics", "no") is None:
        options.publish_workflow_metrics = "no"
    if sys.platform == "linux":
        end_with_parent()
    with Toil(options) as toil:
        if options.restart:
            toil.restart()
        else:
            toil.start(Begin(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
