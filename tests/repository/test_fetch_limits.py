"""The limits of a fetch: it ends while git runs, with the name of the limit, and without git's processes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import commit_all
from waiting import wait_until

from generator.repository import git_objects
from generator.repository.address import parse_repository
from generator.repository.fetch import fetch
from generator.repository.fetch_limits import FetchLimits, within_limits
from generator.repository.listing import listed_repository
from generator.request.settings import read_settings
from generator.shared.errors import RepositoryError, UsageError


def _repository(folder: Path, content: bytes) -> str:
    folder.mkdir(parents=True)
    (folder / "data.bin").write_bytes(content)
    commit_all(folder)
    return str(folder)


def test_a_large_history_is_refused_with_the_limit(tmp_path: Path) -> None:
    address = _repository(tmp_path / "ada" / "trees", random.Random(1).randbytes(3 << 20))

    with pytest.raises(RepositoryError, match=r"takes more than 2 MiB.*PACKMILL_REPOSITORY_SIZE") as refusal:
        fetch(parse_repository(address), None, tmp_path / "checkout", limits=FetchLimits(size=2))

    assert refusal.value.exit_code == 10


def test_a_tree_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    address = _repository(tmp_path / "ada" / "trees", b"\1" * (8 << 20))  # its pack has a few kilobytes

    with pytest.raises(RepositoryError, match="takes more than 4 MiB"):
        fetch(parse_repository(address), None, tmp_path / "checkout", limits=FetchLimits(size=4))


def _ended(limits: FetchLimits, folder: Path, *command: str) -> str:
    """Run a program in a folder that would not end by itself, as git with a slow server; return the message."""
    with (
        pytest.raises(RepositoryError) as refusal,
        within_limits(folder, limits, "https://example.org/a/b"),
        subprocess.Popen(command or ("sleep", "600"), cwd=folder) as program,
    ):
        wait_until(lambda: program.poll() is not None, seconds=60)
    return str(refusal.value)


def test_a_fetch_ends_as_soon_as_it_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "pack").write_bytes(b"x" * (2 << 20))

    assert "takes more than 1 MiB" in _ended(FetchLimits(size=1), tmp_path)


def test_a_path_that_only_git_reaches_is_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes it from the folder, but not as a whole: what it leads to cannot be measured."""
    monkeypatch.chdir(tmp_path)
    folder = Path(*["d" * 200] * 20)
    folder.mkdir(parents=True)
    (folder / ("f" * 60)).write_bytes(b"x" * (2 << 20))

    assert "a path that is longer than the system takes" in FetchLimits(size=1).problem(tmp_path, time.monotonic())


def test_a_fetch_that_takes_too_long_ends(tmp_path: Path) -> None:
    assert "not fetched within 1 seconds; PACKMILL_REPOSITORY_TIME" in _ended(FetchLimits(seconds=1), tmp_path)


def test_a_fetch_that_fills_the_memory_ends(tmp_path: Path) -> None:
    fills = "import time; kept = b'x' * (200 << 20); time.sleep(600)"

    message = _ended(FetchLimits(memory=100), tmp_path, sys.executable, "-c", fills)

    assert "takes more than 100 MiB of memory to be listed or fetched" in message


def test_a_tree_with_too_many_files_and_folders_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ada" / "trees"
    for name in ("a/b/1", "a/b/2", "c"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    commit_all(folder)
    repository = parse_repository(str(folder))
    monkeypatch.setattr(git_objects, "MOST_ENTRIES", 5)
    assert (fetch(repository, None, tmp_path / "fits").folder / "a" / "b" / "2").exists()
    monkeypatch.setattr(git_objects, "MOST_ENTRIES", 4)

    with pytest.raises(RepositoryError, match="has more than 4 files and folders; leave files out"):
        fetch(repository, None, tmp_path / "checkout")

    assert not (tmp_path / "checkout" / "c").exists()
    monkeypatch.setattr(git_objects, "MOST_ENTRIES", 2)
    with listed_repository(repository, tmp_path / "listed") as listed, pytest.raises(RepositoryError, match="than 2 f"):
        listed.list_files(None)


def test_a_commit_with_a_huge_message_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = _repository(tmp_path / "ada" / "trees", b"")
    monkeypatch.setattr(git_objects, "_LARGEST_COMMIT", 100)

    with pytest.raises(RepositoryError, match="the message of the commit is too long"):
        fetch(parse_repository(address), None, tmp_path / "checkout")


def test_the_operator_sets_the_limits() -> None:
    settings = read_settings({"PACKMILL_REPOSITORY_SIZE": "100", "PACKMILL_REPOSITORY_TIME": "60"})

    assert settings.fetch_limits == FetchLimits(size=100, seconds=60)
    with pytest.raises(UsageError, match="PACKMILL_REPOSITORY_SIZE"):
        read_settings({"PACKMILL_REPOSITORY_SIZE": "all"})
