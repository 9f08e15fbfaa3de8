"""A group of rows: what one job runs, in one container after another."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import time
from collections import deque
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

import durable_files
from removal import remove_tree
from row_container import Container, NotStartedError
from row_plan import group_name, read_answers, read_plan, read_rows
from write_limits import WriteLimits


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
            temporary = mkdtemp(dir=self.temporary)
            try:
                number, options = self._next_rows(left)
                self._fill(Container(self.plan, self.folder, temporary, options), left, number)
            finally:
                remove_tree(temporary)

    def _next_rows(self, left: deque) -> tuple[int, list[str]]:
        """Return how many of the rows one container can run, and the options that mount their files.

        A file that was removed meanwhile fails its row alone: no container starts with it.
        """
        number, mounts = 0, {}
        for row in left:
            more = row["mounts"].keys() - mounts.keys()
            if number and (self.plan.isolated or len(mounts) + len(more) > self.plan.most_files):
                break
            number += 1
            mounts |= row["mounts"]
        return number, [option for path, option in mounts.values() if os.path.exists(path)]

    def _fill(self, container: Container, left: deque, number: int) -> None:
        """Give a number of rows to a container, until it has ended."""
        with container:
            while left and number and not self._stop.exists():
                row = left[0]
                began = time.monotonic()
                name, answer = container.ask(row["inputs"])
                has_died = answer is None
                answer = answer or container.last_answer()
                spent = time.monotonic() - began - container.take_start()
                place = container.rows / name
                if excess := container.excess or container.limits.problem((place,)):
                    answer = self._beyond_limits(excess)
                    remove_tree(place)
                is_large = bool(WriteLimits(size=self.plan.copied_at_most).problem((place,)))
                if is_large and not has_died:
                    container.end(self.plan.grace)
                try:
                    has_left = not excess and self._take(place, row["number"])
                except OSError as error:  # a notebook may take permissions away; other rows go on
                    has_left, answer = False, _refused(error)
                facts = {"number": row["number"], "left": has_left, "seconds": spent, "started": container.started}
                self._store({**answer, **facts, "container_ended": container.has_ended})
                left.popleft()
                number -= 1
                if has_died or is_large or container.exceeds_limits:
                    return

    def _beyond_limits(self, excess: str) -> dict:
        message = f"{excess}; {self.plan.writing['advice']}"
        return {"state": "failed", "reason": "output-limit", "message": message}

    def _take(self, place: Path, number: int) -> bool:
        """Move what a row left out of the container's sight; what a job left that ended before is moved aside."""
        if not os.path.lexists(place):
            return False
        final = self.folder / "done" / str(number)
        if os.path.lexists(final):
            final.rename(self.folder / f"aside-{secrets.token_hex(4)}")
        place.rename(final)
        durable_files.sync_tree(final)  # before its answer is, which a power loss would leave alone
        durable_files.sync(final.parent)
        return True

    def _store(self, answer: dict) -> None:
        line = b"\n" + json.dumps(answer).encode() + b"\n"  # after anything that a killed job did not complete
        with (self.folder / "answers.jsonl").open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


def _refused(error: OSError) -> dict:
    """Return the answer for a row whose results cannot be taken.

    Raises:
        OSError: the disk is full.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise error
    message = f"the results cannot be moved out of their container: {error.strerror or error}"
    return {"state": "failed", "reason": "output-refused", "message": message}


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
