"""What commands print, however much and in whatever pieces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from generator.containers.engine import run_in
from generator.subprocesses.commands import run_within
from generator.subprocesses.streams import build_lines, stream


def test_a_long_line_comes_in_pieces() -> None:
    lines: list[str] = []

    assert stream(("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo end"), on_line=lines.append) == 0

    assert max(map(len, lines)) < 2_000_000
    assert sum(map(len, lines)) == 5_000_003
    assert lines[-1] == "end"


@pytest.mark.parametrize(
    ("runs", "ended"),
    [
        pytest.param(partial(stream, on_line=print), signal.SIGTERM, id="stream"),
        pytest.param(partial(run_within, timeout=60, most=1 << 20), signal.SIGKILL, id="within-limits"),
    ],
)
def test_a_command_that_is_interrupted_while_it_starts_is_ended(
    runs: Callable[..., Any], ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)

    with pytest.raises(KeyboardInterrupt):
        runs(("sleep", "60"))

    assert [process.poll() for process in started] == [-ended]


class LockInterruptedOnce:
    """The lock of a process, which an interruption leaves locked; taking it again would wait for ever."""

    def __init__(self) -> None:
        self.lock, self.was_interrupted = threading.Lock(), False

    def acquire(self, blocking: bool = True) -> bool:
        """Take the lock if it is free."""
        taken = self.lock.acquire(False)
        assert taken or not blocking, "waits for ever"
        if not self.was_interrupted:
            self.was_interrupted = True
            signal.raise_signal(signal.SIGINT)
        return taken

    def release(self) -> None:
        """Give the lock back."""
        self.lock.release()

    __enter__ = acquire

    def __exit__(self, *_: object) -> None:
        self.release()


@pytest.mark.parametrize("runs", [partial(stream, on_line=print), lambda command: list(build_lines(command))])
def test_an_interruption_while_the_end_of_a_command_is_checked_ends_it(
    runs: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Checked(subprocess.Popen[bytes]):
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            started.append(self)
            self._waitpid_lock = LockInterruptedOnce()

    monkeypatch.setattr(subprocess, "Popen", Checked)

    with pytest.raises(KeyboardInterrupt):
        runs(("sleep", "60"))

    assert [process.poll() for process in started] == [-signal.SIGTERM]


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


def test_a_command_within_its_limits_is_read_whole() -> None:
    command = ("sh", "-c", r"printf 'a\r\nb\377'; echo c >&2; exit 3")

    done = run_within(command, timeout=60, most=1 << 20)

    assert (done.code, done.stdout, done.stderr) == (3, "a\nb\ufffd", "c\n")
    assert run_within(("no-such-program",), timeout=60, most=1).code == 127


@pytest.mark.parametrize("output", ["", " >&2"], ids=["stdout", "stderr"])
def test_a_command_that_prints_without_end_is_killed(output: str) -> None:
    done = run_within(("sh", "-c", f"exec yes{output}"), timeout=120, most=2 << 20)

    assert (done.code, done.stdout, done.stderr) == (137, "", "sh: printed more than 2 MiB")


@pytest.mark.parametrize("words", ["exec sleep 60", "exec sleep 60 >&- 2>&-"], ids=["silent", "closed"])
def test_a_command_that_does_not_end_is_killed(words: str) -> None:
    begin = time.monotonic()

    done = run_within(("sh", "-c", words), timeout=1, most=1 << 20)

    assert (done.code, done.stderr) == (124, "sh: timed out after 1 s")
    assert time.monotonic() - begin < 30


def test_an_image_that_prints_without_end_is_ended_with_its_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is the repository's; what it prints is neither collected nor logged by the engine."""
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/log\n[ "$1" = rm ] || exec yes\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    code, out, err = run_in("ada/trees", ("packmill-runner", "check"))

    begun, removed = (tmp_path / "log").read_text().splitlines()
    name = next(word for word in begun.split() if word.startswith("--name="))
    assert (code, out, err) == (137, "", "docker: printed more than 16 MiB")
    assert "--log-driver=none" in begun.split()
    assert removed.split() == ["rm", "--force", "--", name.removeprefix("--name=")]


def test_an_image_that_does_not_end_is_ended_with_an_interrupted_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its container keeps the processors and the memory of the machine; also if Ctrl-C is pressed twice."""
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\n[ "$1" = rm ] || echo "$@" > {tmp_path}/log\nkill -INT {os.getpid()}\n'
        f'[ "$1" = rm ] || exec sleep 60\nsleep 0.2\n'
        f'echo "$@" $$ "$(cut -d " " -f 6 /proc/$$/stat)" >> {tmp_path}/log\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(KeyboardInterrupt):
        run_in("ada/trees", ("packmill-runner", "check"))

    begun, removed = (tmp_path / "log").read_text().splitlines()
    name = next(word for word in begun.split() if word.startswith("--name="))
    *words, process, session = removed.split()
    assert words == ["rm", "--force", "--", name.removeprefix("--name=")]
    assert session == process  # a terminal interrupts all processes of its session
