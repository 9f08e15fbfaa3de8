"""Commands whose output is passed on while they run."""

from __future__ import annotations

import codecs
import io
import math
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from generator.subprocesses.ending import (
    ended_on_failure,
    has_ended,
    signal_with_children,
    terminate,
    terminate_with_children,
)
from generator.subprocesses.environment import inherited_variables
from generator.subprocesses.interruptions import deferred_interruptions

_LAST_OUTPUT = 1.0
"""Seconds to wait for more output of a command that has ended."""
_LARGEST_PIPE = 1 << 20
"""Bytes that a command that has ended may have left in its pipe."""
_LONGEST_LINE = 1 << 20
"""Characters after which an unfinished line is passed on."""
_End = Callable[[subprocess.Popen[bytes]], None]
_streaming: dict[subprocess.Popen[bytes], _End] = {}
"""The commands that run now, and the function that terminates each of them."""


def stream(
    command: tuple[str, ...],
    *,
    on_line: Callable[[str], None],
    stdout: Path | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    alone: bool = False,
    kept: Sequence[int] = (),
) -> int:
    """Run a command, pass each line of its output to ``on_line`` as it is printed, and return the exit code.

    ``environment`` is added to the current one; with ``alone``, it replaces the current one.

    ``kept`` are file descriptors that the command inherits.

    With ``stdout``, standard output goes to that file and only standard error is passed on.
    """
    with open(stdout or os.devnull, "wb") as file:

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                cwd=cwd,
                env={**({} if alone else inherited_variables()), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=file if stdout else subprocess.PIPE,
                stderr=subprocess.PIPE if stdout else subprocess.STDOUT,
                pass_fds=kept,
            )

        with _streamed(start, end=terminate, stop=lambda process: process.terminate()) as process:
            pipe = process.stderr if stdout else process.stdout
            for line in _lines(process, pipe.fileno()) if pipe else ():
                on_line(line)
            return process.wait()


def build_lines(command: tuple[str, ...]) -> Generator[str, None, None]:
    """Run a build by the docker command, and yield each line of its output as it is printed.

    The command and its plugin end if the generator is closed or interrupted before the last line.

    Raises:
        subprocess.CalledProcessError: the exit code is not 0.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=inherited_variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    with _streamed(start, end=terminate_with_children, stop=signal_with_children) as process:
        if process.stdout:
            yield from _lines(process, process.stdout.fileno())
        code = process.wait()
    if code != 0:
        raise subprocess.CalledProcessError(code, command)


@contextmanager
def _streamed(
    start: Callable[[], subprocess.Popen[bytes]], *, end: _End, stop: _End
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as `ended_on_failure` does; `stop_streams` calls ``stop`` until the block ends."""
    with ended_on_failure(start, end=end) as process:
        _streaming[process] = stop
        try:
            yield process
        finally:
            del _streaming[process]


def _lines(process: subprocess.Popen[bytes], pipe: int) -> Iterator[str]:
    """Read a command's output until it ends, in lines of bounded length.

    A program that it started may keep the pipe open and print more; its output is not read.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
    held, left, deadline = "", _LARGEST_PIPE, math.inf
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while left > 0:
            ended = has_ended(process)
            deadline = min(deadline, time.monotonic() + _LAST_OUTPUT) if ended else deadline
            if selector.select(max(0, deadline - time.monotonic()) if ended else 0.2):
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    break
                left -= len(chunk) if ended else 0
                *lines, held = (held + decoder.decode(chunk)).split("\n")
                yield from lines
                if len(held) > _LONGEST_LINE:
                    yield held
                    held = ""
            elif ended:
                break
    held += decoder.decode(b"", final=True)
    if held:
        yield held


def stop_streams() -> None:
    """Terminate the commands of `stream` and `build_lines` in all threads."""
    with deferred_interruptions():  # see `has_ended`
        for process, stop in tuple(_streaming.items()):
            stop(process)
