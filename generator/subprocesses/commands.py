"""Commands that run to their end before their output is used."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from generator.subprocesses.ending import ended_on_failure, kill
from generator.subprocesses.environment import inherited_variables


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
    apart: bool = False,
) -> Finished:
    """Run a command to its end; ``environment`` is added to the current one, ``timeout`` is in seconds.

    With ``alone``, ``environment`` replaces the current one. ``text`` is the command's standard input.
    With ``apart``, the command has a session of its own, so that Ctrl-C in a terminal does not reach it.

    The code is 127 for a command that is not installed and 124 after the timeout, as in a shell.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**({} if alone else inherited_variables()), **(environment or {})},
            stdin=subprocess.DEVNULL if text is None else None,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            start_new_session=apart,
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

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command, env=inherited_variables(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    try:
        with ended_on_failure(start, end=kill) as process:
            printed, problem = _read_within(process, deadline=time.monotonic() + timeout, most=most)
            if problem:
                process.kill()
    except FileNotFoundError:
        return Finished(command=command, code=127, stdout="", stderr=f"{command[0]}: not installed")
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
