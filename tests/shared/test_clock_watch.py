"""Whether the system's clock was set, from two clocks that a test moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from generator.shared.clock_watch import ClockWatch


class Clocks:
    """The system's clock and a steady one, in seconds."""

    def __init__(self) -> None:
        self.wall, self.steady = 1e9, 500.0

    def watch(self, memory: Path | None = None) -> ClockWatch:
        return ClockWatch(wall=lambda: self.wall, steady=lambda: self.steady, memory=memory)

    def pass_by(self, seconds: float) -> None:
        self.wall, self.steady = self.wall + seconds, self.steady + seconds


def test_time_that_passes_is_no_change() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.pass_by(100 * 86400)

    assert (watch.look(), watch.is_settled) == (0.0, True)


def test_a_clock_that_is_set_back_is_noticed_once() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.pass_by(10)
    clocks.wall -= 7200

    assert watch.look() == -7200
    assert watch.look() == 0
    assert watch.is_settled


def test_ages_are_not_trusted_for_an_hour_after_a_clock_was_set_forward() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    clocks.wall += 86400

    assert watch.look() == 86400
    assert not watch.is_settled
    clocks.pass_by(3599)
    assert (watch.look(), watch.is_settled) == (0, False)
    clocks.pass_by(1)
    assert watch.is_settled


def test_the_corrections_of_a_time_server_change_nothing() -> None:
    clocks = Clocks()
    watch = clocks.watch()
    for step in (-50, 50, -50, 50, 50, 50):
        clocks.pass_by(60)
        clocks.wall += step
        assert (watch.look(), watch.is_settled) == (0, True)


def test_a_clock_that_was_set_forward_while_nothing_ran_is_noticed_at_the_start(tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.watch(tmp_path / "clock").look()
    clocks.wall += 86400
    watch = clocks.watch(tmp_path / "clock")

    assert not watch.is_settled
    assert watch.look() == 86400
    clocks.pass_by(3600)
    assert (watch.look(), watch.is_settled) == (0, True)
    assert clocks.watch(tmp_path / "clock").is_settled


def test_a_clock_that_is_not_trusted_is_not_remembered(tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.watch(tmp_path / "clock").look()
    clocks.wall += 86400
    clocks.watch(tmp_path / "clock").look()

    assert not clocks.watch(tmp_path / "clock").is_settled


@pytest.mark.parametrize("is_set", [True, False])
def test_a_clock_that_lost_its_time_while_nothing_ran_is_behind_until_it_is_set_or_for_an_hour(
    is_set: bool, tmp_path: Path
) -> None:
    """That it was ahead before looks alike, but lasts."""
    clocks = Clocks()
    clocks.watch(tmp_path / "clock").look()
    clocks.wall -= 1e8
    for _ in range(2):  # such a start is not what the next one remembers
        watch = clocks.watch(tmp_path / "clock")
        clocks.pass_by(1800)
        assert (watch.look(), watch.is_behind) == (0, True)

    if is_set:
        clocks.wall += 1e8
    else:
        clocks.pass_by(1800)
    watch.look()

    assert not watch.is_behind
    assert not clocks.watch(tmp_path / "clock").is_behind


@pytest.mark.parametrize("text", [None, "", "yesterday", "nan"])
def test_without_a_memory_the_clock_is_trusted(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "clock").write_text(text)
    watch = Clocks().watch(tmp_path / "clock")

    assert (watch.look(), watch.is_settled) == (0, True)


def test_a_short_pause_is_no_change(tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.watch(tmp_path / "clock").look()
    clocks.pass_by(3000)
    watch = clocks.watch(tmp_path / "clock")

    assert (watch.look(), watch.is_settled) == (0, True)
