"""A full disk at each write of a command: a clear message, nothing half-done, and success once there is space.

Each write is a system call that a kernel's filter stops, of git and of packmill. CI tries some of them; ``make crash``
tries all (``--every-write``), once as the only write that fails, and once as the first.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builds import Builds, prepared_builds
from supervised_disk import Disk, Write, is_available
from support import write_notebook
from warm_packmill import Ended, WarmPackmill, variables, warm_packmill

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_available(), reason="system calls cannot be supervised here (seccomp)"),
]
_IN_CI = 12
_USAGE, _GIT, _FULL = 2, 10, 23
"""Exit codes; 10 if git had no space."""


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Builds, Path]]:
    with prepared_builds(tmp_path_factory.mktemp("full")) as prepared:
        yield prepared


@pytest.fixture(scope="module")
def packmill() -> Iterator[WarmPackmill]:
    with warm_packmill() as warm:
        yield warm


def _only(n: int) -> Callable[[int, Write], bool]:
    return lambda number, _write: number == n


def _from(n: int) -> Callable[[int, Write], bool]:
    return lambda number, _write: number >= n


def test_a_full_disk_at_any_write_leaves_the_earlier_package_and_a_message(
    builds: tuple[Builds, Path], request: pytest.FixtureRequest
) -> None:
    job, saved = builds
    job.reset(saved)
    counted = Disk(job.disk)
    assert job.run(counted).code == 0
    total, every = len(counted.writes), request.config.getoption("--every-write")
    numbers = range(1, total + 1) if every else range(1, total + 1, -(-total // _IN_CI))

    trials = [(n, kind) for n in numbers for kind in ((_only, _from) if every else (_from,))]
    wrong = {(n, kind.__name__): problem for n, kind in trials if (problem := _problem(job, saved, kind(n)))}

    print(f"full disk: {len(trials)} trials at {total} writes, {len(trials) - len(wrong)} as they should be")
    assert not wrong, "\n".join(f"{where}: {problem}" for where, problem in wrong.items())


def _problem(job: Builds, saved: Path, fails: Callable[[int, Write], bool]) -> str:
    """Return what is wrong after a build on a disk that fails; empty if nothing is."""
    job.reset(saved)
    disk = Disk(job.disk, fails=fails)
    ended = job.run(disk)
    files = job.files()
    last = disk.writes[-1]
    if "Traceback" in ended.err or ended.code == 1:
        return f"{last}: {ended.err}"
    # A disk that stays full refuses to rename a file, too: the next build takes it from a folder with a hidden name.
    named = {name: digest for name, digest in files.items() if "/." not in f"/{name}"}
    hidden = {Path(name).name for name in files.keys() - named.keys()}
    if ended.code and "mine.txt" in hidden:
        named["ada/trees/main/mine.txt"] = job.later["ada/trees/main/mine.txt"]
    if named not in ((job.later,) if ended.code == 0 else (job.earlier, job.later)):
        return f"{last}: exit code {ended.code} and other files: {named.items() ^ job.earlier.items()}"
    if ended.code not in (0, _GIT, _FULL):
        return f"{last}: exit code {ended.code}: {ended.err}"
    if ended.code and not ("space" in ended.err and ended.err.count("packmill:") == 1):
        return f"{last}: no clear message: {ended.err}"
    if left := list((job.disk / "tmp").iterdir()):
        return f"{last}: temporary files are left: {left}"
    again = job.run(Disk(job.disk))
    if again.code or job.files() != job.later:
        return f"{last}: with space again: {again.err}"
    return ""


@pytest.mark.parametrize(
    "command",
    [
        ("init", "trees.ipynb"),
        ("service", "compose", "--engine", "tcp://engine:2376", "--data", "/srv/packmill", "--output", "service"),
        ("token", "create", "ada", "--data", "data", "--role", "run"),
    ],
    ids=lambda command: command[0],
)
def test_a_full_disk_from_any_write_of_another_command_on_is_named(
    command: tuple[str, ...], packmill: WarmPackmill, tmp_path: Path
) -> None:
    """SQLite does not report why it can create no file: such an error has another exit code, and the same advice."""
    write_notebook(tmp_path / "saved/trees.ipynb", "x = 1", "print(x)")
    folder = tmp_path / "disk"

    def run(fails: Callable[[int, Write], bool]) -> tuple[Ended, int]:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "saved", folder)
        disk = Disk(folder, fails=fails)
        ended = packmill.run(*command, disk=disk, environment=dict(variables(folder)))
        return ended, len(disk.writes)

    done, total = run(lambda _number, _write: False)
    assert done.code == 0, done.err
    for number in range(1, total + 1, max(1, total // _IN_CI)):
        ended, _ = run(_from(number))
        if command[0] == "token" and ended.code == 0:
            break  # SQLite's last writes, after the token is stored, tidy up its files
        place, _, problem = ended.err.removeprefix("packmill: ").partition(": ")
        assert place.startswith((str(folder), "service", "data", "--data data")), ended.err
        assert "full" in problem or "No space left" in problem or "database failed" in problem
        assert "free some space" in problem or "free space on its disk" in problem
        assert ended.code == (_USAGE if "database failed" in problem else _FULL)
