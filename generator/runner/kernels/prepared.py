"""Prepared processes: Python interpreters that have imported a notebook's modules, and fork a child for each run.

`generator.runner.kernel_modules.packmill_prepared` is the program; this is its client, for one thread. Children share
nothing but the imported modules.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from generator.runner.kernels.process import build_environment, modules_folder
from generator.runner.kernels.specs import Kernel

_program = modules_folder / "packmill_prepared.py"
_LARGEST = 1 << 17
"""Bytes of one message (packmill_prepared)."""
_MODULES_AT_ONCE = 1000
Kind = Literal["kernel", "shell"]


class UnfitError(Exception):
    """The process cannot be forked: it could not start, has died, or has threads."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended: the status of wait(2), and its peak memory in bytes."""

    status: int
    peak_memory: int


class PreparedProcess:
    """One prepared process."""

    def __init__(self, kernel: Kernel, kind: Kind, *, log: int | None = None) -> None:
        """Start the process in the interpreter of a Python kernel.

        Raises:
            OSError: the interpreter cannot be started.
        """
        self.kernel = kernel
        self.kind = kind
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [kernel.argv[0], str(_program), kind, str(theirs.fileno()), *_own_packages(kernel)],
                env=build_environment(kernel),
                stdin=subprocess.DEVNULL,
                stdout=2 if log is None else log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._exits: dict[int, Exit] = {}

    @property
    def process_id(self) -> int:
        """The process's id."""
        return self._process.pid

    def prepare(self, modules: Iterable[str], *, timeout: float) -> Mapping[str, str]:
        """Import modules and return those that failed, with their errors.

        Raises:
            UnfitError: importing took longer than ``timeout`` seconds, ended the process, or started a thread.
        """
        names = list(modules)
        failed: dict[str, str] = {}
        for start in range(0, max(1, len(names)), _MODULES_AT_ONCE):
            part = names[start : start + _MODULES_AT_ONCE]
            answer = self._ask({"do": "import", "modules": part}, (), timeout)
            failed |= answer["failed"]
            if answer["threads"]:
                raise UnfitError(f"importing its modules starts threads: {', '.join(answer['threads'])}")
        return failed

    def fork(
        self, descriptors: Iterable[int], *, directory: Path, environment: Mapping[str, str | None], **further: str
    ) -> int:
        """Fork a child and return its process id.

        Raises:
            UnfitError: the process has died or has threads.
        """
        request = {"do": "fork", "directory": str(directory), "environment": dict(environment), **further}
        answer = self._ask(request, tuple(descriptors), 30)
        if not answer["forked"]:
            raise UnfitError(f"it has threads: {', '.join(answer['threads'])}")
        return int(answer["forked"])

    def wait(self, child: int, timeout: float | None) -> Exit | None:
        """Return how a child ended; None if it still runs after ``timeout`` seconds.

        Raises:
            UnfitError: the prepared process has died, and its children with it.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while child not in self._exits:
            if not self._is_readable(None if deadline is None else deadline - time.monotonic()):
                return None
            self._read()
        return self._exits.pop(child)

    def end(self) -> None:
        """End the process; its children end with it (prctl(2), PR_SET_PDEATHSIG)."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._ours.close()

    def _ask(self, request: Mapping[str, Any], descriptors: tuple[int, ...], timeout: float) -> dict[str, Any]:
        try:
            socket.send_fds(self._ours, [json.dumps(request).encode()], descriptors)
        except OSError:
            raise UnfitError("its process died") from None
        answer: dict[str, Any] | None = None
        deadline = time.monotonic() + timeout
        while answer is None:
            if not self._is_readable(deadline - time.monotonic()):
                raise UnfitError(f"no answer within {timeout:g} s")
            answer = self._read()
        return answer

    def _is_readable(self, timeout: float | None) -> bool:
        return bool(select.select([self._ours], [], [], None if timeout is None else max(0, timeout))[0])

    def _read(self) -> dict[str, Any] | None:
        """Read one message: note how a child ended, or return an answer."""
        try:
            data = self._ours.recv(_LARGEST)
        except OSError:
            data = b""
        if not data:
            raise UnfitError("its process died")
        message: dict[str, Any] = json.loads(data)
        if "exited" not in message:
            return message
        self._exits[message["exited"]] = Exit(message["status"], message["peak_memory"])
        return None


def _own_packages(kernel: Kernel) -> list[str]:
    """Return the folder of packages that packmill's ``kernel.py`` in an image puts last on the path."""
    programs = (Path(word) for word in kernel.argv if word.endswith("packmill/kernel/kernel.py"))
    return [str(program.with_name("lib")) for program in programs]
