"""The progress of a map: what has ended, how fast, and what is left."""

from __future__ import annotations

import io

import pytest

from generator.package.map import counting
from generator.package.map.counting import Counter
from generator.package.map.journal import Ended
from generator.package.map.rows import PlannedRow


class Clock:
    """A clock that a test sets, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(counting, "time", made)
    return made


def lines(clock: Clock, seconds: list[float], *, total: int, running: int) -> list[str]:
    """Let rows end, one after so many seconds each, and return what was printed."""
    out = io.StringIO()
    counter = Counter(total, 0, out)
    for pause in seconds:
        clock.now += pause
        counter.note(PlannedRow(number=1, values={}, given={}), Ended(state="succeeded"))
        counter.show(running)
    return [line.strip() for line in out.getvalue().splitlines()]


def test_the_time_left_does_not_count_the_start_of_containers(clock: Clock) -> None:
    """The first two rows take four seconds longer: their containers start, and import what later rows share."""
    first, *_, last = lines(clock, [4.5, 0, *[0.5] * 60], total=100, running=2)

    assert first == "13 of 100 rows done, 2 running, 1.3 rows/s, 1 min 7 s left"
    assert last == "53 of 100 rows done, 2 running, 2.0 rows/s, 24 s left"


def test_rows_that_end_together_do_not_look_fast(clock: Clock) -> None:
    *_, last = lines(clock, [60, 0, 0, 0] * 15, total=117, running=4)

    assert last == "57 of 117 rows done, 4 running, 4.0 rows/min, 15 min 0 s left"
