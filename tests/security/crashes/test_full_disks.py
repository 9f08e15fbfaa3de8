"""A full disk at each write of a build: a clear message, no half of a package, and success once there is space.

Each write is a system call that a kernel's filter stops, of git and of packmill. CI tries some of them; ``make crash``
tries all (``--every-write``), once as the only write that fails, and once as the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from builds import Builds, prepared_builds
from supervised_disk import Disk, Write, is_available

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_available(), reason="system calls cannot be supervised here (seccomp)"),
]
_IN_CI = 12


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Builds, Path]]:
    with prepared_builds(tmp_path_factory.mktemp("full")) as prepared:
        yield prepared


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
    if ended.code and not ("space" in ended.err and ended.err.count("packmill:") == 1):
        return f"{last}: no clear message: {ended.err}"
    if left := list((job.disk / "tmp").iterdir()):
        return f"{last}: temporary files are left: {left}"
    again = job.run(Disk(job.disk))
    if again.code or job.files() != job.later:
        return f"{last}: with space again: {again.err}"
    return ""
