"""packmill's commands on a `Disk`, forked from a process that has imported it: hundreds of trials take minutes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from supervised_disk import Disk, kill_group, received
from support import here

_SERVER = Path(__file__).with_name("warm_packmill_server.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a command ended; ``code`` is negative if it was killed."""

    code: int
    err: str


class WarmPackmill:
    """The process that forks for each command."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests

    def run(
        self, *words: str | Path, disk: Disk, environment: Mapping[str, str], killed_after: float | None = None
    ) -> Ended:
        """Run a command on a disk; kill its process group after so many seconds."""
        (out, out_in), (err, err_in) = os.pipe(), os.pipe()
        ours, theirs = socket.socketpair()
        request = {"words": list(map(str, words)), "folder": str(disk.folder), "environment": dict(environment)}
        socket.send_fds(self._requests, [json.dumps(request).encode()], [out_in, err_in, theirs.fileno()])
        for one in (out_in, err_in, theirs.detach()):
            os.close(one)
        leader = int(self._requests.recv(64))
        with ours:
            listener = received(ours)
        assert listener is not None
        texts: dict[int, str] = {}
        readers = [threading.Thread(target=_read, args=(one, texts)) for one in (out, err)]
        for reader in readers:
            reader.start()
        with disk.answering(listener):
            timer = threading.Timer(120 if killed_after is None else killed_after, kill_group, (leader,))
            timer.start()
            code = int(self._requests.recv(64))
            timer.cancel()
            kill_group(leader)  # what is left of it, such as git
        for reader in readers:
            reader.join()
        return Ended(code=code, err=texts[err])


def _read(descriptor: int, texts: dict[int, str]) -> None:
    with os.fdopen(descriptor, errors="replace") as stream:
        texts[descriptor] = stream.read()


@contextmanager
def warm_packmill() -> Iterator[WarmPackmill]:
    """Start the process, and end it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path = os.pathsep.join((str(here.parent), str(_SERVER.parent)))
    with theirs:
        process = subprocess.Popen(
            [sys.executable, _SERVER, str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
    with process, ours:
        try:
            yield WarmPackmill(ours)
        finally:
            process.send_signal(signal.SIGKILL)


def variables(disk: Path) -> Sequence[tuple[str, str]]:
    """Return the variables that keep all that a command writes on a disk."""
    return [("TMPDIR", str(disk / "tmp")), ("HOME", str(disk / "home")), ("PATH", os.environ["PATH"])]
