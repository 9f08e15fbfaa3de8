"""Where Toil runs the jobs of a CWL document: the batch system, the program that starts containers, the job store."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.package.engines import toil
from generator.package.output_folder import refuse_links
from generator.shared.errors import UsageError
from generator.shared.removal import remove_tree

_JOB_STORE, _LOGS = "jobstore", "logs"
_DIGEST = "run"
"""The file with the digest of the run whose job store is next to it; see `_digest_name` for other stores."""
_LOCK = "lock"
"""The file that a run has locked, also while only its leader is left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What ``packmill run`` was asked for about a cluster; all None on this machine."""

    batch_system: str | None = None
    """Toil's name of the cluster's scheduler."""
    container: str | None = None
    """docker, podman or singularity."""

    def check_engine(self, engine: str, *, resume: bool = False) -> None:
        """Refuse options of Toil for another engine.

        Raises:
            UsageError: the engine is not Toil.
        """
        given = {"--batch-system": self.batch_system, "--container": self.container, "--resume": resume}
        if engine != toil.name and (names := [name for name, value in given.items() if value]):
            raise UsageError(f"{names[0]} is for --engine {toil.name}; add that, or omit the option")

    @contextmanager
    def locked(self, folder: Path, *, resume: bool = False) -> Iterator[tuple[int, ...]]:
        """Hold the ``folder`` of `options`, if it is used; yield the descriptor of the lock, which the leader inherits.

        A leader goes on if packmill is killed, and keeps the lock until its own end: a second one would run its jobs
        again, and the first to end would remove the store of the other.

        Raises:
            UsageError: another run has the folder, or it is a link.
            OSError: the folder cannot be created.
        """
        if not self._uses_folder(resume=resume):
            yield ()
            return
        refuse_links(folder.parent, f"{folder.name}/{_LOCK}")
        with _locked(folder) as descriptor:
            yield (descriptor,)

    def _uses_folder(self, *, resume: bool) -> bool:
        return self.batch_system is not None or resume

    def options(
        self, folder: Path, given: Sequence[str] = (), *, resume: bool = False, digest: str = ""
    ) -> tuple[str, ...]:
        """Return the options of ``toil-cwl-runner``, with those that the user gave last: the last of two counts.

        ``folder`` gets the job store and the logs of jobs; a cluster's nodes must see it. It is not used on this
        machine, where Toil has temporary folders of its own, unless a run is to be resumed. ``digest`` is that of
        `run_digest`: a run that is continued has the document and the values with which it began.

        Raises:
            UsageError: an interrupted run left its job store, and ``resume`` is not set, or is for another run; the
                folder, or a file of its own in it, is a link.
        """
        container = (f"--{self.container}",) if self.container in ("podman", "singularity") else ()
        if not self._uses_folder(resume=resume):
            return (*container, *given)
        batch_system = ("--batchSystem", self.batch_system) if self.batch_system else ()
        kept, job_store = toil.split_job_store(given)
        place = job_store or str(folder / _JOB_STORE)
        begun = folder / _digest_name(place, folder)
        refuse_links(folder.parent, *(f"{folder.name}/{name}" for name in (begun.name, _LOGS, _JOB_STORE)))
        can_continue = resume and (job_store is not None or Path(place).exists())
        if not resume and job_store is None and Path(place).exists():
            raise UsageError(
                f"{place}: a run that ended early left it; --resume continues that run, or remove the folder"
            )
        logs = folder / _LOGS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # secret values are in the job store
        logs.mkdir(exist_ok=True)
        _check_same_run(begun, digest, place, can_continue=can_continue)
        restart = ("--restart",) if can_continue else ()
        own = ("--jobStore", place, "--batchLogsDir", str(logs), *restart)
        return (*batch_system, *container, *own, *kept)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the folder of a run's job store; yield the descriptor of the lock. A file system without locks gives none.

    Raises:
        UsageError: another run has the folder.
        OSError: the folder cannot be created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # secret values are in the job store
    descriptor = _lock(folder / _LOCK)
    if descriptor is None:
        raise UsageError(
            f"{folder}: a run of Toil still uses it, maybe a toil-cwl-runner whose packmill was killed; wait until it "
            "has ended, or stop it"
        )
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove_store(folder: Path, given: Sequence[str] = (), *, digest: str = "") -> None:
    """Remove what a run that succeeded has in the folder of `Cluster.options`, with the arguments that it had there.

    A run that ended early, with another job store, may have left its own: then the folder, and the logs, stay. Nothing
    is removed while another run has the folder, or after one has begun there with the same store.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    begun = folder / _digest_name(toil.split_job_store(given)[1] or str(folder / _JOB_STORE), folder)
    with suppress(OSError, UsageError):
        with _locked(folder):
            if begun.exists() and begun.read_text(encoding="ascii", errors="replace") != digest:
                return
            begun.unlink(missing_ok=True)
            if begun.name == _DIGEST:
                remove_tree(folder / _JOB_STORE)
            if any(path.name not in (_LOCK, _LOGS) for path in folder.iterdir()):
                return
            remove_tree(folder / _LOGS)
            (folder / _LOCK).unlink()
        folder.rmdir()  # NFS keeps the name of an open file until it is closed


def _lock(path: Path) -> int | None:
    """Lock a file, and return its descriptor; None if it is locked.

    It is opened for writing, since NFS locks no other files, and a run that ends may remove it before it is locked.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            return descriptor
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False)):
                return descriptor
        os.close(descriptor)


def run_digest(document: Path, job: Mapping[str, Any]) -> str:
    """Return a digest of what a run runs: the documents of its package, and its values."""
    documents = sorted(one for one in document.parent.glob("*.cwl") if one.is_file())
    contents = [(one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in documents]
    text = json.dumps([document.name, contents, sorted(job.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def _check_same_run(begun: Path, digest: str, place: str, *, can_continue: bool) -> None:
    """Refuse to continue a run with another package or other values, which Toil would not read; note those that begin.

    Raises:
        UsageError: the run began with others, or may have, as only Toil knows whether ``place`` has a store; a folder
            of an earlier version does not have that.
    """
    path = _path_of(place)
    if can_continue or (path is None and begun.exists()):
        if begun.exists() and begun.read_text(encoding="ascii", errors="replace") != digest:
            raise UsageError(
                f"{begun.parent}: the run there began with another package or other values, and Toil continues with "
                "those; give the same ones to --resume, or remove the folder"
                + ("" if can_continue else f" and the job store {place} (toil clean)")
            )
    elif path is None or not path.exists():  # otherwise Toil refuses to begin
        begun.write_text(digest, encoding="ascii")


def _digest_name(place: str, folder: Path) -> str:
    """Return the name of the file with the digest of the run whose job store is at a place."""
    path = _path_of(place)
    if path == Path(os.path.realpath(folder / _JOB_STORE)):
        return _DIGEST
    return f"{_DIGEST}-{hashlib.sha256(str(path or place).encode()).hexdigest()[:16]}"


def _path_of(place: str) -> Path | None:
    """Return the path of a job store; None for one of a cloud (Toil's ``Toil.parseLocator``)."""
    if place.startswith("file:"):
        return Path(os.path.realpath(place.removeprefix("file:")))
    return Path(os.path.realpath(place)) if place[:1] in ("/", ".") or ":" not in place else None
