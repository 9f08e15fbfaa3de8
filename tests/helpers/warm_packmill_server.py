"""A process that has imported packmill, and forks for each command; run by path.

Argument: the number of a Unix socket. It gets a JSON object with ``words``, ``folder`` and ``environment``, and the
descriptors of stdout, stderr and the socket for `supervised_start`; it answers with the process id, then the exit code.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import traceback

from supervised_start import hand_over

import generator.build.pipeline
import generator.commands.build
import generator.commands.map
from generator import cli


def serve(requests: socket.socket) -> None:
    while True:
        text, descriptors, _, _ = socket.recv_fds(requests, 1024**2, 3)
        if not text:
            return
        process = os.fork()
        if not process:
            requests.close()
            _run(json.loads(text), *descriptors)
        for one in descriptors:
            os.close(one)
        requests.send(b"%d" % process)
        _, status = os.waitpid(process, 0)
        requests.send(b"%d" % os.waitstatus_to_exitcode(status))


def _run(request: dict[str, object], out: int, err: int, channel: int) -> None:
    code = 1
    try:
        os.setsid()
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        tempfile.tempdir = None
        os.chdir(str(request["folder"]))
        with socket.socket(fileno=channel) as deciding:
            hand_over(deciding)
        code = cli.main(request["words"])  # type: ignore[arg-type]
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - the end of a process of its own
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    modules = (generator.build.pipeline, generator.commands.build, generator.commands.map)
    serve(socket.socket(fileno=int(sys.argv[1])))
