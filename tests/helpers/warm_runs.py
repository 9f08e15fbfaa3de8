"""Packaged runs whose kernels are kept ready, in the process of the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import sysconfig
import venv
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import write_notebook

from generator.runner.kernels.prepared import UnfitError
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.run import run as run_process
from generator.runner.server.kernels.limits import KernelLimits
from generator.runner.server.kernels.warm import WarmKernels
from generator.runner.server.kernels.warm_run import WarmRun
from generator.runner.server.runs.model import Choice
from generator.shared.failures import RunFailedError

KERNEL = "stubs"
"""A kernel in an environment of its own, to which a test can add packages."""


@dataclass(frozen=True)
class WarmResult:
    way: str | None
    note: str | None
    failure: RunFailedError | None
    folder: Path
    repetitions: int

    @property
    def notebook(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / "in.ipynb").read_text())
        return document

    @property
    def outputs(self) -> list[Any]:
        return [cell["outputs"] for cell in self.notebook["cells"]]

    @property
    def text(self) -> str:
        return "".join("".join(one.get("text", "")) for outputs in self.outputs for one in outputs)


class WarmRuns:
    """Runs notebooks with `WarmKernels`."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.folder = folder
        self.messages: list[str] = []
        self._before = dict(os.environ)
        os.environ["JUPYTER_PATH"] = str(folder / "jupyter")
        self.packages = self._make_environment()
        self.kernels = WarmKernels(KernelLimits(**limits), folder=folder / "kernels", log=self.messages.append)
        self._count = 0

    def _make_environment(self) -> Path:
        """Create an environment with the packages of the tests' own, and a kernel in it; the folder of its packages."""
        place = self.folder / "environment"
        venv.create(place, symlinks=True)
        packages = next(place.glob("lib/python*/site-packages"))
        (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
        spec = self.folder / "jupyter" / "kernels" / KERNEL
        spec.mkdir(parents=True)
        argv = [str(place / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(json.dumps({"argv": argv, "language": "python", "display_name": KERNEL}))
        return packages

    def run(
        self,
        *cells: str,
        way: Choice | None = None,
        files: Mapping[str, str] | None = None,
        inputs: Mapping[str, Any] | None = None,
        tags: Mapping[int, list[str]] | None = None,
        **options: Any,
    ) -> WarmResult:
        """Run a notebook, and again if its child was unsuited, as a worker does."""
        self._count += 1
        folder = self.folder / "runs" / str(self._count)
        write_notebook(folder / "repository" / "in.ipynb", *cells, kernel=KERNEL)
        _add_tags(folder / "repository" / "in.ipynb", tags or {})
        for name, text in (files or {}).items():
            (folder / "repository" / name).write_text(text)
        (folder / "inputs.json").write_text(json.dumps(inputs or {}))
        repetitions = 0
        while True:
            start = WarmRun(self.kernels, way)
            request = PackagedRun(
                process="in.ipynb",
                output=folder / "output",
                inputs=folder / "inputs.json",
                repository=str(folder / "repository"),
                show_cells=False,
                say=self.messages.append,
                start=start.start,
                kernels=self.kernels.installed.find,
                execution=options,
            )
            failure = self._run(request)
            start.finish()
            if not start.unsuited:
                return WarmResult(start.way, start.note, failure, folder / "output", repetitions)
            repetitions += 1
            shutil.rmtree(folder / "output")

    @staticmethod
    def _run(request: PackagedRun) -> RunFailedError | None:
        before, handler, directory = dict(os.environ), signal.getsignal(signal.SIGINT), Path.cwd()
        os.chdir(request.output.parent)
        try:
            run_process(request)
        except RunFailedError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the caller repeats the run
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(before)
            signal.signal(signal.SIGINT, handler)
        return None

    def prepare(self) -> None:
        """Wait until all prepared processes are ready or ended."""
        while True:
            self.kernels.tidy()
            stocks = list(self.kernels.pool.stocks)
            waiting = [stock for stock in stocks if stock.process.imported is None]
            if not waiting:
                return
            for stock in waiting:
                with suppress(UnfitError):
                    stock.is_ready(60)

    def process_ids(self) -> set[int]:
        return {stock.process.process_id for stock in self.kernels.pool.stocks}

    def end(self) -> None:
        self.kernels.end()
        os.environ.clear()
        os.environ.update(self._before)


def _add_tags(path: Path, tags: Mapping[int, list[str]]) -> None:
    document = json.loads(path.read_text())
    for index, names in tags.items():
        document["cells"][index]["metadata"].setdefault("tags", []).extend(names)
    path.write_text(json.dumps(document))
