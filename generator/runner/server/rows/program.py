"""``packmill-runner rows``: runs one process for many rows of values, each in a fresh kernel, one after another.

``packmill map`` keeps one such program in a container on each core. Requests arrive on stdin, a JSON object a line:
``{"row": NAME, "inputs": {...}}``, where NAME is the name of a folder to be created below the output folder and
``inputs`` is a CWL input object with the paths of the container. Each is answered on stdout by a line: ``{"row": NAME,
"state": "succeeded" | "failed", "reason", "message", "exit_code", "way", "note", "cpu_seconds", "container_memory",
"oom_kills", "direct"}``, where ``direct`` is whether the notebook can take that way. The first answer is
``{"ready": PID}``, the last one ``{"ended": EXIT CODE, "oom_kills": NUMBER}``. An empty line precedes each, so that it
is a line of its own after anything a notebook wrote to stdout. The end of stdin, SIGTERM or SIGINT ends the program; a
row that runs then is interrupted.

The program is two processes. One runs the rows; a notebook may kill it, and so may Linux when memory runs out. The
other one measures the memory meanwhile, and reports which of the two it was: ``oom_kills`` counts the processes of the
container that were killed because memory ran out.

With ``--one``, there is one row: nothing is prepared for others, and the end of the container removes what it leaves.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from generator.runner.execution.watching import oom_kills
from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.runner.packaged.request import PackagedRun
from generator.runner.server.first_process import run_in_child
from generator.runner.server.garbage_collection import exempt_loaded_objects
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.rows.metering import Meter, interval
from generator.runner.server.runs.folder import RunFolder
from generator.runner.server.runs.model import Choice, Outcome
from generator.runner.server.workers.warm_execution import own_surroundings, run_warm


def run_rows(request: PackagedRun, way: Choice, *, one: bool = False) -> int:
    """Run rows until stdin ends, or ``one``; ``request`` has what all rows share, its output is the folder of all."""
    replies, meter, watching = _take_stdout(), Meter(), os.getpid()
    run = _run_one if one else _run_rows
    code = run_in_child(lambda: run(request, way, replies, meter), on_wait=meter.sample, interval=interval)
    if os.getpid() == watching:
        _answer(replies, {"ended": code, "oom_kills": oom_kills()})
    if one:
        sys.stderr.flush()
        os._exit(code)  # Python would first free what it has loaded
    return code


def _run_rows(request: PackagedRun, way: Choice, replies: BinaryIO, meter: Meter) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with TemporaryDirectory(prefix="packmill-rows-") as temporary:
        kernels = WarmKernels(default=way, folder=Path(temporary, "kernels"), log=request.say)
        rows = Rows(request, kernels, Path(temporary))
        try:
            kernels.expect()
            exempt_loaded_objects()
            _answer(replies, {"ready": os.getpid()})
            for line in sys.stdin.buffer:
                rows.answer(line, replies, meter)
                kernels.tidy()
        except KeyboardInterrupt:
            return 130
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            kernels.end()
            rows.home.remove()
    return 0


def _run_one(request: PackagedRun, way: Choice, replies: BinaryIO, meter: Meter) -> int:
    """Run one row. The container ends with this process, and its folder of temporary files is removed with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    temporary = Path(tempfile.mkdtemp(prefix="packmill-rows-"))
    kernels = WarmKernels(default=way, folder=temporary / "kernels", log=request.say, once=True)
    kernels.expect()
    rows = Rows(request, kernels, temporary)
    _answer(replies, {"ready": os.getpid()})
    try:
        if line := sys.stdin.buffer.readline():
            rows.answer(line, replies, meter)
    except KeyboardInterrupt:
        return 130
    return 0


class Rows:
    """Runs rows of one process, one after another."""

    def __init__(self, request: PackagedRun, kernels: WarmKernels, temporary: Path) -> None:
        self._folder = request.output.resolve()
        self._kernels = kernels
        self.home = KeptHome()
        self._request = replace(
            request,
            kernels=kernels.installed.find,
            kept_copy=KeptCopy(temporary / "copy"),
            kept_home=self.home,
            save_while_running=False,
            save_at_start=False,
            show_cells=False,
        )

    def answer(self, line: bytes, replies: BinaryIO, meter: Meter) -> None:
        """Run the row of a request, and answer it."""
        asked = json.loads(line)
        meter.begin()
        answer = self.run(asked["row"], asked["inputs"])
        _answer(replies, {"row": asked["row"], **answer, **meter.read(), "oom_kills": oom_kills()})

    def run(self, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run one row and say how it ended; its results are in the folder ``name``/output."""
        folder = RunFolder(self._folder / name)
        folder.create()
        folder.write_inputs(inputs)
        notes: list[str] = []
        request = replace(self._request, inputs=folder.inputs_file, output=folder.output, say=notes.append)
        with own_surroundings(folder.path):
            outcome, warm = run_warm(request, folder, self._kernels, None)
        folder.remove_inputs()
        warnings = [line.removeprefix("warning: ") for line in notes if line.startswith("warning: ")]
        note = "\n".join(filter(None, (warm.note, *warnings))) or None
        return {**_reply(outcome), "way": warm.way, "note": note, "direct": warm.suits_direct}


def _reply(outcome: Outcome) -> dict[str, Any]:
    return {
        "state": outcome.state.value,
        "reason": outcome.reason,
        "message": outcome.message,
        "exit_code": outcome.exit_code,
    }


def _take_stdout() -> BinaryIO:
    """Keep stdout for replies; what libraries and programs print goes to stderr."""
    own = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(own, "wb")


def _answer(replies: BinaryIO, message: Mapping[str, Any]) -> None:
    with suppress(BrokenPipeError):
        replies.write(b"\n" + json.dumps(message).encode() + b"\n")
        replies.flush()
