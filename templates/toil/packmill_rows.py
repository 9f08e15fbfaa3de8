"""Rows of ``packmill map`` as jobs of a Toil workflow. Toil's Python runs this file, on the leader and on nodes.

    python packmill_rows.py FOLDER [OPTIONS OF TOIL] JOBSTORE

FOLDER is shared by all nodes. packmill writes, before it starts the leader:

    packmill_rows.py    this file: the jobs
    row_*.py            its modules: `row_plan`, `row_grouping`, `row_group` (what a job does), `row_container`
    write_limits.py     generator/shared/write_limits.py: it measures what rows write
    durable_files.py    generator/shared/durable_files.py: it writes what rows left to the disk
    removal.py          generator/shared/removal.py: it removes what rows left
    plan.json           the fields of `Plan`
    rows.jsonl          a row a line: {"number": …, "inputs": {…}, "mounts": {place: [path, option], …}}
    stop                at any time: no further row starts

The leader writes `begun` there once the workflow has its job store, from which another leader can continue.

A job runs the rows [start, stop) of ``rows.jsonl`` in a container, by ``packmill-runner rows``, and leaves:

    groups/START/answers.jsonl    a line for each row that ended: the runner's answer, "number", "left" (whether it left
                                  a folder), "seconds", and "container_ended"
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
import inspect
import os
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from row_group import Group
from row_grouping import job_limit, measured, rows_per_job
from row_plan import Plan, group_name, read_plan
from toil.common import Toil
from toil.job import Job

_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""
_SMALL = {"cores": 0.1, "memory": "256Mi", "disk": "16Mi"}
"""What jobs need that add other jobs."""
_KNOWN = inspect.signature(Job.__init__).parameters
"""Toil 9 has walltime; older versions only a time for all jobs (--slurmTime)."""


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
        Path(folder, "begun").touch()
        if options.restart:
            toil.restart()
        else:
            toil.start(Begin(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
