"""``packmill map`` with rows that end without containers; run by path, with the words of the command.

``BOOT_OF_THE_TEST`` names the start of the machine in which it runs.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from generator import cli
from generator.package.map import map as package_map
from generator.package.map import planning, syncing
from generator.package.map.collecting import collect_row
from generator.package.map.journal import Ended
from generator.package.map.rows import PlannedRow
from generator.shared import durable_files

_FILES = 5


class Scheduler:
    """In place of `generator.package.map.scheduling.Scheduler`: each row leaves files, which are really collected."""

    def __init__(
        self,
        plan: Any,
        schedule: Any,
        place: Callable[[PlannedRow], Path],
        *,
        on_end: Callable[[PlannedRow, Ended], None],
        on_wait: Callable[[int], None],
    ) -> None:
        self._work, self._place, self._on_end = plan.work, place, on_end

    def run(self, rows: Sequence[PlannedRow]) -> None:
        for row in rows:
            left = self._work / str(row.number)
            (left / "output").mkdir(parents=True)
            for number in range(_FILES):
                (left / "output" / f"{number}.txt").write_text(f"{row.number} {number}\n" * 1000)
            (left / "output" / "scraps.json").write_text(f'{{"n": {row.number}}}')
            time.sleep(0.01)
            self._on_end(row, collect_row(left, self._place(row), {"state": "succeeded"}))


if __name__ == "__main__":
    package_map.Scheduler = Scheduler  # type: ignore[misc, assignment]
    package_map.remove_containers = lambda *_: None  # type: ignore[assignment]
    planning.require_own_image = lambda *_, **__: None
    if "BOOT_OF_THE_TEST" in os.environ:
        durable_files.boot = lambda: os.environ["BOOT_OF_THE_TEST"]
        package_map.synced = partial(syncing.synced, interval=0.2)  # type: ignore[assignment]
    sys.exit(cli.main(["map", *sys.argv[1:]]))
