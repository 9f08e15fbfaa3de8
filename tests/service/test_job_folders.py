"""Whether a job is over is read from a lock, also where the service has no file descriptor left to open it."""

from __future__ import annotations

import fcntl
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from generator.service.store import job_folders
from generator.service.store.job_folders import DataFolder, JobFolder


@contextmanager
def no_more_files() -> Iterator[None]:
    """This process opens nothing within the block."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    made = DataFolder(tmp_path).job(1)
    made.prepare()
    return made


@pytest.fixture
def shepherd(folder: JobFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has the lock of the job."""
    with folder.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno()])
    (folder.path / "pid").write_text(str(process.pid))
    yield process
    process.kill()
    process.wait()


@pytest.mark.usefixtures("shepherd")
def test_a_job_runs_while_its_lock_cannot_be_opened(folder: JobFolder) -> None:
    assert folder.has_shepherd()
    with no_more_files():
        assert folder.has_shepherd()


def test_a_job_that_never_began_is_over(folder: JobFolder) -> None:
    assert not folder.has_shepherd()
    folder.wait()
    folder.cancel()


def test_waiting_for_a_job_goes_on_while_its_lock_cannot_be_opened(
    folder: JobFolder, shepherd: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for its end, the service would start the job a second time."""
    tried = threading.Event()

    def pause(_: float) -> None:
        tried.set()
        time.sleep(0.01)

    monkeypatch.setattr(job_folders, "time", SimpleNamespace(sleep=pause))
    waiting = threading.Thread(target=folder.wait, daemon=True)
    with no_more_files():
        waiting.start()
        assert tried.wait(60)
    waiting.join(0.2)
    assert waiting.is_alive()

    shepherd.kill()
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_cancel_that_is_impossible_now_is_an_error(folder: JobFolder, shepherd: subprocess.Popen[bytes]) -> None:
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        folder.cancel()
    assert shepherd.poll() is None

    folder.cancel()
    assert shepherd.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize("written", [None, ""], ids=["missing", "empty"])
def test_a_cancel_before_the_process_id_is_written_is_tried_again(
    written: str | None, folder: JobFolder, shepherd: subprocess.Popen[bytes]
) -> None:
    """On a full disk it is written when there is space again; the script ran whole then."""
    (folder.path / "pid").unlink()
    if written is not None:
        (folder.path / "pid").write_text(written)

    with pytest.raises(BlockingIOError, match="process ID of its shepherd is not written yet"):
        folder.cancel()
    folder.store_shepherd(shepherd.pid)
    folder.cancel()
    assert shepherd.wait(60) == -signal.SIGTERM


def test_a_process_id_that_cannot_be_written_leaves_the_one_of_the_shepherd(folder: JobFolder) -> None:
    (folder.path / "pid").write_text("1")
    (folder.path / "pid.new").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left"):
        folder.store_shepherd(1)
    assert (folder.path / "pid").read_text() == "1"


def test_processes_that_are_left_are_an_error_while_they_cannot_be_looked_for(
    folder: JobFolder, tmp_path: Path
) -> None:
    (folder.path / "group").write_text("1")

    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        folder.end_orphans(tmp_path)
    (folder.path / "group").unlink()
    folder.end_orphans(tmp_path)
