"""A working copy that a run left unchanged is used again; any change, however well hidden, means a new one."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from deep_folders import make_deep
from waiting import wait_until

from generator.runner.packaged import kept_copy
from generator.runner.packaged.file_copies import CopyBudget
from generator.runner.packaged.kept_copy import KeptCopy, KeptHome
from generator.runner.packaged.repository_location import locate_repository
from generator.runner.packaged.run_folders import home_folder
from generator.runner.packaged.workspace import Workspace

Action = Callable[[Path], object]
Run = Callable[..., Path]


@pytest.fixture(autouse=True)
def files(repository: Path) -> None:
    """Files of a repository."""
    (repository / "maps").mkdir()
    (repository / "maps" / "a.txt").write_text("old")
    (repository / "large.bin").write_bytes(bytes(100_000))
    (repository / "current").symlink_to("maps")


@pytest.fixture
def kept(tmp_path: Path) -> KeptCopy:
    """Where a copy is kept."""
    return KeptCopy(tmp_path / "kept")


def is_kept(kept: KeptCopy) -> bool:
    """Whether anything is left for the next run."""
    return any(kept.folder.iterdir())


@pytest.fixture
def run(tmp_path: Path, repository: Path, kept: KeptCopy) -> Callable[..., tuple[int, str]]:
    """Fill a working copy, act in it, and keep it; return when ``maps/a.txt`` was copied (ns), and what it has."""

    def do(action: Action = lambda _: None, *, written: tuple[str, ...] = ()) -> tuple[int, str]:
        workspace = Workspace(top=kept.top, process="notebook.ipynb")
        workspace.fill(locate_repository(str(repository)), written=written, kept=kept)
        copied = workspace.top / "maps/a.txt"
        time_of_copy, content = copied.stat().st_ctime_ns, copied.read_text()
        time.sleep(0.03)  # a run is longer than a step of the clock of file times
        action(workspace.top)
        workspace.collect(tmp_path / os.urandom(4).hex())
        workspace.leave_to(kept)
        return time_of_copy, content

    return do


def test_the_next_run_gets_the_unchanged_copy(run: Callable[..., tuple[int, str]]) -> None:
    first = run(lambda top: (top / "maps/a.txt").read_text())

    assert run() == first
    assert run() == first


def test_results_that_were_moved_away_leave_it_unchanged(run: Callable[..., tuple[int, str]]) -> None:
    first = run(lambda top: (top / "result.csv").write_text("1"))

    assert run() == first


def test_what_a_run_left_beside_the_copy_is_removed(run: Callable[..., tuple[int, str]], kept: KeptCopy) -> None:
    first = run(lambda top: (top.parent / "beside").mkdir())

    assert [path.name for path in kept.folder.iterdir()] == ["repository"]
    assert run(lambda top: (top / "../secret.txt").write_text("x")) == first
    assert [path.name for path in kept.folder.iterdir()] == ["repository"]


def test_a_run_that_was_refused_before_it_had_a_copy_leaves_the_kept_one(
    run: Callable[..., tuple[int, str]], kept: KeptCopy, tmp_path: Path
) -> None:
    first = run()
    refused = Workspace(top=kept.top, process="notebook.ipynb")

    assert refused.collect(tmp_path / "nothing") == []
    refused.leave_to(kept)

    assert not (tmp_path / "nothing").exists()
    assert run() == first


def test_it_is_not_used_with_other_expected_outputs(run: Callable[..., tuple[int, str]]) -> None:
    assert run()[0] != run(written=("*.bin",))[0]


def overwrite_unnoticed(top: Path) -> None:
    """Write as much as before, and set the old times."""
    before = (top / "maps/a.txt").stat()
    (top / "maps/a.txt").write_text("new")
    os.utime(top / "maps/a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))


def replace(top: Path) -> None:
    """Write another file of the same name."""
    (top / "maps/b.txt").write_text("old")
    (top / "maps/b.txt").replace(top / "maps/a.txt")


def add_hidden_folder(top: Path) -> None:
    """Create what no run collects."""
    (top / "maps/__pycache__").mkdir()
    (top / "maps/__pycache__/a.pyc").write_text("code")


_CHANGES: tuple[Action, ...] = (
    overwrite_unnoticed,
    replace,
    add_hidden_folder,
    lambda top: (top / "maps/a.txt").unlink(),
    lambda top: (top / "maps/a.txt").chmod(0o755),
    lambda top: os.link(top / "maps/a.txt", top.parent / "second_name"),
    lambda top: (top / "current").unlink(),
    lambda top: (top / "large.bin").unlink(),
    lambda top: (top / "maps").chmod(0o711),
)


@pytest.mark.parametrize("when", ["first run", "later run"])
@pytest.mark.parametrize("change", _CHANGES)
def test_a_changed_copy_is_not_used_again(
    change: Action, when: str, run: Callable[..., tuple[int, str]], kept: KeptCopy
) -> None:
    if when == "later run":
        run()
    run(change)

    assert not is_kept(kept)
    assert run()[1] == "old"


@pytest.mark.parametrize(
    "change",
    [
        lambda top: (top / "maps/a.txt").write_text("new"),
        lambda top: (top / "maps/a.txt").chmod(0o755),
        lambda top: (top / "maps/b.txt").write_text("more"),
        lambda top: (top / "current").unlink(),
    ],
)
def test_it_is_not_used_after_a_change_of_the_repository(
    change: Action, run: Callable[..., tuple[int, str]], repository: Path
) -> None:
    first = run()
    change(repository)

    second = run()

    assert second[0] != first[0]
    assert second[1] == (repository / "maps/a.txt").read_text()


def test_a_process_that_outlived_its_run_cannot_change_the_copy_of_the_next(
    run: Callable[..., tuple[int, str]],
) -> None:
    files = []
    run(lambda top: files.append(open(top / "maps/a.txt", "r+")))  # noqa: SIM115 - stays open
    files[0].write("new")
    files[0].close()

    assert run()[1] == "old"


def test_changes_in_the_moment_of_copying_are_found(repository: Path, kept: KeptCopy) -> None:
    """A file that is written within one step of the clock has the same times."""
    workspace = Workspace(top=kept.top, process="notebook.ipynb")
    workspace.fill(locate_repository(str(repository)), kept=kept)
    (workspace.top / "maps/a.txt").write_text("new")
    status = (workspace.top / "maps/a.txt").stat()
    workspace._states["maps/a.txt"] = workspace._states["maps/a.txt"]._replace(
        modified=status.st_mtime_ns, changed=status.st_ctime_ns
    )
    wait_until(lambda: time.time_ns() > status.st_ctime_ns + 30_000_000, message="the clock moves on")

    workspace.leave_to(kept)

    assert not is_kept(kept)


@pytest.mark.parametrize(("step", "expected"), [(1_000_000, False), (30_000_000, True)])
def test_a_copy_is_kept_once_the_clock_has_moved_on(
    step: int, expected: bool, repository: Path, kept: KeptCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``step`` is how many nanoseconds the run took: later changes must have another time than the copying."""
    workspace = Workspace(top=kept.top, process="notebook.ipynb")
    workspace.fill(locate_repository(str(repository)), kept=kept)
    copied = max(path.lstat().st_ctime_ns for path in kept.top.rglob("*"))
    monkeypatch.setattr("generator.runner.packaged.kept_copy.time.time_ns", lambda: copied + step)

    workspace.leave_to(kept)

    assert is_kept(kept) == expected


@pytest.mark.parametrize("large", [0, 2**30])
def test_with_a_large_file_it_is_kept_and_a_later_run_that_changes_the_file_itself_is_found(
    large: int, repository: Path, kept: KeptCopy, tmp_path: Path
) -> None:
    """Large copies are not compared with their sources; nothing can have the time of the copying after a wait."""
    with open(repository / "large.bin", "wb") as file:
        file.truncate(9 * 1024**2)
    copies = set()
    for _ in range(2):
        workspace = Workspace(top=kept.top, process="notebook.ipynb", budget=CopyBudget(large=large))
        workspace.fill(locate_repository(str(repository)), kept=kept)
        copies.add((kept.top / "large.bin").lstat().st_ino)
        assert workspace.collect(tmp_path / "output") == []
        time.sleep(0.03)
        workspace.leave_to(kept)
    assert len(copies) == 1

    workspace = Workspace(top=kept.top, process="notebook.ipynb")
    workspace.fill(locate_repository(str(repository)), kept=kept)
    (kept.top / "large.bin").write_text("result")

    assert workspace.changed_sources() == ([] if large else ["large.bin"])
    assert ((repository / "large.bin").stat().st_size == 6) == (not large)


@pytest.fixture
def image_home(tmp_path: Path) -> Path:
    home = tmp_path / "image"
    (home / ".config").mkdir(parents=True)
    (home / ".bashrc").write_text("alias ll='ls -l'")
    (home / "model.bin").write_bytes(b"0" * 100_000)
    return home


@pytest.fixture
def kept_home() -> Iterator[KeptHome]:
    """Where a folder of home and caches is kept."""
    kept = KeptHome()
    yield kept
    kept.remove()


@pytest.fixture
def run_in_home(image_home: Path, kept_home: KeptHome) -> Run:
    """Do something in the home of a run, and return the run's folder of home and caches."""

    def run(action: Action = lambda _home: None, *, image: Path | None = image_home, given: str = "/nowhere") -> Path:
        with patch.dict(os.environ, HOME=given), home_folder(image, kept_home, in_place=False) as homes:
            assert Path(os.environ["HOME"]).is_relative_to(homes)
            assert stat.S_IMODE((homes / "runtime").stat().st_mode) == 0o700
            time.sleep(0.03)  # more than a step of the clock of file times
            action(homes)
        return homes

    return run


def test_a_home_that_a_run_left_as_it_was_is_kept(run_in_home: Run, kept_home: KeptHome) -> None:
    first = run_in_home()
    inodes = {path: path.lstat().st_ino for path in first.rglob("*")}

    second = run_in_home()

    assert second == first
    assert {path.relative_to(first).as_posix() for path in inodes} == {
        "runtime", "home", "home/.bashrc", "home/.config", "home/model.bin"
    }  # fmt: skip
    assert {path: path.lstat().st_ino for path in first.rglob("*")} == inodes
    kept_home.remove()
    assert not first.exists()


def test_a_kernel_s_own_files_that_it_has_removed_do_not_count(run_in_home: Run) -> None:
    first = run_in_home(lambda homes: touch_and_remove(homes / "runtime/kernel.json"))

    assert run_in_home() == first


def touch_and_remove(path: Path) -> None:
    path.touch()
    path.unlink()


def write_with_the_same_times(path: Path) -> None:
    status = path.stat()
    path.write_text("alias ll='rm -r'")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda homes: (homes / "cache").mkdir(),
        lambda homes: (homes / "runtime/kernel.json").write_text("{}"),
        lambda homes: (homes / "runtime").rmdir(),
        lambda homes: (homes / "runtime").chmod(0o777),
        lambda homes: (homes / "home/.config/new").touch(),
        lambda homes: (homes / "home/.bashrc").chmod(0o755),
        lambda homes: write_with_the_same_times(homes / "home/.bashrc"),
        lambda homes: touch_and_remove(homes / "home/.config/lock"),
        shutil.rmtree,
    ],
)
def test_a_home_that_a_run_changed_is_not_kept(change: Action, run_in_home: Run) -> None:
    first = run_in_home(change)
    assert not first.exists()

    second = run_in_home()

    assert second != first
    assert (second / "home/.bashrc").read_text() == "alias ll='ls -l'"
    assert not (second / "home/.config/new").exists()


def test_a_home_that_was_written_to_after_its_run_is_removed(run_in_home: Run) -> None:
    first = run_in_home()
    (first / "home/.profile").write_text("echo late")

    assert run_in_home() != first
    assert not first.exists()


def test_a_home_is_new_where_the_image_s_has_changed(run_in_home: Run, image_home: Path) -> None:
    first = run_in_home()
    (image_home / ".bashrc").write_text("alias ll='ls -a'")

    second = run_in_home()

    assert second != first
    assert (second / "home/.bashrc").read_text() == "alias ll='ls -a'"


def test_a_home_with_settings_of_the_engine_is_not_kept(
    run_in_home: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / ".gitconfig").write_text("of start")
    monkeypatch.chdir(work)

    homes = run_in_home(lambda homes: (homes / "home/.gitconfig").read_text(), given=str(work))

    assert not homes.exists()


def test_a_change_at_the_time_of_the_copying_is_found(run_in_home: Run, kept_home: KeptHome) -> None:
    """The kernel's clock moves in steps: a write in the step of the copying leaves all times as they are."""

    def write_unseen(homes: Path) -> None:
        (homes / "home/.bashrc").write_text("alias ll='rm -r'")
        kept_home._states = kept_copy._states_of_home(homes)
        time.sleep(0.03)

    assert not run_in_home(write_unseen).exists()


def test_without_an_image_the_empty_folder_is_kept(run_in_home: Run) -> None:
    assert run_in_home(image=None, given="/nowhere") == run_in_home(image=None, given="/nowhere")


def test_a_home_of_more_levels_than_python_follows_is_removed(run_in_home: Run, image_home: Path) -> None:
    assert not run_in_home(make_deep).exists()
    with patch.dict(os.environ), home_folder(image_home, None, in_place=False) as homes:
        make_deep(homes)

    assert not homes.exists()
