"""A run whose packmill is killed: its engine ends with it, and nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import wait_until

from generator.containers.limits import container_limits
from generator.package.engines import cwltool
from generator.package.engines.leftovers import Leftovers

_TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, 'mkdir output && cat "$0" > output/text.txt', GATE]
inputs: {token: string}
outputs: {results: {type: Directory, outputBinding: {glob: output}}}
"""
_RUN = """\
import sys
from pathlib import Path
from generator.package.engines.execution import execute
tool, kept = Path(sys.argv[1]), int(sys.argv[2])
execute(tool, {"token": "secret"}, outdir=Path("results"), engine="cwltool", options=(), on_line=print, trust=True,
        kept=(kept,))
"""


class KilledRun:
    """A run whose tool waits at a gate while packmill is killed."""

    def __init__(self, folder: Path) -> None:
        self.temporary, self.results, gate = folder / "temporary", folder / "results", folder / "gate"
        self.temporary.mkdir()
        os.mkfifo(gate)
        (folder / "docker").write_text(f'#!/bin/sh\necho "$@" >> {folder}/docker.log\necho 1a\n')
        (folder / "docker").chmod(0o755)
        (folder / "tool.cwl").write_text(_TOOL.replace("GATE", json.dumps(str(gate))))
        self._ended, kept = os.pipe()  # packmill and its engine have the other end
        command = (sys.executable, "-c", _RUN, str(folder / "tool.cwl"), str(kept))
        programs = f"{folder}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "TMPDIR": str(self.temporary), "PATH": programs}
        self._packmill = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, pass_fds=(kept,)
        )
        os.close(kept)
        self._gate = wait_until(lambda: _opened(gate), message="the tool runs")

    def kill(self) -> None:
        """Kill packmill."""
        self._packmill.kill()
        self._packmill.wait()

    def end(self) -> None:
        """Let the tool write its result, and wait for the end of the engine."""
        os.write(self._gate, b"result of the killed run")
        os.close(self._gate)
        assert os.read(self._ended, 1) == b""

    def close(self) -> None:
        self._packmill.kill()
        self._packmill.wait()
        os.close(self._ended)


def _opened(gate: Path) -> int | None:
    """Open a named pipe, if a program reads it."""
    try:
        return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


@pytest.fixture
def run(tmp_path: Path) -> Iterator[KilledRun]:
    killed = KilledRun(tmp_path)
    yield killed
    killed.close()


def test_the_results_of_another_run_in_the_same_folder_stay(run: KilledRun) -> None:
    run.kill()
    output = run.results / "output"
    output.mkdir(parents=True)
    (output / "text.txt").write_text("result of the other run")
    run.end()

    assert (output / "text.txt").read_text() == "result of the other run"


def test_its_values_and_temporary_files_are_removed(run: KilledRun) -> None:
    run.kill()
    run.end()

    assert list(run.temporary.iterdir()) == []


def test_its_containers_are_removed(run: KilledRun, tmp_path: Path) -> None:
    run.kill()
    run.end()

    listed, removed = (tmp_path / "docker.log").read_text().splitlines()
    assert listed.startswith("ps --all --quiet --filter label=org.packmill.run=")
    assert removed == "rm --force --volumes 1a"


def test_an_engine_that_starts_after_the_end_of_packmill_runs_nothing(tmp_path: Path) -> None:
    left = Leftovers(folder=tmp_path / "run", label="org.packmill.run=test")
    left.folder.mkdir()
    left.job_file.touch()
    (tmp_path / "tool.cwl").write_text(_TOOL.replace("GATE", "/dev/null"))
    command = [*cwltool.command(replace(container_limits(), bare=True), trust=True, left=left), "tool.cwl", "--token=x"]
    command[command.index(str(os.getpid()))] = str(os.getppid())
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (signal.SIGTERM, "")
    assert not left.folder.exists()
    assert not (tmp_path / "output").exists()
