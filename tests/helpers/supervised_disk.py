"""A disk that fails, for a program and everything that it starts.

Every system call that may change a file (`supervised_start`) waits for an answer of `Disk`: it goes on, or fails with
ENOSPC. So nothing is missed: SQLite, git and any other program without Python are included.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import supervised_start

_RECEIVE, _ANSWER, _CONTINUE = 0xC0502100, 0xC0182101, 1
_NAMES = {number: name for name, number in supervised_start.CALLS.items()} | {
    number: name for name, (number, _) in supervised_start.OPENS.items()
}
_DESCRIPTOR = {"sendfile": 0, "copy_file_range": 2}
"""The argument with the descriptor that is written to, where it is not the first."""
_PATHS: Mapping[str, tuple[int | None, int]] = {
    "open": (None, 0), "openat": (0, 1), "creat": (None, 0), "truncate": (None, 0),
    "rename": (None, 1), "renameat": (2, 3), "renameat2": (2, 3), "mkdir": (None, 0), "mkdirat": (0, 1),
    "link": (None, 1), "linkat": (2, 3), "symlink": (None, 1), "symlinkat": (1, 2),
    "unlink": (None, 0), "unlinkat": (0, 1), "rmdir": (None, 0),
}  # fmt: skip
"""The arguments with the folder's descriptor and the path that a call changes."""
_NEEDS_NO_SPACE = {"unlink", "unlinkat", "rmdir", "truncate", "ftruncate"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """A system call that changes a file below the disk's folder."""

    call: str
    path: Path
    needs_space: bool


class Disk:
    """A folder that behaves as a disk; ``fails`` decides for each write, by its number from 1, whether it fails."""

    def __init__(self, folder: Path, *, fails: Callable[[int, Write], bool] = lambda _number, _write: False) -> None:
        self.folder, self.fails = folder, fails
        self.writes: list[Write] = []

    @contextmanager
    def started(
        self, command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """Start a program on this disk, in a process group of its own that is killed at the end."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                start = [sys.executable, supervised_start.__file__, str(theirs.fileno()), *map(str, command)]
                process = subprocess.Popen(
                    start, cwd=cwd, env=dict(environment), pass_fds=[theirs.fileno()], text=True, errors="replace",
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            listener = received(ours)
        if listener is None:
            raise OSError(process.communicate()[1])
        with process, self.answering(listener):
            try:
                yield process
            finally:
                kill_group(process.pid)

    @contextmanager
    def answering(self, listener: int) -> Iterator[None]:
        """Answer the system calls of a program; at the end, all of its processes have to be killed."""
        answers = threading.Thread(target=self._answer_all, args=(listener,), daemon=True)
        answers.start()
        try:
            yield
        finally:
            answers.join(timeout=120)

    def _answer_all(self, listener: int) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            ((_, event),) = poll.poll()
            if not event & select.POLLIN:
                break
            request = bytearray(80)
            try:
                fcntl.ioctl(listener, _RECEIVE, request)
            except OSError:  # the process was killed
                continue
            number, process, _, call, _, _, *arguments = struct.unpack("QIIiIQ6Q", request)
            refused = self._refuses(process, _NAMES[call], arguments)
            answer = (number, 0, -errno.ENOSPC, 0) if refused else (number, 0, 0, _CONTINUE)
            with suppress(OSError):
                fcntl.ioctl(listener, _ANSWER, bytearray(struct.pack("QqiI", *answer)))
        os.close(listener)

    def _refuses(self, process: int, call: str, arguments: Sequence[int]) -> bool:
        try:
            path = _path_of(process, call, arguments)
            if not path.is_relative_to(self.folder):
                return False
        except (OSError, ValueError):
            return False
        if call in ("open", "openat") and not (
            arguments[supervised_start.OPENS[call][1]] & os.O_CREAT and not path.exists()
        ):
            return False
        write = Write(call=call, path=path, needs_space=call not in _NEEDS_NO_SPACE)
        if write.needs_space:
            self.writes.append(write)
        return write.needs_space and self.fails(len(self.writes), write)


def received(channel: socket.socket) -> int | None:
    """Return the descriptor that `supervised_start` sent; None if it could not make one."""
    _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    return descriptors[0] if descriptors else None


def kill_group(leader: int) -> None:
    """Kill a process and its group, at once."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def is_available() -> bool:
    """Whether system calls can be supervised here."""
    if os.uname().machine != "x86_64":
        return False
    disk = Disk(Path("/nowhere"))
    try:
        with disk.started(["true"], cwd=Path("/"), environment=os.environ) as process:
            return process.wait(60) == 0
    except (OSError, ValueError):
        return False


def _path_of(process: int, call: str, arguments: Sequence[int]) -> Path:
    """Return the path that a call changes.

    Raises:
        ValueError: it is not a file's, but that of a pipe or a socket.
        OSError: the process has ended.
    """
    if call not in _PATHS:
        descriptor = arguments[_DESCRIPTOR.get(call, 0)] & 0xFFFFFFFF
        name = os.readlink(f"/proc/{process}/fd/{descriptor}")
        if not name.startswith("/"):
            raise ValueError(name)
        return Path(name.removesuffix(" (deleted)"))
    folder, place = _PATHS[call]
    path = _text(process, arguments[place])
    start = "cwd" if folder is None or arguments[folder] & 0xFFFFFFFF == 0xFFFFFF9C else f"fd/{arguments[folder]}"
    return Path(os.path.normpath(os.path.join(os.readlink(f"/proc/{process}/{start}"), path)))


def _text(process: int, address: int) -> str:
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        text = b""
        while b"\0" not in text:  # a page at a time: the next one may not be mapped
            block = memory.read(4096 - (address + len(text)) % 4096)
            if not block:
                raise ValueError("no end")
            text += block
    return os.fsdecode(text.partition(b"\0")[0])
