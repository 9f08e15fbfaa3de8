"""A process that has imported packmill and its runner, and forks for each command; run by path.

Argument: the number of a Unix socket. A request is a JSON object with ``module``, ``words``, ``folder`` and
``environment``, and the descriptors of stdin, stdout, stderr and a socket. That socket gets the process id, then the
exit code as `subprocess.Popen.returncode` has it.
"""

from __future__ import annotations

import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import time
from importlib import import_module
from typing import Any

_IMPORTED = (
    *("generator.cli", "generator.commands.serve", "generator.service.server"),
    *("generator.runner.cli", "generator.runner.run_command", "generator.runner.check.check"),
    *("generator.runner.packaged.run", "generator.runner.standalone.run"),
    *("generator.runner.server.serve", "generator.runner.server.options", "generator.runner.server.tokens.command"),
    *("generator.runner.server.gateway.options", "generator.runner.server.gateway.serve"),
)
"""What the commands of the tests import; a command imports the rest itself."""
_CWLTOOL = "cwltool.main"
_ENGINE = "generator.package.engines.checked_cwltool.program"


def serve(requests: socket.socket) -> tuple[str, list[str]]:
    """Fork for each request; in the child, return its module and words."""
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, waking], [], [])
        if waking in ready:
            os.read(waking, 4096)
            _report(running)
        if requests not in ready:
            continue
        text, descriptors, _, _ = socket.recv_fds(requests, 1024**2, 4)
        if not text:
            sys.exit()
        request = json.loads(text)
        if request["module"] in (_CWLTOOL, _ENGINE):
            _load_cwltool()
        process = os.fork()
        if not process:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
            for one in (requests, *running.values()):
                one.close()
            for number in (waking, woken, descriptors.pop()):
                os.close(number)
            return _become(request, *descriptors)
        running[process] = socket.socket(fileno=descriptors.pop())
        running[process].send(b"%d" % process)
        for one in descriptors:
            os.close(one)


@functools.cache
def _load_cwltool() -> None:
    """Import cwltool with the schemas that it needs for a document of v1.2: each takes half a second to read."""
    main, process = import_module(_CWLTOOL), import_module("cwltool.process")
    for version in ("v1.0", "v1.2", import_module("cwltool.update").INTERNAL_VERSION):
        process.get_schema(version)
    main.__dict__["setup_schema"] = lambda *_: None  # it would have each command read them again
    import_module(_ENGINE)
    _freeze()


def _freeze() -> None:
    """Keep the collector from what children share."""
    gc.collect()
    gc.freeze()


def _report(running: dict[int, socket.socket]) -> None:
    """Report the exit codes of children that have ended."""
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        with running.pop(process) as channel:
            try:
                channel.send(b"%d" % os.waitstatus_to_exitcode(status))
            except BrokenPipeError:
                continue  # no one waits


def _become(request: dict[str, Any], *streams: int) -> tuple[str, list[str]]:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    time.tzset()
    tempfile.tempdir = None
    sys.path[0] = request["folder"]
    return request["module"], request["words"]


if __name__ == "__main__":
    for name in _IMPORTED:
        import_module(name)
    _freeze()
    module, words = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[1:] = words
    if module == _CWLTOOL:
        sys.exit(import_module(_CWLTOOL).run(words))
    if module == _ENGINE:
        del sys.path[0]  # the program imports nothing from the current folder
        program = import_module(_ENGINE)
        program._prepare_schemas()
        sys.exit(program.main(words))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
