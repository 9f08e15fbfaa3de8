"""What commands print, however much and in whatever pieces."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from generator.subprocesses import stream


def test_a_long_line_comes_in_pieces() -> None:
    lines: list[str] = []

    assert stream(("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end"), on_line=lines.append) == 0

    assert max(map(len, lines)) < 2_000_000
    assert sum(map(len, lines)) == 5_000_003
    assert lines[-1] == "end"


def test_lines_end_as_they_do_anywhere() -> None:
    lines: list[str] = []

    stream(("printf", "a\\r\\nb\\rc\\n\\nd\\377"), on_line=lines.append)

    assert lines == ["a", "b", "c", "", "d\ufffd"]


def test_a_program_that_was_left_behind_and_prints_on_is_not_waited_for(tmp_path: Path) -> None:
    left = tmp_path / "left"
    prints = "import time\nfor _ in range(6000): print('x' * 80, flush=True); time.sleep(0.1)"
    code = (
        "import subprocess, sys; from pathlib import Path\n"
        f"Path({str(left)!r}).write_text(str(subprocess.Popen([sys.executable, '-c', {prints!r}]).pid))"
    )
    begin = time.monotonic()
    killed: list[int] = []

    def on_line(_: str) -> None:
        if time.monotonic() - begin > 120 and not killed:
            killed.append(int(left.read_text()))
            os.kill(killed[0], signal.SIGKILL)

    assert stream((sys.executable, "-c", code), on_line=on_line) == 0

    assert not killed
    os.kill(int(left.read_text()), signal.SIGKILL)
