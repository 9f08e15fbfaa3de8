"""``packmill map --engine toil`` on Slurm of this host against a bare scatter of ``echo`` with as many jobs.

    .venv/bin/python tests/bench/map_toil.py [ROWS [JOBS]]        (as root, with an engine, Slurm and Toil)

The goal is at most 1.3 times the time of the scatter and of the rows themselves, which run on as many cores at a time.
"""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from slurm import slurm_cluster, why_no_slurm
from support import commit_all, write_notebook
from toil_engine import toil_commands

_bin = Path(sys.executable).parent
_GOAL = 1.3


def seconds(command: Sequence[str | Path], cwd: Path, variables: Mapping[str, str]) -> float:
    """Wall time of a whole process."""
    started = time.perf_counter()
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - started


def write_scatter(place: Path, jobs: int) -> tuple[str, str]:
    """Write a workflow that runs ``echo`` as many times as there are jobs."""
    tool = {
        "class": "CommandLineTool",
        "baseCommand": "echo",
        "inputs": {"x": {"type": "int", "inputBinding": {}}},
        "requirements": {"ResourceRequirement": {"coresMin": 1, "ramMin": 256}},
        "outputs": {"out": "stdout"},
    }
    document = {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"x": "int[]"},
        "outputs": {"all": {"type": "File[]", "outputSource": "run/out"}},
        "steps": {"run": {"run": tool, "scatter": "x", "in": {"x": "x"}, "out": ["out"]}},
    }
    (place / "echo.cwl").write_text(json.dumps(document))
    (place / "echo.json").write_text(json.dumps({"x": list(range(jobs))}))
    return "echo.cwl", "echo.json"


def row_seconds(outdir: Path) -> float:
    """The sum of the rows' own times."""
    with (outdir / "results.csv").open(newline="") as file:
        return sum(float(row["seconds"]) for row in csv.DictReader(file))


def main() -> None:
    """Measure both."""
    if problem := why_no_slurm():
        print(f"skipped: {problem}")
        return
    rows, jobs = (int(word) for word in (*sys.argv[1:], *("200", "8")[len(sys.argv) - 1 :]))
    with TemporaryDirectory(prefix="bench-", dir="/tmp") as temporary:
        place = Path(temporary)
        place.chmod(0o755)
        repository = place / "bench" / "toil"
        write_notebook(
            repository / "process.ipynb", "x = 1  # type: int", "from packmill import glue\nglue('y', x * 2)"
        )
        commit_all(repository)
        built = [_bin / "packmill", "build", repository, "--output", place / "packages"]
        package = subprocess.run(built, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        with slurm_cluster(place / "c") as cluster:
            variables = {**cluster, "PATH": f"{toil_commands}{os.pathsep}{cluster['PATH']}", "TOIL_HISTORY": "0"}
            size = math.ceil(rows / jobs)
            options = ["--engine", "toil", "--batch-system", "slurm", "--rows-per-job", str(size)]
            words = ["map", package, "--product", f"x=1..{rows}", "--outdir", "out", *options]
            mapped = seconds([_bin / "packmill", *words], place, variables)
            store = ["--batchSystem", "slurm", "--jobStore", "store", "--disableProgress", "--outdir", "echoed"]
            scatter = write_scatter(place, jobs)
            echoed = seconds([toil_commands / "toil-cwl-runner", *store, *scatter], place, variables)
        own = row_seconds(place / "out") / (os.cpu_count() or 1)
    ratio = mapped / (echoed + own)
    print(f"{rows} rows in {jobs} jobs: {mapped:.1f} s; a scatter of echo: {echoed:.1f} s; rows alone: {own:.1f} s")
    print(f"ratio {ratio:.2f} (goal: at most {_GOAL})")


if __name__ == "__main__":
    main()
