"""The rows of a map, and what its journal has of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from generator.package.map.folders import rows_folder
from generator.package.map.journal import Ended, Journal
from generator.package.map.records import LARGEST_RECORD, small_values
from generator.package.map.results import Result
from generator.package.map.rows import PlannedRow
from generator.shared.bounded_memory import machine_memory

_LEAST_RECORDS, _SHARE_OF_MEMORY = 256 << 20, 1 / 16
"""Characters of the scraps and outputs of all rows that are in memory at the end of a map: a share of the machine's
memory in bytes, and no less than some. As values, and in the tables, they take several times as much."""


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows of a map, and what the journal has of them."""

    outdir: Path
    rows: Sequence[PlannedRow]
    folders: Mapping[int, str]
    journal: Journal

    def left(self) -> list[PlannedRow]:
        """Return the rows without results."""
        return [row for row, _, ended in self.results() if not (ended and ended.has_succeeded)]

    def to_run(self, tune: int | None) -> list[PlannedRow]:
        """Return the rows to run: those without results, or as many as are missing of ``tune`` measured ones."""
        if tune is None:
            return self.left()
        left = self.left()
        return left[: max(0, tune - (len(self.rows) - len(left)))]

    def claim(self, row: PlannedRow) -> Path:
        """Return the folder of a row's results, which are about to replace others; forget the rows that left those."""
        self.journal.forget_replaced(row, self.folders[row.number])
        return self.outdir / rows_folder / self.folders[row.number]

    def store(self, row: PlannedRow, ended: Ended) -> None:
        """Store how a row ended."""
        self.journal.store(row, self.folders[row.number], ended)

    def results(self, *, warn: Callable[[str], None] = lambda _line: None) -> list[Result]:
        """Return all rows, and how they ended, with as many scraps and outputs as the memory may take for them.

        ``warn`` gets how many characters of a row that is, if there are more.
        """
        most, largest = LARGEST_RECORD, max(_LEAST_RECORDS, int(machine_memory() * _SHARE_OF_MEMORY))
        if self.journal.size() > largest and (share := largest // len(self.rows)) < most:
            most = share
            warn(f"scraps of a row beyond {most} characters are not in the tables of results; see the rows' folders")
        return [(row, self.folders[row.number], self._ended(row, most)) for row in self.rows]

    def _ended(self, row: PlannedRow, most: int) -> Ended | None:
        ended = self.journal.ended(row, self.folders[row.number])
        if ended is None or most == LARGEST_RECORD:
            return ended
        return replace(ended, scraps=small_values(ended.scraps, most), outputs=small_values(ended.outputs, most))
