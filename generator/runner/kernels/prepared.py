"""Prepared processes: Python interpreters that have imported a notebook's modules, and fork a child for each run.

`generator.runner.kernel_modules.packmill_prepared` is the program; this is its client, for one thread. Children share
nothing but the imported modules.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from generator.runner.kernels.process import is_readable, modules_folder
from generator.runner.kernels.specs import Kernel

_program = modules_folder / "packmill_prepared.py"
_LARGEST = 1 << 17
"""Bytes of one message (packmill_prepared)."""
_FORK_TIMEOUT = 30.0
_END_TIMEOUT = 2.0
"""Seconds that the process has to end its children and itself."""
Kind = Literal["kernel", "shell", "handlers"]


class UnfitError(Exception):
    """The process cannot be forked: it could not start, has died, or has threads."""


class PreparedProcessDiedError(UnfitError):
    """The process has died; another one may take its place."""


class ForkRefusedError(UnfitError):
    """The system has no process or memory left for a child at the moment; the process itself is of use as before."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a child ended: the status of wait(2), and its peak memory in bytes."""

    status: int
    peak_memory: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """The result of imports: seconds, errors of modules, and packages that make the process useless, with reasons."""

    seconds: float
    failed: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    language: Mapping[str, Any] = field(default_factory=dict)
    """``language_info`` of the kernel."""


class PreparedProcess:
    """One prepared process. It is ready when the modules are imported."""

    def __init__(
        self,
        kernel: Kernel,
        kind: Kind,
        modules: Iterable[str] = (),
        *,
        environment: Mapping[str, str],
        directory: Path,
        local: Iterable[str] = (),
        log: int | None = None,
    ) -> None:
        """Start the process in the interpreter of a Python kernel; it imports ``modules`` but none named ``local``.

        Raises:
            OSError: the interpreter cannot be started.
        """
        self.kernel = kernel
        self.kind = kind
        self.environment = environment
        self.imported: Imported | None = None
        self._exits: dict[int, Exit] = {}
        self._running: set[int] = set()
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [kernel.argv[0], str(_program), kind, str(theirs.fileno()), *_own_packages(kernel)],
                env={name: value for name, value in environment.items() if name != "JPY_PARENT_PID"},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=2 if log is None else log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        with os.fdopen(os.memfd_create("packmill-modules"), "w+b") as file:
            file.write(json.dumps({"modules": list(modules), "local": list(local)}).encode())
            file.flush()
            file.seek(0)
            with suppress(OSError):  # it died; shows when the answer is read
                socket.send_fds(self._ours, [b'{"do": "import"}'], [file.fileno()])

    @property
    def process_id(self) -> int:
        """The process's id."""
        return self._process.pid

    def is_ready(self, timeout: float = 0) -> bool:
        """Return whether the modules are imported; wait at most ``timeout`` seconds.

        Raises:
            UnfitError: importing them ended the process, started a thread or printed.
        """
        if self.imported is None:
            answer = self._answer(timeout)
            if answer is None:
                return False
            self.imported = Imported(
                seconds=answer["imported"],
                failed=answer["failed"],
                refused=answer["refused"],
                language=answer["language"],
            )
        if self.imported.refused:
            raise UnfitError("; ".join(f"{name} {reason}" for name, reason in self.imported.refused.items()))
        return True

    def await_answer(self, timeout: float) -> None:
        """Wait at most ``timeout`` seconds until `is_ready` has an answer; an exception of a signal loses nothing."""
        if self.imported is None:
            self._is_readable(timeout)

    def fork(self, channel: int, **request: str) -> int:
        """Fork a child, which gets the descriptor ``channel``, and return its process id.

        Raises:
            ForkRefusedError: the system has no process or memory left.
            UnfitError: the process is not ready, has died, or has threads.
        """
        if not self.is_ready(_FORK_TIMEOUT):
            raise UnfitError(f"its imports take more than {_FORK_TIMEOUT:g} s")
        try:
            socket.send_fds(self._ours, [json.dumps({"do": "fork", **request}).encode()], [channel])
        except OSError:
            raise PreparedProcessDiedError("its process died") from None
        answer = self._answer(_FORK_TIMEOUT)
        if answer is None:
            raise UnfitError(f"no answer within {_FORK_TIMEOUT:g} s")
        if "refused" in answer:
            raise ForkRefusedError(f"no process can be started at the moment: {answer['refused']}")
        if not answer["forked"]:
            raise UnfitError(f"it has threads ({', '.join(answer['threads'])})")
        return int(answer["forked"])

    def has_children(self) -> bool:
        """Return whether a child still runs."""
        try:
            while self._is_readable(0):
                self._read()
        except PreparedProcessDiedError:
            self._running.clear()
        return bool(self._running)

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
        """End the process and its children."""
        self._ours.close()
        try:
            self._process.wait(_END_TIMEOUT if self.imported else 0)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _answer(self, timeout: float) -> dict[str, Any] | None:
        deadline = time.monotonic() + timeout
        while self._is_readable(deadline - time.monotonic()):
            if answer := self._read():
                return answer
        return None

    def _is_readable(self, timeout: float | None) -> bool:
        if self._ours.fileno() < 0:
            raise PreparedProcessDiedError("its process was ended")
        return is_readable(self._ours.fileno(), timeout)

    def _read(self) -> dict[str, Any] | None:
        """Read one message: note how a child ended, or return an answer."""
        try:
            data = self._ours.recv(_LARGEST)
        except OSError:
            data = b""
        if not data:
            raise PreparedProcessDiedError("its process died")
        message: dict[str, Any] = json.loads(data)
        if "exited" not in message:
            if message.get("forked"):  # also of an answer that nobody waited for any more
                self._running.add(message["forked"])
            return message
        self._running.discard(message["exited"])
        self._exits[message["exited"]] = Exit(message["status"], message["peak_memory"])
        return None


def _own_packages(kernel: Kernel) -> list[str]:
    """Return the folder of packages that packmill's ``kernel.py`` in an image puts last on the path."""
    programs = (Path(word) for word in kernel.argv if word.endswith("packmill/kernel/kernel.py"))
    return [str(program.with_name("lib")) for program in programs]
