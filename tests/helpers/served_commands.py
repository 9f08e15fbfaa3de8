"""``packmill-runner`` in one process whose kernels are kept ready, as a worker of the server keeps them.

The tests send command lines to ``python served_commands.py WAY FOLDER``, each as a line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

_HELPERS = Path(__file__).parent


class ServedCommands:
    """Runs command lines in such a process, one after another."""

    def __init__(self, way: str, folder: Path) -> None:
        self.way = way
        self.started: list[tuple[str | None, str | None]] = []
        """The way and the note of each run whose kernel was started."""
        path = os.pathsep.join((str(_HELPERS), str(_HELPERS.parents[1])))
        self._process = subprocess.Popen(
            [sys.executable, __file__, way, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )

    def run(
        self, words: list[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin
        assert self._process.stdout
        request = {"words": words, "folder": str(folder), "environment": dict(environment or os.environ)}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the process ended with {self._process.wait(60)}"
        answer = json.loads(line)
        self.started.extend(map(tuple, answer.pop("started")))
        return subprocess.CompletedProcess(words, **answer)

    def end(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)


def _serve(way: str, folder: Path) -> None:
    """Answer the requests on standard input."""
    from generator.runner.server.kernels.limits import KernelLimits
    from generator.runner.server.kernels.warm import WarmKernels

    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    kernels = WarmKernels(KernelLimits(patience=1.0), folder=folder, log=lambda _: None)
    for line in requests:
        answers.write(json.dumps(_answer(kernels, way, **json.loads(line))).encode() + b"\n")
        answers.flush()
        kernels.tidy()
    kernels.end()


def _answer(kernels: Any, way: str, words: list[str], folder: str, environment: dict[str, str]) -> dict[str, Any]:
    from generator.runner.cli import main
    from generator.runner.execution.execution import execute
    from generator.runner.server.kernels.warm_run import WarmRun
    from generator.runner.standalone import run as standalone

    started = []
    with _surroundings(folder, environment), _captured(folder) as texts:
        while True:
            warm = WarmRun(kernels, way)
            standalone.execute = partial(execute, start=warm.start)  # type: ignore[attr-defined]
            try:
                code = main(words)
            except SystemExit as leaving:
                code = int(leaving.code or 0)
            warm.finish()
            started += [(warm.way, warm.note)] if warm.way else []
            if not warm.unsuited:
                break
    return {"returncode": code, "started": started, **texts}


@contextmanager
def _surroundings(folder: str, environment: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.chdir("/")
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _captured(folder: str) -> Iterator[dict[str, str]]:
    """Collect what is written to the descriptors 1 and 2."""
    texts: dict[str, str] = {}
    files = {name: os.memfd_create(name) for name in ("stdout", "stderr")}
    before = [os.dup(number) for number in (1, 2)]
    for number, file in zip((1, 2), files.values(), strict=True):
        os.dup2(file, number)
    try:
        yield texts
    finally:
        for number, name in ((1, "stdout"), (2, "stderr")):
            getattr(sys, name).flush()
            os.lseek(files[name], 0, os.SEEK_SET)
            os.dup2(before[number - 1], number)
            os.close(before[number - 1])
            with os.fdopen(files[name], encoding="utf-8", errors="replace") as file:
                texts[name] = file.read()


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
