"""The runner against papermill: whole processes of one environment, paired, A B A B; prints ratios.

    make bench            (with an engine running, the container's figure too)

Both programs run from compiled bytecode, as in an image.
"""

from __future__ import annotations

import compileall
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from support import commit_all, write_notebook

_bin = Path(sys.executable).parent
_top = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cost:
    """A whole process and what it waited for: seconds, seconds of CPU, MB of the largest process."""

    wall: float
    cpu: float
    memory: float


def cost(command: Sequence[str | Path], cwd: Path) -> Cost:
    """Runs a command to its end."""
    started = time.perf_counter()
    quiet = subprocess.DEVNULL
    child = subprocess.Popen([str(word) for word in command], cwd=cwd, stdin=quiet, stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def ours(notebook: str) -> list[str | Path]:
    return [_bin / "packmill-runner", "run", notebook, "out.ipynb"]


def papermill(notebook: str) -> list[str | Path]:
    return [_bin / "papermill", notebook, "out.ipynb"]


def paired(name: str, notebook: str, folder: Path, *, runs: int) -> None:
    """Prints the median ratios of the two programs on one notebook."""
    if runs > 1:
        cost(ours(notebook), folder), cost(papermill(notebook), folder)
    pairs = [(cost(ours(notebook), folder), cost(papermill(notebook), folder)) for _ in range(runs)]
    wall, cpu = (statistics.median(getattr(a, of) / getattr(b, of) for a, b in pairs) for of in ("wall", "cpu"))
    a, b = (statistics.median(pair[side].wall for pair in pairs) for side in (0, 1))
    print(f"{name}: {wall:.3f} of papermill's wall time ({a:.2f} s to {b:.2f} s), {cpu:.3f} of its CPU", flush=True)


def linear(folder: Path) -> None:
    """Seconds a cell between 10 and 1,000 cells, and the runner's own memory."""
    walls = {}
    for cells in (10, 100, 1000):
        write_notebook(folder / f"c{cells}.ipynb", *[f"print({number})" for number in range(cells)])
        walls[cells] = statistics.median(cost(ours(f"c{cells}.ipynb"), folder).wall for _ in range(5))
    first, second = (walls[100] - walls[10]) / 90, (walls[1000] - walls[100]) / 900
    print(f"a further cell: {first * 1000:.1f} ms up to 100 cells, {second * 1000:.1f} ms from there to 1,000")
    for notebook in ("trivial.ipynb", "c1000.ipynb", "large.ipynb"):
        print(f"peak memory of the runner, {notebook}: {_own_memory(notebook, folder):.0f} MB", flush=True)


def _own_memory(notebook: str, folder: Path) -> float:
    program = (
        "import os, sys\nfrom generator.runner.cli import main\n"
        "from generator.runner.execution.watching import peak_memory\n"
        "assert main(sys.argv[1:]) == 0\nprint(peak_memory(os.getpid()) // 1024**2)"
    )
    command = [sys.executable, "-c", program, "run", notebook, "out.ipynb"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    return float(done.stdout)


def stalls(folder: Path) -> None:
    """A hundred trivial runs."""
    walls = [cost(ours("trivial.ipynb"), folder).wall for _ in range(100)]
    median = statistics.median(walls)
    print(f"slowest of 100 trivial runs: {max(walls) / median:.2f} times the median ({median:.3f} s)", flush=True)


def container(folder: Path) -> None:
    """A trivial process in its image, read-only and as another user, to the same on the host."""
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        print("in a container: no engine is running")
        return
    repository = folder / "bench" / "trivial"
    write_notebook(repository / "process.ipynb", "x = 1", "print(x)")
    commit_all(repository)
    build = [_bin / "packmill", "build", repository, "--output", folder / "packages", "--json"]
    built = subprocess.run([str(word) for word in build], capture_output=True, text=True, check=True)
    image = json.loads(built.stdout)["image"]
    work = folder / "work"
    work.mkdir(mode=0o777)
    for path in (folder, work):
        path.chmod(0o777)
    (work / "inputs.json").write_text("{}")
    limits = ("--rm", "--read-only", "--user=4242:4242", "--tmpfs=/tmp", f"--volume={work}:/work", "--workdir=/work")
    run = ("run", "--process", "process.ipynb", "--inputs", "inputs.json")
    inside = ("docker", "run", *limits, image, "packmill-runner", *run)
    start = ("docker", "run", *limits, image, "true")
    host = (_bin / "packmill-runner", *run, "--repository", repository)
    numbers = itertools.count()

    def wall(command: tuple[str | Path, ...]) -> float:
        option = () if command == start else ("--output", f"output-{next(numbers)}")  # a run refuses earlier results
        return cost((*command, *option), work).wall

    wall(inside), wall(start), wall(host)
    rounds = [(wall(inside), wall(start), wall(host)) for _ in range(9)]
    ratio = statistics.median(a / (b + c) for a, b, c in rounds)
    a, b, c = (statistics.median(one[side] for one in rounds) for side in range(3))
    print(f"in a container: {ratio:.2f} of its start and the host's run ({a:.2f} s to {b:.2f} s and {c:.2f} s)")


def main() -> None:
    for folder in (sysconfig.get_path("purelib"), str(_top / "generator")):
        compileall.compile_dir(folder, quiet=2)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_notebook(folder / "trivial.ipynb", "x = 1", "print(x)")
        write_notebook(folder / "c200.ipynb", *[f"print({number})" for number in range(200)])
        write_notebook(folder / "large.ipynb", *["print(('y' * 99 + '\\n') * 100)"] * 500)
        paired("trivial notebook", "trivial.ipynb", folder, runs=21)
        paired("200 cells", "c200.ipynb", folder, runs=5)
        paired("500 cells of 10 kB", "large.ipynb", folder, runs=1)
        linear(folder)
        stalls(folder)
        container(folder)


if __name__ == "__main__":
    main()
