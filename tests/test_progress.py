"""What a person sees while packmill works."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest
from waiting import wait_until

from generator.progress import Progress, bar, duration


def test_a_terminal_gets_a_line_a_step() -> None:
    out = io.StringIO()
    progress = Progress(out=out)
    with progress.step("Fetching x"):
        progress.say("a detail")
        progress.warn("look here")

    assert out.getvalue() == "==> Fetching x\n    a detail\nwarning: look here\n"


def test_a_gitlab_job_gets_sections_that_fold() -> None:
    out = io.StringIO()
    progress = Progress(out=out, sections=True)
    with progress.step("Fetching https://x/y"):
        progress.say("a detail")

    assert re.fullmatch(
        r"\x1b\[0Ksection_start:\d+:fetching_https_x_y\[collapsed=true\]\r\x1b\[0KFetching https://x/y\n"
        r"    a detail\n"
        r"\x1b\[0Ksection_end:\d+:fetching_https_x_y\r\x1b\[0K\n",
        out.getvalue(),
    )


@contextmanager
def _terminal() -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """A terminal of 40 columns, and a function that returns what it got so far."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    got = bytearray()

    def read() -> str:
        while select.select([ours], [], [], 0.1)[0]:
            got.extend(os.read(ours, 1 << 16))
        return got.decode()

    with open(theirs, "w", encoding="utf-8") as out:
        yield out, read
    os.close(ours)


def _on_screen(text: str) -> list[str]:
    """Return the lines that remain on a terminal."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return [line.rpartition("\x1b[2K")[2].strip("\r") for line in plain.split("\n")]


def test_a_terminal_shows_bar_and_seconds_in_a_line_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with _terminal() as (out, read):
        progress = Progress(out=out)
        with progress.step("Running x"):
            progress.count(2, 4, "cell")
            wait_until(lambda: re.search(r"[1-9] s  \[#{5}-{15}\] cell", read()), message="the seconds are shown")
            progress.say("a detail that is longer than the terminal is wide, which may wrap")
            with progress.step("An inner step"):
                progress.say("inside")
        text = read()

    shown = _on_screen(text)
    assert shown[0] == "==> Running x"
    assert shown[1:3] == ["    a detail that is longer than the terminal is wide, which may wrap", "==> An inner step"]
    assert re.fullmatch(r"    took \d s", shown[4])
    assert "\x1b[1m==> Running x\x1b[0m" in text
    assert max(map(len, re.findall(r"\x1b\[2m(.*?)\x1b\[0m", text))) < 40


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colors_gets_none(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    with _terminal() as (out, read):
        with Progress(out=out).step("Running x"):
            Progress(out=out).warn("look here")
        text = read()

    assert "==> Running x" in text
    assert not re.search(r"\x1b\[[0-9;]*m", text)
    assert ("\x1b" in text) == (variable == "NO_COLOR")


def test_bars_and_durations() -> None:
    assert [bar(number, 4, "cell")[:22] for number in (1, 4)] == [f"[{'-' * 20}]", f"[{'#' * 15}{'-' * 5}]"]
    assert [duration(seconds) for seconds in (0.4, 59.7, 185)] == ["0 s", "1 min 0 s", "3 min 5 s"]
