"""Programs that outlive the process that starts them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from generator.subprocesses.environment import inherited_variables

_detached: list[subprocess.Popen[bytes]] = []
_apart: list[subprocess.Popen[bytes]] = []


def start_detached(command: tuple[str, ...], *, log: Path) -> int:
    """Start a daemon that outlives this process and its terminal; return its process ID."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env=inherited_variables(),
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

    Raises:
        OSError: the program was not started, or did not read the text.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            command,
            env=inherited_variables(),
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            start_new_session=True,
            pass_fds=(handing,),
        )
    _apart[:] = [one for one in (*_apart, process) if one.poll() is None]  # those that have ended leave no zombie
    with process.stdin or open(os.devnull, "wb") as pipe:
        pipe.write(text.encode())
    return process.pid
