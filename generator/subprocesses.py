"""The only place that starts processes. Commands are tuples; nothing goes through a shell."""

from __future__ import annotations

import codecs
import io
import math
import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_detached: list[subprocess.Popen[bytes]] = []
_apart: list[subprocess.Popen[bytes]] = []
_streaming: set[subprocess.Popen[bytes]] = set()
_LAST_OUTPUT = 1.0
"""Seconds to wait for more output of a command that has ended."""
_LARGEST_PIPE = 1 << 20
"""Bytes that a command that has ended may have left in its pipe."""
_LONGEST_LINE = 1 << 20
"""Characters after which a line is handed over though it goes on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a command ended, with what it printed."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


def run(
    command: tuple[str, ...],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    alone: bool = False,
    timeout: float | None = None,
    text: str | None = None,
) -> Finished:
    """Runs a command to its end; ``environment`` is added to the present one, ``timeout`` is in seconds.

    With ``alone``, ``environment`` is all that the command gets. ``text`` is what it reads from standard input.

    A command that is not installed ends with code 127, one that takes too long with 124, as in a shell.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**({} if alone else os.environ), **(environment or {})},
            stdin=subprocess.DEVNULL if text is None else None,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        return Finished(command=command, code=127, stdout="", stderr=f"{command[0]}: not installed")
    except subprocess.TimeoutExpired:
        return Finished(command=command, code=124, stdout="", stderr=f"{command[0]}: no end after {timeout:.0f} s")
    return Finished(command=command, code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def stream(
    command: tuple[str, ...],
    *,
    on_line: Callable[[str], None],
    stdout: Path | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    alone: bool = False,
) -> int:
    """Runs a command and hands over what it prints, line by line as it comes; its exit code.

    ``environment`` is added to the present one; with ``alone``, it is all that the command gets.

    With ``stdout``, standard output goes to that file and only standard error is handed over.
    """
    with open(stdout or os.devnull, "wb") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**({} if alone else os.environ), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=file if stdout else subprocess.PIPE,
            stderr=subprocess.PIPE if stdout else subprocess.STDOUT,
        )
        _streaming.add(process)
        with process:
            pipe = process.stderr if stdout else process.stdout
            try:
                for line in _lines(process, pipe.fileno()) if pipe else ():
                    on_line(line)
                return process.wait()
            except BaseException:
                _stop(process)
                raise
            finally:
                _streaming.discard(process)


def _lines(process: subprocess.Popen[bytes], pipe: int) -> Iterator[str]:
    """What a command prints until it ends, in lines of bounded length.

    A program that it left behind may hold the pipe, and print on; it is not waited for.
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


def feed(
    command: tuple[str, ...],
    *,
    content: bytes,
    output: Path,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
) -> int:
    """Run a command with exactly this environment, give it bytes, write its output to a file; return its exit code.

    The code is negative after a signal, 124 where the command took longer than ``timeout`` seconds.
    """
    with output.open("wb") as file:
        try:
            done = subprocess.run(
                command,
                cwd=cwd,
                env=dict(environment),
                input=content,
                stdout=file,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            return 124
    return done.returncode


def stop_streams() -> None:
    """Ends the commands whose output is still being handed over, in whichever thread that is."""
    for process in tuple(_streaming):
        process.terminate()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_detached(command: tuple[str, ...], *, log: Path) -> int:
    """Starts a daemon that outlives this process, apart from this terminal; its process id."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
    _detached.append(process)  # kept, so that nobody takes it for a child that was forgotten
    return process.pid


def start_apart(command: tuple[str, ...], *, handing: int, text: str, log: Path) -> int:
    """Starts a program that outlives this process, hands it an open file descriptor and a text; its process id.

    The text goes through a pipe: neither a command line nor a file holds it.
    """
    reading, writing = os.pipe()
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, stdin=reading, stdout=file, stderr=file, start_new_session=True, pass_fds=(handing,)
        )
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(text.encode())
    _apart[:] = [one for one in (*_apart, process) if one.poll() is None]  # those that have ended leave no zombie
    return process.pid
