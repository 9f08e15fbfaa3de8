"""Read the descriptions of result files in a process of its own."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from generator.staging.stac.formats.description import Description

_TIMEOUT = 120.0
"""Seconds for one file."""
_TOTAL = 1800.0
"""Seconds for all files: many that are slow to read would keep a stage-out busy for days."""
_PROGRAM = "import sys; sys.path[:] = {path!r}; from generator.staging.stac.formats.program import serve; serve()"
_ENVIRONMENT = {"PROJ_NETWORK": "OFF", "OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
_LONGEST_ANSWER = 2**24


def describe_files(paths: Sequence[Path]) -> list[Description | None]:
    """Return the descriptions of files and Zarr folders, None for those of formats without a place.

    A file that ends or stops its reader gets a remark; the others are read nevertheless, until `_TOTAL` has passed.
    """
    reader = _Reader(deadline=time.monotonic() + _TOTAL)
    try:
        return [reader.describe(path) for path in paths]
    finally:
        reader.stop()


@dataclass(slots=True)
class _Reader:
    deadline: float
    process: subprocess.Popen[bytes] | None = None
    received: bytearray = field(default_factory=bytearray)

    def describe(self, path: Path) -> Description | None:
        if time.monotonic() > self.deadline:
            return Description(remark=f"not read, because reading all files took longer than {_TOTAL:.0f} seconds")
        try:
            fields = json.loads(self._ask(path))
            return Description.from_json(fields) if fields else None
        except (OSError, ValueError, TypeError, LookupError):
            self.stop()
            return Description(remark="its reader ended, or took too long")

    def _ask(self, path: Path) -> bytes:
        self.process = self.process or _start()
        os.write(_descriptor(self.process.stdin), json.dumps(str(path)).encode() + b"\n")
        return self._answer(_descriptor(self.process.stdout))

    def _answer(self, descriptor: int) -> bytes:
        """Return a line of the process.

        Raises:
            OSError: it ended, does not answer in time, or answers too much.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            deadline = min(time.monotonic() + _TIMEOUT, self.deadline)
            while b"\n" not in self.received:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                data = os.read(descriptor, 65536)
                if not data or len(self.received) > _LONGEST_ANSWER:
                    raise OSError("no answer")
                self.received += data
        line, _, rest = bytes(self.received).partition(b"\n")
        self.received = bytearray(rest)
        return line

    def stop(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        self.received.clear()
        if process:
            process.kill()
            with suppress(OSError), process:  # a line that it did not read is dropped
                pass


def _descriptor(pipe: IO[bytes] | None) -> int:
    return pipe.fileno() if pipe else -1


def _start() -> subprocess.Popen[bytes]:
    program = _PROGRAM.format(path=[one for one in sys.path if one])
    return subprocess.Popen(
        (sys.executable, "-I", "-B", "-c", program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=_ENVIRONMENT,
    )
