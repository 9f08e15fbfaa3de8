"""The figures of docs/performance.md: whole processes, paired with a reference in the same run; prints ratios.

    make bench

Each pair runs in turn, A B A B, so that a machine whose speed drifts does not decide; the median ratio counts.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from support import commit_all, write_notebook

_FLOOR = """import json, ast, sys
ast.parse(json.load(open(sys.argv[1]))['cells'][0]['source'])
open(sys.argv[2], 'w').write('x')"""
_PEERS = """threshold = 12.5
name = 'abcdefg'
count = 86  # type: int
scene = [{'path': '/path/to/file'}]  # type: stage-in
picture = 'image.png'  # type: stage-out
log = 'wildcard_*.log'  # type: stage_out
table = 'x.csv'  # type: stage-out
flag = True
nothing = None
offset = -7
shift = -0.5
numbers = [1, 2, 3]
options = {'a': 1}
words = [
    'x',
    'y',
]
typed: int = 3"""


def process(command: list[str]) -> tuple[float, float]:
    """Wall time in seconds and peak memory in MB of a whole process."""
    started = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    elapsed = time.perf_counter() - started
    assert status == 0, command
    child.returncode = 0
    return elapsed, usage.ru_maxrss / 1024


def paired(name: str, measured: list[str], reference: list[str], runs: int = 15) -> None:
    """Prints the median ratio of two commands, run in turn."""
    process(measured), process(reference)
    pairs = [(process(measured), process(reference)) for _ in range(runs)]
    ratio = statistics.median(a[0] / b[0] for a, b in pairs)
    wall, floor = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    memory = max(a[1] for a, _ in pairs)
    print(
        f"{name}: {ratio:.1f} times the reference ({wall * 1000:.0f} ms to {floor * 1000:.0f} ms), peak {memory:.0f} MB"
    )


def inspect(folder: Path) -> None:
    """`packmill inspect` against reading the same file with json and ast and writing one."""
    notebook = write_notebook(folder / "ada/trees/process.ipynb", _PEERS)
    packmill = [str(Path(sys.executable).parent / "packmill"), "inspect", str(notebook.parent), "--json"]
    paired("packmill inspect", packmill, [sys.executable, "-c", _FLOOR, str(notebook), str(folder / "out")])


def build(folder: Path) -> None:
    """`packmill build` without an image: everything but git is packmill's own time."""
    repository = folder / "ada/whole"
    write_notebook(repository / "process.ipynb", _PEERS)
    commit_all(repository)
    packmill = [str(Path(sys.executable).parent / "packmill"), "build", str(repository), "--no-image"]
    code = (
        "import sys, pathlib, tempfile\n"
        "from generator.repository.fetch import fetch\nfrom generator.repository.address import parse_repository\n"
        "with tempfile.TemporaryDirectory() as t: fetch(parse_repository(sys.argv[1]), None, pathlib.Path(t, 'r'))"
    )
    git_alone = [sys.executable, "-c", code, str(repository)]
    process([*packmill, "--output", str(folder / "warm")])
    differences = []
    for number in range(7):
        whole = process([*packmill, "--output", str(folder / f"out-{number}")])[0]
        differences.append(whole - process(git_alone)[0])
    print(f"packmill build outside of git, repo2docker and docker: {statistics.median(differences):.2f} s")


def emit() -> None:
    """All documents of a notebook with 30 parameters, in process."""
    from support import notebook

    from generator.documents.context import DocumentContext
    from generator.documents.package import package
    from generator.notebook.interface_reading import read_interface
    from generator.notebook.notebook import read_notebook
    from generator.process.process import Process
    from generator.repository.source import Source
    from generator.request.build import optional_documents

    cell = "\n".join(f"name_{n} = {n}  # type: int the number {n}" for n in range(25))
    cell += "\n" + "\n".join(f"out_{n} = 'file_{n}.png'  # type: stage-out" for n in range(5))
    interface = read_interface(read_notebook(json.dumps(notebook(cell)).encode(), "process.ipynb"))
    process_value = Process(path="process.ipynb", language="python", kernel="python3", interface=interface)
    source = Source(
        address="https://example.org/a/b", owner="a", name="b", checkout="main", commit="0" * 40, message="m",
        time=datetime(2026, 1, 1, tzinfo=timezone.utc),
    )  # fmt: skip
    context = DocumentContext(process=process_value, source=source, image="a.b:main", emits=tuple(optional_documents))
    times = []
    for _ in range(21):
        started = time.perf_counter()
        package(context, environment=(), image_digest=None, tools={})
        times.append(time.perf_counter() - started)
    print(f"all documents of a notebook with 30 parameters: {statistics.median(times) * 1000:.0f} ms")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with TemporaryDirectory() as temporary:
        inspect(Path(temporary))
        build(Path(temporary))
        emit()
