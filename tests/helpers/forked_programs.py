"""``packmill`` and ``packmill-runner`` as processes of their own, forked from one that has imported them.

A new interpreter takes a second of the processor to import a server, and the tests start hundreds. What an interpreter
takes from its start alone, such as ``PYTHONUTF8`` or a limit of files, a fork cannot get: such a process, and one with
options that are not here, starts anew.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import resource
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

PACKMILL, RUNNER, CWLTOOL = _IMPORTED = ("generator", "generator.runner", "cwltool.main")
_ENGINE = "generator.package.engines.checked_cwltool.program"
"""The program in which `packmill run` starts cwltool."""
_TOP = str(Path(__file__).parents[2])
_SERVER = Path(__file__).with_name("fork_server.py")
_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
"""Beginnings of variables that an interpreter reads when it starts."""
_ENVIRONMENT = {**os.environ, "PYTHONPATH": _TOP}
_WITHOUT_EFFECT = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
"""Variables that `packmill run` removes, and cwltool works without."""
_STARTING = threading.Lock()
_POSSIBLE = {"cwd", "env", "stdin", "stdout", "stderr", "text"}


def start(module: str, *words: object, fresh: bool = False, **options: Any) -> subprocess.Popen[Any]:
    """Start ``python -m MODULE WORDS``; the options are those of `subprocess.Popen`.

    With ``fresh``, the process has a command line and variables of its own, for tests of what others can read there.
    """
    forks = not fresh and module in _IMPORTED and _POSSIBLE.issuperset(options) and _limits() == _LIMITS
    forks = forks and _read_at_start(options.get("env") or os.environ) == _read_at_start(_ENVIRONMENT)
    return (_Forked if forks else subprocess.Popen)([sys.executable, "-m", module, *map(str, words)], **options)


def start_engine(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start a command as `subprocess.Popen` does, but fork cwltool if `packmill run` starts it."""
    is_engine = command[:2] == (sys.executable, "-c") and "import start; sys.exit(start.main(" in command[2]
    read = _read_at_start(options.get("env") or os.environ)
    same = {name: value for name, value in _read_at_start(_ENVIRONMENT).items() if name not in _WITHOUT_EFFECT}
    if options.get("pass_fds") == ():
        del options["pass_fds"]  # the server can send none
    if is_engine and _POSSIBLE.issuperset(options) and _limits() == _LIMITS and read == same:
        arguments = command[6:]  # the parent is the server, which ends with the tests
        return _Forked([sys.executable, "-m", _ENGINE, *arguments], **options)
    return subprocess.Popen(command, **options)


def run(module: str, *words: object, input: str | None = None, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: A002
    """Run ``python -m MODULE WORDS`` as `subprocess.run` does, with its output as text."""
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    timeout = options.pop("timeout", None)
    given = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    with start(module, *words, **given) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    read = {name: value for name, value in environment.items() if name.startswith(_AT_START)}
    return {"PYTHONPATH": _TOP, **read}


def _limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(one) for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_FSIZE)]


_LIMITS = _limits()


class _Forked(subprocess.Popen[Any]):
    """A process of the server that forks, which also waits for it."""

    def _execute_child(self, args: Sequence[str], *arguments: Any) -> None:
        cwd, env = arguments[4:6]
        streams = arguments[9:15]
        given = [streams[index] if streams[index] != -1 else number for number, index in enumerate((0, 3, 5))]
        request = {
            "module": args[2],
            "words": args[3:],
            "folder": os.path.abspath(cwd or "."),
            "environment": dict(os.environ if env is None else env),
        }
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            with _STARTING:  # rows of a map start at once
                server = _server()
            socket.send_fds(server, [json.dumps(request).encode()], [*given, theirs.fileno()])
        self.pid = int(self._channel.recv(64) or pytest.fail("the process that forks has ended"))
        self._child_created = True
        self._close_pipe_fds(*streams)

    def _internal_poll(self, *_: Any, **__: Any) -> int | None:
        return self._ended(0)

    def _wait(self, timeout: float | None) -> int:
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _ended(self, timeout: float | None) -> int | None:
        """Return the exit code if the process ends within so many seconds."""
        with self._waitpid_lock:
            if self.returncode is None and select.select([self._channel], [], [], timeout)[0]:
                self.returncode = int(self._channel.recv(64))
                self._channel.close()
        return self.returncode


@functools.cache
def _server() -> socket.socket:
    """Start the process; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, _SERVER, str(theirs.fileno())],
            env=_ENVIRONMENT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # nothing is printed, but streams of a file would take a pipe for a file, too
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    atexit.register(_end_server, ours, process)
    return ours


def _end_server(requests: socket.socket, process: subprocess.Popen[bytes]) -> None:
    requests.close()
    process.kill()
    process.communicate()
