"""Check a table of inputs against a package of a job's artifacts, by a process with limits."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.service.archives import Archive
from generator.service.http_errors import HttpError
from generator.service.tables import program as table_program
from generator.subprocesses.commands import run

_PROGRAM = Path(table_program.__file__)
_READ = ("package.json", "inputs.yml")
_MOST_FILES = 10_000
_LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_TOO_LARGE = "the table cannot be checked here: it takes too long or too much memory; use query.py map, or split it"
_PATIENCE = 30.0
"""Seconds that a check waits for others to end."""
_turns = threading.BoundedSemaphore(2)


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckLimits:
    """Limits on the check of one table: seconds, and bytes of address space."""

    cpu: int = 60
    seconds: int = 90
    memory: int = 4 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRequest:
    """Rows to run: a file, or assignments of a product; and assignments for all rows.

    ``local`` allows files of this machine.
    """

    table: str = ""
    product: Sequence[str] = ()
    values: Sequence[str] = ()
    local: bool = False


def find_mistakes(
    request: TableRequest, archive: Archive, package: str, folder: Path, limits: CheckLimits | None = None
) -> tuple[list[str], int]:
    """Return the mistakes of a table in ``folder``, and how many more there are; ``package`` is in the archive.

    Raises:
        HttpError: 404, the package's files cannot be read; 503, too many tables are being checked.
    """
    _copy_names(archive, package, folder / "package")
    bounds = limits or CheckLimits()
    if not _turns.acquire(timeout=_PATIENCE):
        raise HttpError(503, {"message": "Other tables are being checked. Try again in a moment."})
    try:
        done = run(
            (sys.executable, "-I", str(_PROGRAM), json.dumps(asdict(bounds))),
            cwd=folder,
            environment={**_LOCALE, "HOME": str(folder), "TMPDIR": str(folder)},
            alone=True,
            timeout=bounds.seconds + 5,
            text=json.dumps(asdict(request)),
        )
    finally:
        _turns.release()
    if done.code != 0:
        return [_TOO_LARGE], 0
    found = json.loads(done.stdout)
    return found.get("mistakes", []), found.get("more", 0)


def _copy_names(archive: Archive, package: str, target: Path) -> None:
    """Write the files that a check reads, and empty ones for the others: rows may name them."""
    names = [name for name in archive.sizes() if name.startswith(f"{package}/")][:_MOST_FILES]
    for name in names:
        inner = name.removeprefix(f"{package}/")
        path = target / inner
        if "\0" in inner or not path.resolve().is_relative_to(target.resolve()):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(archive.read(name) if inner in _READ else b"")
