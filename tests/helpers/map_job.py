"""The stage ``map`` with rows that end without containers: the job of the tests of the service's maps.

Rows with an even ``n`` fail, with 8 only if the folder of marks has ``broken``. The third row waits for ``go`` in it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from generator import cli
from generator.ci import stages
from generator.package.map import map as package_map
from generator.package.map import planning
from generator.package.map.journal import Ended
from generator.package.map.rows import PlannedRow

_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f0005fe02fe"
    "dccc59e70000000049454e44ae426082"
)


class Scheduler:
    """In place of `generator.package.map.scheduling.Scheduler`."""

    def __init__(
        self,
        plan: Any,
        schedule: Any,
        place: Callable[[PlannedRow], Path],
        *,
        on_end: Callable[[PlannedRow, Ended], None],
        on_wait: Callable[[int], None],
    ) -> None:
        self._place, self._on_end, self._on_wait = place, on_end, on_wait

    def run(self, rows: Sequence[PlannedRow]) -> None:
        marks = Path(os.environ["marks"])  # noqa: SIM112 - a variable of the pipeline
        for row in rows:
            while row.number == 3 and not (marks / "go").exists():
                self._on_wait(2)
                time.sleep(0.1)
            with (marks / "ran").open("a") as ran:
                print(row.number, file=ran)
            self._end(row, broken=row.values["n"] == 8 and (marks / "broken").exists())

    def _end(self, row: PlannedRow, *, broken: bool) -> None:
        folder = self._place(row)
        folder.mkdir(parents=True, exist_ok=True)
        cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": f"Row {row.number}"}
        notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (folder / "process.ipynb").write_text(json.dumps(notebook))
        (folder / "plot.png").write_bytes(_PIXEL)
        outputs = {"plot": "plot.png"}
        if broken or row.values["n"] in (2, 4, 6):
            message = "cell 2 failed: ValueError: <b>even</b>\n    99 of 99 rows done"
            ended = Ended(state="failed", reason="cell-error", message=message, cell=2, seconds=0.5, outputs=outputs)
        else:
            ended = Ended(state="succeeded", seconds=0.5, scraps={"square": row.values["n"] ** 2}, outputs=outputs)
        self._on_end(row, ended)


def main() -> int:
    """Run the stage as build.sh does."""
    stages.ensure_engine = lambda **_: None  # type: ignore[assignment]
    package_map.Scheduler = Scheduler  # type: ignore[misc, assignment]
    package_map.remove_containers = lambda *_: None  # type: ignore[assignment]
    planning.require_own_image = lambda *_, **__: None
    return cli.main(["ci", "map"])


if __name__ == "__main__":
    sys.exit(main())
