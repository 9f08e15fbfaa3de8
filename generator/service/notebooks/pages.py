"""Pages of executed notebooks: rendered once, by a process with limits, and cached next to the job's artifacts."""

from __future__ import annotations

import hashlib
import json
import queue
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from generator.service.notebooks import program as notebook_program
from generator.service.store.job_folders import JobFolder
from generator.shared.removal import remove_tree
from generator.subprocesses.commands import feed

_PROGRAM = Path(notebook_program.__file__)
_VERSION = b"2"
"""The version of the pages; increase it when the same notebook renders differently."""
_MOST_CACHED = 40
_RETRY_AFTER = 600.0
_LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
_REASONS = {
    notebook_program.NOT_A_NOTEBOOK: "it is not a valid notebook",
    notebook_program.FAILED: "it could not be rendered",
    notebook_program.OUT_OF_MEMORY: "rendering it needs too much memory",
    notebook_program.TOO_LARGE: "the page would be too large",
    -signal.SIGXCPU: "rendering it takes too long",
    -signal.SIGALRM: "rendering it takes too long",
    -signal.SIGKILL: "rendering it takes too long",
    124: "rendering it takes too long",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderLimits:
    """Limits on rendering one notebook: seconds, bytes, and characters of a source and of an output."""

    cpu: int = 20
    seconds: int = 40
    memory: int = 1 << 30
    page: int = 32 << 20
    cells: int = 2000
    text: int = 20_000
    output: int = 100_000


@dataclass(frozen=True, slots=True)
class NotShown:
    """The reason why a notebook has no page."""

    reason: str


class BusyError(Exception):
    """Too many notebooks wait to be rendered."""


class NotebookPages:
    """Renders notebooks, a few at once; others wait in a bounded queue."""

    def __init__(self, limits: RenderLimits | None = None, *, at_once: int = 2, waiting: int = 20) -> None:
        self._limits, self._at_once = limits or RenderLimits(), at_once
        self._queue: queue.Queue[tuple[str, JobFolder, bytes]] = queue.Queue(maxsize=waiting)
        self._rendering: dict[str, Future[Path | NotShown]] = {}
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []

    def page(self, folder: JobFolder, notebook: bytes) -> Future[Path | NotShown]:
        """Return the page of a job's notebook, cached or being rendered.

        Raises:
            BusyError: the queue is full.
        """
        settings = json.dumps(asdict(self._limits)).encode()
        key = hashlib.sha256(_VERSION + settings + b"\0" + notebook).hexdigest()
        cached = _find_cached(folder, key)
        if cached is not None:
            return _completed_future(cached)
        with self._guard:
            name = f"{folder.path}/{key}"
            if name not in self._rendering:
                self._start_thread()
                try:
                    self._queue.put_nowait((key, folder, notebook))
                except queue.Full:
                    raise BusyError from None
                self._rendering[name] = Future()
            return self._rendering[name]

    def _start_thread(self) -> None:
        """Start another worker thread; as daemons they do not delay the service's exit."""
        if len(self._threads) < self._at_once:
            thread = threading.Thread(target=self._render_queued, name="notebooks", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _render_queued(self) -> None:
        while True:
            key, folder, notebook = self._queue.get()
            try:
                found = self._render(key, folder, notebook)
            except Exception as error:  # noqa: BLE001 - a full disk or a deleted job must not end the thread
                found = NotShown(f"the page could not be stored: {error}")
            with self._guard:
                future = self._rendering.pop(f"{folder.path}/{key}")
            future.set_result(found)

    def _render(self, key: str, folder: JobFolder, notebook: bytes) -> Path | NotShown:
        folder.pages.mkdir(exist_ok=True, mode=0o700)
        new, page = folder.pages / f"{key}.new", folder.pages / f"{key}.html"
        try:
            with tempfile.TemporaryDirectory(prefix="packmill-notebook-") as empty:
                code = feed(
                    (sys.executable, "-I", str(_PROGRAM), json.dumps(asdict(self._limits))),
                    content=notebook,
                    output=new,
                    cwd=Path(empty),
                    environment={**_LOCALE, "HOME": empty, "TMPDIR": empty},
                    timeout=self._limits.seconds + 5,
                )
            if code == 0:
                new.replace(page)
                _remove_oldest(folder)
        finally:
            new.unlink(missing_ok=True)
        if not folder.artifacts.exists():  # deleted while the page was rendered
            remove_tree(folder.pages)
        if code == 0:
            return page
        reason = _REASONS.get(code, _REASONS[notebook_program.FAILED])
        with suppress(OSError):
            (folder.pages / f"{key}.failed").write_text(reason, encoding="utf-8")
        return NotShown(reason)


def _find_cached(folder: JobFolder, key: str) -> Path | NotShown | None:
    """Return the result of an earlier attempt, None to try again; failures expire."""
    page, failed = folder.pages / f"{key}.html", folder.pages / f"{key}.failed"
    if page.is_file():
        return page
    with suppress(OSError):
        if abs(time.time() - failed.stat().st_mtime) < _RETRY_AFTER:  # in the future, if the clock was set back
            return NotShown(failed.read_text(encoding="utf-8"))
    return None


def _remove_oldest(folder: JobFolder) -> None:
    kept = sorted(folder.pages.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[_MOST_CACHED:]:
        path.unlink(missing_ok=True)


def _completed_future(found: Path | NotShown) -> Future[Path | NotShown]:
    future: Future[Path | NotShown] = Future()
    future.set_result(found)
    return future
