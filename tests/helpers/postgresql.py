"""A PostgreSQL cluster of the tests' own; PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

_PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
needs_postgresql = pytest.mark.skipif(
    _PROGRAMS is None or os.geteuid() != 0, reason="Debian's postgresql is not installed, or this is not root"
)


class Cluster:
    """A cluster that listens on a socket in its folder alone."""

    def __init__(self, folder: Path) -> None:
        assert _PROGRAMS is not None
        self.folder = folder
        shutil.chown(folder, "postgres")
        self._as_postgres = ("runuser", "-u", "postgres", "--", "env", f"--chdir={folder}")
        self._call("initdb", "-D", f"{folder}/data", "--auth=trust", "--no-sync")

    def start(self) -> None:
        self._control("-o", f"-k {self.folder} -c listen_addresses='' -c max_connections=200 -c fsync=off", "start")

    def stop(self, *, mode: str = "fast") -> None:
        self._control("-m", mode, "stop")

    def new_database(self, name: str) -> str:
        """Create a database, and return its URL."""
        self._call("createdb", "-h", str(self.folder), name)
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def _control(self, *arguments: str) -> None:
        self._call("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", *arguments)

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._as_postgres, f"{_PROGRAMS}/{program}", *arguments], check=True, capture_output=True)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    folder = Path(mkdtemp(prefix="packmill-pg-"))
    cluster = Cluster(folder)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)
