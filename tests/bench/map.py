"""``packmill map`` against a loop of papermill and against cwltool; prints rates and ratios.

    make bench            (with an engine running)

The rows of *local* run on their own; the references run a few rows each, as they take seconds a row.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from support import commit_all, write_notebook

_bin = Path(sys.executable).parent
_ROWS, _FEW = 1000, 10
_SCIENCE = "import numpy, pandas, matplotlib.pyplot"
_GLUE = "from packmill import glue\nglue('y', x * 2)"


def seconds(command: Sequence[str | Path], cwd: Path) -> float:
    """Wall time of a whole process."""
    started = time.perf_counter()
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - started


def build(repository: Path, place: Path) -> Path:
    """Build the package of a repository."""
    command = [_bin / "packmill", "build", repository, "--output", place / "packages"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return Path(done.stdout.splitlines()[-1])


def measure(name: str, repository: Path, place: Path, *, papermill: bool) -> None:
    """Print the rates of one notebook."""
    package = build(repository, place)
    out = place / name

    def mapped(rows: int, *options: str) -> float:
        words = ["map", package, "--product", f"x=1..{rows}", "--outdir", f"{out}-{rows}-{len(options)}", *options]
        return seconds([_bin / "packmill", *words], place)

    start = mapped(2)
    spent = mapped(_ROWS)
    print(f"{name}: {_ROWS} rows in {spent:.1f} s, {_ROWS / spent:.1f} rows/s (2 rows: {start:.1f} s)", flush=True)
    alone = mapped(_FEW, "--isolate", "container") / _FEW
    scattered = scatter(package, place) / _FEW
    print(f"{name}: a row in {alone:.2f} s with --isolate container, in {scattered:.2f} s with cwltool --parallel")
    print(f"{name}: {scattered / (spent / _ROWS):.0f} and {scattered / alone:.1f} times cwltool --parallel", flush=True)
    if papermill:
        loop = [_bin / "papermill", repository / "process.ipynb", "out.ipynb", "-p", "x", "1"]
        each = min(seconds(loop, place) for _ in range(3))
        print(f"{name}: {each / (spent / _ROWS):.0f} times a loop of papermill ({each:.2f} s a row)", flush=True)


def scatter(package: Path, place: Path) -> float:
    """Seconds in which cwltool scatters the process over a few rows."""
    step = {"run": str(package / "process.cwl"), "scatter": "x", "in": {"x": "x"}, "out": ["output_dir"]}
    document = {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"x": "int[]"},
        "outputs": {"all": {"type": "Directory[]", "outputSource": "run/output_dir"}},
        "steps": {"run": step},
    }
    (place / "scatter.cwl").write_text(json.dumps(document))
    (place / "job.json").write_text(json.dumps({"x": list(range(1, _FEW + 1))}))
    options = ("--parallel", "--quiet", "--outdir", "scattered")
    return seconds([_bin / "cwltool", *options, "scatter.cwl", "job.json"], place)


def main() -> None:
    """Measure both notebooks."""
    with TemporaryDirectory(prefix="packmill-bench-") as temporary:
        place = Path(temporary)
        place.chmod(0o755)
        for name, code in (("trivial", _GLUE), ("science", f"{_SCIENCE}\n{_GLUE}")):
            repository = place / "bench" / name
            write_notebook(repository / "process.ipynb", "x = 1  # type: int", code)
            if name == "science":
                (repository / "requirements.txt").write_text("numpy\npandas\nmatplotlib\n")
            commit_all(repository)
            measure(name, repository, place, papermill=name == "trivial")


if __name__ == "__main__":
    main()
