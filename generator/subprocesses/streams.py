"""Commands whose output is passed on while they run."""

from __future__ import annotations

import codecs
import io
import math
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from generator.subprocesses.ending import ended_on_failure
from generator.subprocesses.environment import inherited_variables

_LAST_OUTPUT = 1.0
"""Seconds to wait for more output of a command that has ended."""
_LARGEST_PIPE = 1 << 20
"""Bytes that a command that has ended may have left in its pipe."""
_LONGEST_LINE = 1 << 20
"""Characters after which an unfinished line is passed on."""
_streaming: set[subprocess.Popen[bytes]] = set()


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

        with ended_on_failure(start) as process:
            pipe = process.stderr if stdout else process.stdout
            _streaming.add(process)
            try:
                for line in _lines(process, pipe.fileno()) if pipe else ():
                    on_line(line)
                return process.wait()
            finally:
                _streaming.discard(process)


def _lines(process: subprocess.Popen[bytes], pipe: int) -> Iterator[str]:
    """Read a command's output until it ends, in lines of bounded length.

    A program that it started may keep the pipe open and print more; its output is not read.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
    held, left, deadline = "", _LARGEST_PIPE, math.inf
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while left > 0:
            has_ended = process.poll() is not None
            deadline = min(deadline, time.monotonic() + _LAST_OUTPUT) if has_ended else deadline
            if selector.select(max(0, deadline - time.monotonic()) if has_ended else 0.2):
                chunk = os.read(pipe, 1 << 16)
                if not chunk:
                    break
                left -= len(chunk) if has_ended else 0
                *lines, held = (held + decoder.decode(chunk)).split("\n")
                yield from lines
                if len(held) > _LONGEST_LINE:
                    yield held
                    held = ""
            elif has_ended:
                break
    held += decoder.decode(b"", final=True)
    if held:
        yield held


def stop_streams() -> None:
    """Terminate the commands of `stream` in all threads."""
    for process in tuple(_streaming):
        process.terminate()
