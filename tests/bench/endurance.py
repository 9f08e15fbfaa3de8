"""A server after many runs: its memory, open files, processes, files and database, and whether they grow.

Runs of all kinds come in twenty parts. After each part, the server deletes its ended runs, and a sample is taken. The
samples of the second quarter are compared with those of the last one.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from http_client import load, request, running, serve_command
from ports import free_port
from support import write_notebook

_HERE = Path(__file__).parents[2]
_PARTS = 20
_CLIENTS = 4
_KEEP = "2s"
_PATIENCE = 120.0
"""Seconds that the server has to delete its ended runs."""
_WARM_UP = 120
"""Runs before the first sample, after which all processes are prepared."""
_FORKED_AHEAD = 8
"""Files and folders of children that are forked ahead, whose number varies."""
_PAGE_CACHE = 2.0
"""Megabytes that SQLite may take for each process with the database; it fills during some thousand runs."""
_OWN_LINES = ("packmill-runner serves ", "packmill-runner: stopped")
_GLUE = "from packmill import glue\nglue('y', x * 2)"
_ROLES = ("server", "workers", "prepared", "children")


def write_notebooks(root: Path) -> None:
    """Notebooks that succeed, fail, read uploads, print much, and start programs."""
    write_notebook(root / "trivial.ipynb", "x: int = 1", _GLUE)
    write_notebook(root / "modules.ipynb", "x: int = 1", f"import decimal, sqlite3, xml.dom.minidom\n{_GLUE}")
    write_notebook(root / "fails.ipynb", "x: int = 1", "1 / (x - x)")
    write_notebook(root / "reads.ipynb", "x: int = 1\ndata = 'a.txt'  # type: stage-in", f"open(data).read()\n{_GLUE}")
    write_notebook(root / "prints.ipynb", "x: int = 1", f"for n in range(2000): print('x' * 50)\n{_GLUE}")
    write_notebook(
        root / "starts.ipynb", "x: int = 1", f"!true\nimport subprocess\nsubprocess.Popen(['sleep', '60'])\n{_GLUE}"
    )
    (root / "a.txt").write_text("a")


def ask(number: int) -> bytes:
    """A run that waits for its result: most are trivial and direct, one in 200 has a kernel in a process of its own."""
    others = {1: "modules", 2: "fails", 3: "reads", 4: "prints", 5: "starts"}
    name = others.get(number % 20, "trivial")
    way = "cold" if number % 200 == 10 else "kernel" if number % 10 == 0 or number % 40 in others else "direct"
    parameters = {"x": number}
    if name == "reads":
        parameters |= {"data": {"class": "File", "contents": "x" * 1000, "basename": "b.txt"}}  # type: ignore[dict-item]
    body = {"notebook": f"{name}.ipynb", "parameters": parameters, "kernels": way}
    return request("POST", "/runs?wait=60", json.dumps(body))


@dataclass(frozen=True)
class Sample:
    """What there is after a number of runs; memory in MB."""

    memory: dict[str, float]
    open_files: dict[str, int]
    processes: dict[str, int]
    zombies: int
    files: int
    """In the data folder, without the database."""
    temporary: int
    """In the folder of temporary files."""
    database: float
    workers: frozenset[int]

    def __str__(self) -> str:
        roles = (
            f"{role} {self.processes[role]} × {self.memory[role] / max(1, self.processes[role]):.1f} MB, "
            f"{self.open_files[role]} open files"
            for role in _ROLES
        )
        left = (
            f"{self.files} files, {self.temporary} temporary, {self.zombies} zombies, database {self.database:.2f} MB"
        )
        return f"{'; '.join(roles)}; {left}"


def endure(folder: Path, runs: int) -> int:
    """Do the runs, print samples and a verdict, and return the exit code."""
    root, data, temporary, log = folder / "root", folder / "data", folder / "tmp", folder / "log"
    write_notebooks(root)
    temporary.mkdir()
    port = free_port()
    command = serve_command(root, data, port, "--keep", _KEEP, "--log-level", "warning", "--workers", "2")
    samples: list[Sample] = []
    others: Counter[int] = Counter()
    environment = {"PYTHONPATH": str(_HERE), "TMPDIR": str(temporary)}
    with running(command, port, ask, log=log, **environment) as server:
        asyncio.run(load(port, ask, clients=_CLIENTS, seconds=1e6, most=_WARM_UP))
        for part in range(_PARTS):
            first, after = runs * part // _PARTS, runs * (part + 1) // _PARTS
            done = asyncio.run(
                load(
                    port,
                    lambda number, first=first: ask(first + number),
                    clients=_CLIENTS,
                    seconds=1e6,
                    most=after - first,
                )
            )
            others.update({status: count for status, count in done.statuses.items() if status != 200})
            _wait_for_deletion(data)
            samples.append(_take_sample(server, data, temporary))
            print(f"{after} of {runs} runs, {done}\n    {samples[-1]}", flush=True)
    problems = [*_growth(samples, runs), *(f"{count} answers {status}" for status, count in others.items())]
    lines = [line for line in log.read_text(errors="replace").splitlines() if not line.startswith(_OWN_LINES)]
    problems += [f"log: {line}" for line in lines[-20:]]
    for problem in problems:
        print(problem)
    print(f"verdict: {runs} runs left {'something' if problems else 'nothing'} behind", flush=True)
    return 1 if problems else 0


def _wait_for_deletion(data: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while any((data / "runs").glob("*/*")) and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(1.5)  # workers fork children ahead when they are idle


def _growth(samples: list[Sample], runs: int) -> Iterator[str]:
    """Name what grew from the second quarter to the last one; print the figures of memory."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    between = runs // 2

    def compare(name: str, before: float, after: float, allowed: float) -> Iterator[str]:
        per_run = (after - before) * 1e6 / between if "MB" in name else (after - before) / between
        print(f"{name}: {before:.2f}, then {after:.2f} ({per_run:+.2g} {'bytes ' if 'MB' in name else ''}a run)")
        if after > before + allowed:
            yield f"GROWS: {name}, from {before:.2f} to {after:.2f}"

    for role in ("server", "workers", "prepared"):
        before, after = (statistics.median(one.memory[role] for one in part) for part in (early, late))
        caches = 0 if role == "prepared" else _PAGE_CACHE * samples[-1].processes[role]
        yield from compare(f"memory of {role}, MB", before, after, 1 + 0.02 * before + caches)
        before, after = (statistics.median(one.open_files[role] for one in part) for part in (early, late))
        yield from compare(f"open files of {role}", before, after, _FORKED_AHEAD)
    for name, allowed in (("zombies", 0), ("files", _FORKED_AHEAD), ("temporary", _FORKED_AHEAD)):
        before, after = (statistics.median(getattr(one, name) for one in part) for part in (early, late))
        yield from compare(name, before, after, allowed)
    before, after = (statistics.median(sum(one.processes.values()) for one in part) for part in (early, late))
    yield from compare("processes", before, after, 1)
    before, after = (statistics.median(one.database for one in part) for part in (early, late))
    yield from compare("database, MB", before, after, 0.1 + 0.1 * before)
    if len({one.workers for one in samples}) > 1:
        yield "worker processes were replaced"


def _take_sample(server: int, data: Path, temporary: Path) -> Sample:
    roles: dict[str, list[int]] = {role: [] for role in _ROLES}
    zombies = 0
    for process in (int(one.name) for one in Path("/proc").glob("[0-9]*")):
        try:
            if server not in _ancestors(process):
                continue
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                zombies += 1
            else:
                roles[_role(process, server)].append(process)
        except (OSError, ValueError):  # it ended
            continue
    database = [one for one in data.glob("*.sqlite*") if one.is_file()]
    files = sum(len(names) for _, _, names in os.walk(data)) - len(database)
    return Sample(
        memory={role: sum(map(_memory, processes)) for role, processes in roles.items()},
        open_files={role: sum(map(_open_files, processes)) for role, processes in roles.items()},
        processes={role: len(processes) for role, processes in roles.items()},
        zombies=zombies,
        files=files,
        temporary=len(list(temporary.iterdir())),
        database=sum(one.stat().st_size for one in database) / 1e6,
        workers=frozenset(roles["workers"]),
    )


def _role(process: int, server: int) -> str:
    if process == server:
        return "server"
    if "generator.runner.server.workers.worker" in _command(process):
        return "workers"
    is_prepared = "packmill_prepared" in _command(process) and "packmill_prepared" not in _command(_parent(process))
    return "prepared" if is_prepared else "children"


def _command(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text(errors="replace")


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _ancestors(process: int) -> set[int]:
    chain = {process}
    while process > 1:
        process = _parent(process)
        chain.add(process)
    return chain


def _memory(process: int) -> float:
    """Proportional set size in MB: shared pages count by their share."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return int(rollup.partition("\nPss:")[2].split()[0]) * 1024 / 1e6


def _open_files(process: int) -> int:
    try:
        return len(os.listdir(f"/proc/{process}/fd"))
    except OSError:
        return 0
