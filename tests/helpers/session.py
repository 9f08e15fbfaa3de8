"""One run of the tests: a folder that its workers share, and the removal of what it left on this machine.

A run that was killed is cleaned up by the next one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException
from engine_store import has_store, remove_store
from power_loss import unmount_below

from generator.shared.removal import remove_tree

VARIABLE = "TESTS_OF_PACKMILL"
"""An environment variable that every process of a run inherits: the run's folder."""
_SESSIONS = (
    Path(os.environ[VARIABLE]).parent
    if VARIABLE in os.environ
    else Path(tempfile.gettempdir()) / f"packmill-test-sessions-{os.getuid()}"
)
_IMAGES = (
    "ada.*",
    "tests.*",
    "chosen:*",
    "packmill.city-temperatures:*",
    "packmill-tests*",
    "packmill/test-base:*",
    "127.0.0.1:*/*",
    *(f"*packmill/{kind}:*" for kind in ("environment", "formats", "runner", "staging")),
)
"""Names of images that tests make. The base image stays: the next run needs the same one."""
_ENGINE = ("dockerd", "containerd")
"""The engine's programs, which remove images and caches before they end."""
_CACHES_AT_ONCE = 200
"""IDs in one request for the removal of caches; their names are part of its address."""


def session_folder() -> Path:
    """Return the folder of this run."""
    return Path(os.environ[VARIABLE])


def begin_session() -> None:
    """Make this run's folder, and end the processes of runs that were killed."""
    _SESSIONS.mkdir(exist_ok=True)
    _SESSIONS.chmod(0o711)  # some tests run programs as another user
    for folder in _dead_sessions():
        _end_processes(folder)
        unmount_below(folder)
        if has_store(folder):
            remove_store(folder)
            (folder / "engine.json").unlink(missing_ok=True)
        _remove_unless_engine_used(folder)
    folder = _SESSIONS / f"{os.getpid()}-{_start_time(os.getpid())}"
    folder.mkdir(mode=0o711, exist_ok=True)
    os.environ[VARIABLE] = str(folder)
    # cwltool, buildx and what a test kills leave folders in the temporary folder, so a run has one of its own.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    Path(tempfile.tempdir).mkdir()
    Path(tempfile.tempdir).chmod(0o1777)
    # Hypothesis and schemathesis keep tables of characters there, which take four seconds in each folder without them.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(sys.prefix) / "hypothesis"))


def note_engine(daemon: int | None) -> None:
    """Remember what the engine holds before the first test uses it, after cleaning up after runs that were killed."""
    if daemon is not None:
        (session_folder() / "dockerd.pid").write_text(str(daemon))
    note = session_folder() / "engine.json"
    if note.exists():
        return
    for folder in _dead_sessions():
        _clean_engine(folder / "engine.json", Seconds())
        remove_tree(folder)
    with _engine() as engine:
        tags = [tag for image in engine.images() for tag in image["RepoTags"] or ()]
    note.write_text(json.dumps({"begin": time.time(), "tags": tags}))


def was_present(image: str) -> bool:
    """Return whether the engine had an image before this run."""
    return image in json.loads((session_folder() / "engine.json").read_text())["tags"]


def end_session() -> dict[str, float]:
    """Remove what this run left: processes, containers, images, build caches, and the engine if the run started it.

    Return the seconds that each part took.
    """
    folder, seconds = session_folder(), Seconds()
    daemon = _read_number(folder / "dockerd.pid")
    with seconds.of("processes"):
        _end_processes(folder, but=_ENGINE if daemon else ())
    if (folder / "engine.json").exists() and not has_store(folder):
        _clean_engine(folder / "engine.json", seconds)
    if daemon:
        with seconds.of("engine"):
            _end(daemon)
            _end_processes(folder)
            remove_store(folder)
    with seconds.of("files"):
        remove_tree(folder)
    return seconds


class Seconds(dict[str, float]):
    """The seconds that parts of the removal took, by their names."""

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Measure the body."""
        begin = time.monotonic()
        yield
        self[part] = time.monotonic() - begin


def _remove_unless_engine_used(folder: Path) -> None:
    """The images of a killed run can be removed only once an engine answers."""
    if not (folder / "engine.json").exists():
        remove_tree(folder)


def _dead_sessions() -> list[Path]:
    dead = []
    for folder in _SESSIONS.iterdir():
        number, _, start = folder.name.partition("-")
        if folder.is_dir() and _start_time(int(number)) != start:
            dead.append(folder)
    return dead


def _start_time(process: int) -> str:
    """A process id alone may belong to another process by now."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _read_number(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() else None


def _end_processes(folder: Path, *, but: tuple[str, ...] = ()) -> None:
    """End the processes of a run, except for programs whose names begin with one of ``but``."""
    found = [one for one in _processes_of(folder) if one != os.getpid()]
    _end(*(one for one in found if not (but and _program(one).startswith(but))))


def _program(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text()
    except OSError:
        return ""


def _processes_of(folder: Path) -> Iterator[int]:
    marker = f"{VARIABLE}={folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)
        except OSError:
            continue


def _end(*processes: int) -> None:
    """End processes, which all have the same time to end by themselves."""
    left = set(processes)
    for number, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        deadline = time.monotonic() + seconds
        while (left := set(filter(_is_alive, left))) and time.monotonic() < deadline:
            time.sleep(0.05)


def _is_alive(process: int) -> bool:
    try:
        if os.waitpid(process, os.WNOHANG)[0]:
            return False
    except ChildProcessError:
        pass
    return _start_time(process) != ""


class _engine:  # noqa: N801 - used as a function
    """The engine's interface, closed afterwards."""

    def __enter__(self) -> Any:
        self.client = docker.from_env(timeout=600)
        return self.client.api

    def __exit__(self, *_: object) -> None:
        self.client.close()


def _clean_engine(note: Path, seconds: Seconds) -> None:
    before = json.loads(note.read_text())
    try:
        with _engine() as engine:
            with seconds.of("images"):
                _remove_images(engine, set(before["tags"]), before["begin"])
            with seconds.of("caches"):
                _remove_caches(engine, before["begin"])
    except DockerException as error:
        print(f"the container engine was not cleaned up: {error}")


def _remove_images(engine: Any, tags_before: set[str], begin: float) -> None:
    tags = [tag for image in engine.images() for tag in image["RepoTags"] or ()]
    new = [tag for tag in tags if tag not in tags_before and any(fnmatchcase(tag, name) for name in _IMAGES)]
    for container in engine.containers(all=True):
        if container["Image"] in new:
            engine.remove_container(container["Id"], force=True, v=True)
    for tag in new:
        _remove_image(engine, tag)
    for image in engine.images(filters={"dangling": True}):
        is_ours = any(label.startswith("org.packmill.") for label in image["Labels"] or ())
        if is_ours and image["Created"] >= int(begin):
            _remove_image(engine, image["Id"])


def _remove_image(engine: Any, name: str) -> None:
    try:
        engine.remove_image(name, force=True)
    except APIError as error:
        if error.status_code != 404:  # removed with another one
            print(f"{name} was not removed: {error.explanation}")


def _remove_caches(engine: Any, begin: float) -> None:
    """Remove the layers that builds of this run left; children first, because a parent is in use until then."""
    address = engine._url("/build/prune")
    usage = engine._result(engine._get(engine._url("/system/df"), params={"type": "build-cache"}), json=True)
    caches = [one for one in usage["BuildCache"] or () if _when(one["CreatedAt"]) >= begin]
    names = [one["ID"] for one in sorted(caches, key=lambda one: _when(one["CreatedAt"]), reverse=True)]
    for start in range(0, len(names), _CACHES_AT_ONCE):
        pattern = f"/^({'|'.join(names[start : start + _CACHES_AT_ONCE])})$/"
        filters = json.dumps({"id": [pattern]})  # each request walks through the whole cache
        engine._post(address, params={"all": True, "filters": filters}).close()


def _when(text: str) -> float:
    """An RFC 3339 time with nanoseconds."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    begin = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return begin.timestamp() + float(f"0.{fraction or 0}")
