"""Builds of a package on a disk that fails or a process that is killed, and what they leave."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from supervised_disk import Disk
from support import commit_all, write_notebook
from warm_packmill import Ended, WarmPackmill, variables, warm_packmill

_EARLIER, _LATER = "earlier", "later"
Files = dict[str, str]
"""The digests of files by their path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Builds:
    """A repository whose branch has a package already, which a build replaces; a user's file is in it."""

    packmill: WarmPackmill
    repository: Path
    disk: Path
    earlier: Files
    later: Files

    def run(self, disk: Disk, *, killed_after: float | None = None) -> Ended:
        """Build the package."""
        return self.packmill.run(
            *("build", self.repository, "--no-image", "--output", self.disk / "packages"),
            disk=disk,
            environment=dict(variables(self.disk)),
            killed_after=killed_after,
        )

    def reset(self, saved: Path) -> None:
        """Bring the disk to its state before the build."""
        shutil.rmtree(self.disk, ignore_errors=True)
        shutil.copytree(saved, self.disk)

    def files(self) -> Files:
        """Return what is on the disk, except for temporary files that a killed process leaves to the system."""
        return digests(self.disk / "packages")


def digests(folder: Path) -> Files:
    """Return the digests of the files in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def prepared_builds(folder: Path) -> Iterator[tuple[Builds, Path]]:
    """Yield builds, and a copy of the disk before one."""
    repository, disk, saved = folder / "ada" / "trees", folder / "disk", folder / "saved"
    for name in ("tmp", "home"):
        (disk / name).mkdir(parents=True)
    with warm_packmill() as packmill:
        states = []
        for text in (_EARLIER, _LATER):
            write_notebook(repository / "process.ipynb", "x: int = 1", f"# {text}\nprint(x)")
            commit_all(repository, text)
            builds = Builds(packmill=packmill, repository=repository, disk=disk, earlier={}, later={})
            done = builds.run(Disk(disk))
            assert done.code == 0, done.err
            if text == _EARLIER:
                (disk / "packages/ada/trees/main/mine.txt").write_text("mine")
                shutil.copytree(disk, saved)
            states.append(builds.files())
        yield Builds(packmill=packmill, repository=repository, disk=disk, earlier=states[0], later=states[1]), saved
