"""The only place that starts processes. Commands are tuples; nothing goes through a shell."""

from __future__ import annotations

import codecs
import io
import math
import os
import queue
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

signing_variables = tuple(f"PACKMILL_SIGN_{word}" for word in ("KEY", "KEY_FILE", "PASSWORD", "PASSWORD_FILE"))
"""Variables that no program inherits."""
_detached: list[subprocess.Popen[bytes]] = []
_apart: list[subprocess.Popen[bytes]] = []
_streaming: set[subprocess.Popen[bytes]] = set()
_LAST_OUTPUT = 1.0
"""Seconds to wait for more output of a command that has ended."""
_LARGEST_PIPE = 1 << 20
"""Bytes that a command that has ended may have left in its pipe."""
_LONGEST_LINE = 1 << 20
"""Characters after which an unfinished line is passed on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """The exit code and the output of a command."""

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
    """Run a command to its end; ``environment`` is added to the current one, ``timeout`` is in seconds.

    With ``alone``, ``environment`` replaces the current one. ``text`` is the command's standard input.

    The code is 127 for a command that is not installed and 124 after the timeout, as in a shell.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**({} if alone else _inherited()), **(environment or {})},
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
        return Finished(command=command, code=124, stdout="", stderr=f"{command[0]}: timed out after {timeout:.0f} s")
    return Finished(command=command, code=done.returncode, stdout=done.stdout, stderr=done.stderr)


def run_within(command: tuple[str, ...], *, timeout: float, most: int) -> Finished:
    """Run a command whose output is of others; ``timeout`` is in seconds, ``most`` in bytes of stdout and stderr.

    The code is 127 and 124 as of `run`, and 137 for a command that prints more and is killed; stderr states why.
    """
    try:
        process = subprocess.Popen(
            command, env=_inherited(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except FileNotFoundError:
        return Finished(command=command, code=127, stdout="", stderr=f"{command[0]}: not installed")
    with process:
        try:
            printed, problem = _read_within(process, deadline=time.monotonic() + timeout, most=most)
            if problem:
                process.kill()
        except BaseException:
            process.kill()
            raise
    if problem:
        reason = f"timed out after {timeout:.0f} s" if problem == 124 else f"printed more than {most >> 20} MiB"
        return Finished(command=command, code=problem, stdout="", stderr=f"{command[0]}: {reason}")
    out, err = (text.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n") for text in printed)
    return Finished(command=command, code=process.returncode, stdout=out, stderr=err)


def _read_within(process: subprocess.Popen[bytes], *, deadline: float, most: int) -> tuple[list[bytearray], int]:
    """Read stdout and stderr of a command until it ends; return them, with 124 or 137 if it exceeds a limit."""
    pipes = [cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)]
    printed = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for number, pipe in enumerate(pipes):
            selector.register(pipe, selectors.EVENT_READ, number)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                return printed, 124
            for key, _ in ready:
                chunk = os.read(key.fd, 1 << 16)
                printed[key.data] += chunk
                if not chunk:
                    selector.unregister(key.fileobj)
            if sum(map(len, printed)) > most:
                return printed, 137
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return printed, 124
    return printed, 0


def _inherited() -> dict[str, str]:
    """Return the variables that programs inherit."""
    return {name: value for name, value in os.environ.items() if name not in signing_variables}


@contextmanager
def without_variables(names: Iterable[str]) -> Iterator[None]:
    """Hide environment variables from all programs that start within this context, those of libraries included."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def stream(
    command: tuple[str, ...],
    *,
    on_line: Callable[[str], None],
    stdout: Path | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    alone: bool = False,
) -> int:
    """Run a command, pass each line of its output to ``on_line`` as it is printed, and return the exit code.

    ``environment`` is added to the current one; with ``alone``, it replaces the current one.

    With ``stdout``, standard output goes to that file and only standard error is passed on.
    """
    with open(stdout or os.devnull, "wb") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**({} if alone else _inherited()), **(environment or {})},
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

    The code is negative after a signal, 124 if the command takes longer than ``timeout`` seconds. Processes that it
    started and left are killed.
    """
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        process.communicate(content, timeout=timeout)
    except subprocess.TimeoutExpired:
        return 124
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return process.returncode


def stop_streams() -> None:
    """Terminate the commands of `stream` in all threads."""
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
    """Start a daemon that outlives this process and its terminal; return its process ID."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env=_inherited(),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _detached.append(process)  # without a reference, Popen warns that the child is still running
    return process.pid


def start_apart(command: tuple[str, ...], *, handing: int, text: str, log: Path) -> int:
    """Start a program that outlives this process, with an open file descriptor and a text; return its process ID.

    The text goes through a pipe, so that it appears in no command line and no file.
    """
    reading, writing = os.pipe()
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env=_inherited(),
            stdin=reading,
            stdout=file,
            stderr=file,
            start_new_session=True,
            pass_fds=(handing,),
        )
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(text.encode())
    _apart[:] = [one for one in (*_apart, process) if one.poll() is None]  # those that have ended leave no zombie
    return process.pid


class Conversation:
    """A program that is given lines and answers with lines; its stderr goes to a log."""

    def __init__(self, command: tuple[str, ...], *, log: Path) -> None:
        """Start the program in a session of its own, so that Ctrl-C on the terminal does not reach it.

        Raises:
            FileNotFoundError: it is not installed.
        """
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                env=_inherited(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
            )
        self._held = b""
        self._stdin, self._stdout = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        self._unwritten: queue.SimpleQueue[bytes | None] | None = None
        """What a thread writes, once the program did not read a line at once; None closes its input."""
        os.set_blocking(self._stdin.fileno(), False)

    def fileno(self) -> int:
        """Return the descriptor of the program's answers."""
        return self._stdout.fileno()

    def write(self, line: bytes) -> None:
        """Give the program a line, without waiting until it reads it; nothing happens if it has ended (see `read`)."""
        if self._unwritten is None:
            line = self._write_now(line)
            if not line:
                return
            self._unwritten = queue.SimpleQueue()
            threading.Thread(target=self._write_later, args=(self._unwritten,), daemon=True).start()
        self._unwritten.put(line)

    def _write_now(self, line: bytes) -> bytes:
        """Write what the pipe takes; return the rest, which is empty if the program has ended."""
        with suppress(OSError, ValueError):
            while line:
                try:
                    line = line[os.write(self._stdin.fileno(), line) :]
                except BlockingIOError:
                    return line
        return b""

    def _write_later(self, unwritten: queue.SimpleQueue[bytes | None]) -> None:
        with suppress(OSError), self._stdin:
            os.set_blocking(self._stdin.fileno(), True)
            for line in iter(unwritten.get, None):
                self._stdin.write(line)
                self._stdin.flush()

    def read(self) -> list[bytes] | None:
        """Return the lines that have come since the last call; None after the program has closed its output."""
        chunk = os.read(self.fileno(), 1 << 16)
        if not chunk:
            return None
        *lines, self._held = (self._held + chunk).split(b"\n")
        if len(self._held) > _LONGEST_LINE:
            self._held = b""
        return lines

    def close(self) -> None:
        """Give the program no more lines."""
        if self._unwritten is not None:
            self._unwritten.put(None)
            return
        with suppress(OSError):
            self._stdin.close()

    def end(self, stop: Callable[[], None] = lambda: None) -> int:
        """Wait ten seconds for the program's end, then call ``stop`` and terminate it; return its exit code."""
        self.close()
        self._stdout.close()
        try:
            return self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            stop()
            _stop(self._process)
            return self._process.returncode
