"""``packmill map`` against a loop of papermill and against cwltool: ratios of rates in the same run.

    make bench
    python tests/bench/map.py [--rows N] [--few N] [PART...]

Parts: trivial, science (numpy, pandas and matplotlib), isolated (a container for each row), large (10,000 rows). Each
takes less than three minutes once the images are built. References run a few rows before and after, because each of
theirs takes seconds. A bare fork (`bare_fork`) in the same image shows how fast the machine is, and a container that
does nothing how fast Docker is. The processor time per row shows what does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from processor_time import Usage, run_measured
from support import commit_all, write_notebook

_bin = Path(sys.executable).parent
_GLUE = "from packmill import glue\nglue('y', x * 2)"
_CODE = {"trivial": _GLUE, "science": f"import numpy, pandas, matplotlib.pyplot\n{_GLUE}"}
_ISOLATED = 4
"""How many times as many rows as a reference the part ``isolated`` has: the start of a program counts less."""
_LARGE = 10
"""How many times as many rows the part ``large`` has."""


def build(place: Path, name: str) -> Path:
    """Build the package of a notebook; its commit is always the same, so that its image is built once."""
    repository = place / "bench" / name
    package = place / "packages" / "bench" / name / "main"
    if package.is_dir():
        return package
    write_notebook(repository / "process.ipynb", "x = 1  # type: int", _CODE[name])
    if name == "science":
        (repository / "requirements.txt").write_text("numpy\npandas\nmatplotlib\n")
    os.environ.update(GIT_AUTHOR_DATE="2026-11-01T00:00:00Z", GIT_COMMITTER_DATE="2026-11-01T00:00:00Z")
    commit_all(repository)
    seconds([_bin / "packmill", "build", repository, "--scatter", "x", "--output", place / "packages"], place)
    return package


def seconds(command: Sequence[str | Path], cwd: Path) -> float:
    """Wall time of a whole process."""
    started = time.perf_counter()
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return time.perf_counter() - started


def mapped(package: Path, place: Path, rows: int, *options: str) -> tuple[Usage, Path]:
    """Map rows; return what that used, and the results."""
    out = place / f"out-{time.monotonic_ns()}"
    words = ["map", str(package), "--product", f"x=1..{rows}", "--outdir", str(out), *options]
    return run_measured([str(_bin / "packmill"), *words], place), out


def scattered(package: Path, place: Path, rows: int) -> float:
    """Seconds a row in which cwltool scatters the process over a few rows."""
    document = package / "scatter.cwl"
    main = next(line.split("id: ")[1].strip() for line in document.read_text().splitlines() if "-scatter" in line)
    (place / "job.json").write_text(json.dumps({"x": list(range(1, rows + 1))}))
    options = ("--parallel", "--quiet", "--outdir", "scattered")
    return seconds([_bin / "cwltool", *options, f"{document}#{main}", "job.json"], place) / rows


def looped(place: Path, rows: int) -> float:
    """Seconds a row of a loop of papermill."""
    repository = place / "bench" / "trivial"
    loop = [_bin / "papermill", repository / "process.ipynb", place / "out.ipynb", "-k", "python3", "-p", "x", "1"]
    return sum(seconds(loop, place) for _ in range(rows)) / rows


def image_of(package: Path) -> str:
    """Return the name of a package's image."""
    image = re.search(r"^\s*dockerPull: (\S+)$", (package / "process.cwl").read_text(), re.MULTILINE)
    assert image, "process.cwl names the image"
    return image[1]


def bare_fork(package: Path, *modules: str) -> float:
    """Runs a second of children that do nothing but run cells, in a container of the package's image."""
    script = Path(__file__).with_name("bare_fork.py")
    mount = f"--mount=type=bind,source={script},target=/bare_fork.py,readonly"
    imports = (word for module in modules for word in ("--import", module))
    options = ("--rm", "--network=none", mount, "--entrypoint=python3", "--env=PYTHONPATH=/opt/packmill/kernel/lib")
    words = [
        "docker",
        "run",
        *options,
        image_of(package),
        "/bare_fork.py",
        *imports,
    ]  # the image's kernel brings IPython
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def bare_container(package: Path, count: int) -> float:
    """Seconds a container of the package's image that does nothing, with as many at a time as there are cores."""
    options = ("--rm", "--network=none", "--read-only", "--log-driver=none", "--entrypoint=/bin/true")
    words = ["docker", "run", *options, image_of(package)]
    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for done in threads.map(lambda _: subprocess.run(words, capture_output=True, check=False), range(count)):
            done.check_returncode()
    return (time.perf_counter() - began) / count


def report_rate(name: str, rate: float, goal: str, floors: Sequence[float]) -> None:
    """Print a rate, and its ratio to that of bare forks before and after it."""
    report(name, rate, goal, "rows/s")
    floor = sum(floors) / len(floors)
    print(f"  {rate / floor:.2f} of a bare fork ({', '.join(f'{one:.0f}' for one in floors)} runs/s)", flush=True)


def report(name: str, value: float, goal: str, how: str) -> None:
    """Print a figure and its goal."""
    print(f"{name}: {value:.3g} {how} (goal: {goal})", flush=True)


def trivial(place: Path, rows: int, few: int) -> None:
    """Rates of a trivial notebook, and of the references."""
    package = build(place, "trivial")
    loops, scatters = [looped(place, few)], [scattered(package, place, few)]
    floors = [bare_fork(package)]
    used, _ = mapped(package, place, rows)
    floors.append(bare_fork(package))
    loops, scatters = [*loops, looped(place, few)], [*scatters, scattered(package, place, few)]
    rate = rows / used.seconds
    report_rate(f"trivial, {rows} rows", rate, "80", floors)
    print(f"  processor time {used.describe(rows)}")
    report("trivial, times a loop of papermill", rate * sum(loops) / 2, "80", f"({sum(loops) / 2:.2f} s a row)")
    report("trivial, times cwltool --parallel", rate * sum(scatters) / 2, "50", f"({sum(scatters) / 2:.2f} s a row)")


def science(place: Path, rows: int, _few: int) -> None:
    """The rate of a notebook that imports large packages."""
    package = build(place, "science")
    modules = ("numpy", "pandas", "matplotlib.pyplot")
    before = bare_fork(package, *modules)
    used, _ = mapped(package, place, rows)
    report_rate(f"science, {rows} rows", rows / used.seconds, "50", (before, bare_fork(package, *modules)))
    print(f"  processor time {used.describe(rows)}")


def isolated(place: Path, _rows: int, few: int) -> None:
    """The rate with a container for each row of a notebook that imports large packages."""
    package, rows = build(place, "science"), _ISOLATED * few
    before = scattered(package, place, rows)
    floors = [bare_container(package, rows)]
    used, _ = mapped(package, place, rows, "--isolate", "container")
    floors.append(bare_container(package, rows))
    reference, alone = (before + scattered(package, place, rows)) / 2, used.seconds / rows
    report("isolated, times cwltool --parallel", reference / alone, "3", f"({alone:.2f} and {reference:.2f} s a row)")
    floor = sum(floors) / 2
    print(f"  {floor:.2f} s a container of `true`: {reference / floor:.1f} times cwltool --parallel", flush=True)


def large(place: Path, rows: int, _few: int) -> None:
    """Memory, rate and leaks of many rows."""
    count = _LARGE * rows
    used, out = mapped(build(place, "trivial"), place, count)
    ends = sorted(_end(path) for path in (out / "rows").iterdir())
    settled, part = ends[rows // 10 :], rows // 2
    first, last = settled[part] - settled[0], settled[-1] - settled[-1 - part]
    report(f"large, {count} rows", count / used.seconds, "80", "rows/s")
    print(f"  processor time {used.describe(count)}")
    report("large, memory of the coordinator", used.peak_memory, "under 200", "MB")
    report("large, rate of the last rows", first / last, "at least 0.9", "of that of the first ones")
    for name, values in (("open files", used.files), ("processes", used.processes)):
        quarter = max(1, len(values) // 4)
        print(f"large, most {name}: {max(values[quarter : 2 * quarter])} early, {max(values[-quarter:])} late")
    left = [path.name for path in (out / ".packmill-map").iterdir() if path.name.startswith("work")]
    listed = ["docker", "ps", "--all", "--quiet", "--filter", "label=org.packmill.map"]
    containers = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    print(f"large, left behind: {len(left)} folders, {len(containers)} containers of maps (goal: none)", flush=True)


def _end(folder: Path) -> float:
    """Return when a row ended, in seconds."""
    return datetime.fromisoformat(json.loads((folder / "result.json").read_text())["ended"]).timestamp()


_PARTS = {"trivial": trivial, "science": science, "isolated": isolated, "large": large}


def main() -> None:
    """Measure the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(_PARTS)} (default: all)")
    parser.add_argument("--rows", type=int, default=1000, help="rows of a map (default: %(default)s)")
    parser.add_argument("--few", type=int, default=5, help="rows of a reference (default: %(default)s)")
    options = parser.parse_args()
    if unknown := set(options.parts) - _PARTS.keys():
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    with suppress(OSError):
        print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with TemporaryDirectory(prefix="packmill-bench-") as temporary:
        place = Path(temporary)
        place.chmod(0o755)
        for name in options.parts or _PARTS:
            _PARTS[name](place, options.rows, options.few)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
