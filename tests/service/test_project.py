"""The project: its refs as they are now, however they came about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ci_service import Service, make_project
from support import Finished, commit_all, git

from generator.repository.git_environment import MISSING_GIT
from generator.service.context import commit_of
from generator.service.project import project as project_module
from generator.service.project.project import GitUnavailableError, Project
from generator.shared.errors import UsageError
from generator.shared.passing_errors import may_pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_project(tmp_path / "ada" / "toy")


def _project(folder: Path) -> Project:
    return Project(folder, number=1, path=None, timeout=60)


def test_a_ref_is_what_it_was_last_set_to(folder: Path) -> None:
    project = _project(folder)
    first = project.resolve("main")
    second = commit_all(folder, "Another")

    assert first is not None
    assert first.sha != second
    found = project.resolve("main")
    assert found is not None
    assert (found.sha, found.tag) == (second, False)
    git(folder, "pack-refs", "--all")
    third = commit_all(folder, "A third")
    found = project.resolve("main")
    assert found is not None
    assert found.sha == third


def test_a_branch_comes_before_a_tag_of_the_same_name(folder: Path) -> None:
    project = _project(folder)
    git(folder, "tag", "v1")
    found = project.resolve("v1")
    assert found is not None
    assert found.tag
    git(folder, "branch", "v1")
    found = project.resolve("v1")
    assert found is not None
    assert not found.tag
    found = project.resolve("refs/tags/v1")
    assert found is not None
    assert found.tag
    git(folder, "branch", "-D", "v1")
    git(folder, "tag", "-d", "v1")
    assert project.resolve("v1") is None


@pytest.mark.parametrize(
    "ref", ["", "-x", "HEAD", "main..x", "main^{tree}", "$(id)", "a b", "x\n", "@{-1}", "a" * 200_000]
)
def test_what_is_no_branch_or_tag_is_not_found(folder: Path, ref: str) -> None:
    assert _project(folder).resolve(ref) is None


def test_a_branch_is_found_again_after_git_failed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git fails without memory, for example; the branch would be missing until its next commit."""
    project = _project(folder)
    with monkeypatch.context() as failing:
        failing.setattr(project, "_git", lambda *_: None)
        assert project.resolve("main") is None
        assert commit_of(project, "0" * 40) is None

    found = project.resolve("main")
    assert found is not None
    with monkeypatch.context() as failing:
        failing.setattr(project, "_git", lambda *_: None)
        assert commit_of(project, found.sha) is None
    assert commit_of(project, found.sha) is not None


@pytest.mark.parametrize(
    "failure",
    [
        "echo 'fatal: Out of memory, malloc failed (tried to allocate 73728 bytes)' >&2; exit 128",
        "echo \"fatal: unable to read '.git/packed-refs': Too many open files\" >&2; exit 128",
        "echo 'git: error while loading shared libraries: libc.so.6: failed to map segment' >&2; exit 127",
        "kill -KILL $$",
        "exec sleep 60",
    ],
)
def test_git_that_fails_does_not_mean_that_something_is_missing(
    failure: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = _project(folder)
    project._files.clear()
    head = git(folder, "rev-parse", "HEAD")
    _replace_git(tmp_path / "programs", failure)
    monkeypatch.setattr(project_module, "_TIMEOUT", 0.2 if "sleep" in failure else 60.0)
    monkeypatch.setenv("PATH", f"{tmp_path}/programs{os.pathsep}{os.environ['PATH']}")

    for question in (lambda: project.resolve("v1"), lambda: project.file(head), lambda: project.commit(head)):
        with pytest.raises(GitUnavailableError) as raised:
            question()
        assert may_pass(raised.value)
    assert commit_of(project, head) is None
    with pytest.raises(UsageError, match=r"git rev-parse: .*; try again later"):
        _project(folder)


def test_nothing_is_missing_while_git_is_replaced_by_an_update(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(folder)
    monkeypatch.setenv("PATH", str(folder))

    with pytest.raises(GitUnavailableError, match="not installed"):
        project.resolve("main")


def test_a_start_without_git_names_git(folder: Path, packmill: Callable[..., Finished], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PATH", str(tmp_path))
        done = packmill("serve", "--project", folder, "--data", tmp_path / "data")

    assert (done.code, done.err) == (10, f"packmill: {MISSING_GIT}\n")


def test_what_git_does_not_find_is_missing(folder: Path) -> None:
    project = _project(folder)
    git(folder, "rm", "--quiet", ".gitlab-ci.yml")
    without = commit_all(folder, "Without a pipeline")
    for sha in (without, "0" * 40):
        with pytest.raises(UsageError, match=r"has no \.gitlab-ci\.yml"):
            project.file(sha)
    assert project.commit("0" * 40) is None
    assert not project.has_file(".gitlab-ci.yml")


def test_requests_are_answered_503_while_git_fails(folder: Path, tmp_path: Path) -> None:
    _replace_git(tmp_path / "programs", f"[ ! -e {tmp_path}/failing ] || kill -KILL $$")
    service = Service(folder, tmp_path / "data")
    service.environment["PATH"] = f"{tmp_path}/programs{os.pathsep}{service.environment['PATH']}"
    service.start()
    try:
        (tmp_path / "failing").touch()
        answer = service.ask("POST", "/pipeline", json={"ref": "main"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.json() == {"message": "The project cannot be read now. Try again later."}
        assert service.ask("GET", "/repository/commits/main").status_code == 503
        (tmp_path / "failing").unlink()
        assert service.ask("GET", "/repository/commits/main").status_code == 200
    finally:
        service.stop()


def _replace_git(folder: Path, first: str) -> None:
    """Write a program ``git`` that runs a line, and then git itself."""
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\n{first}\nexec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)


def test_a_checkout_without_branches_stands_for_its_default_branch(folder: Path) -> None:
    git(folder, "checkout", "--quiet", "--detach")
    git(folder, "branch", "-D", "main")

    found = _project(folder).resolve("main")
    assert found is not None
    assert found.sha == git(folder, "rev-parse", "HEAD")


def test_the_path_is_that_of_its_folders(folder: Path) -> None:
    assert _project(folder).path == "ada/toy"


def test_a_folder_without_git_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "ada" / "release"
    folder.mkdir(parents=True)
    (folder / ".gitlab-ci.yml").write_text("a: {script: x}")
    (folder / ".gitignore").write_text("left-out\n")
    (folder / "left-out").write_text("x")

    project = Project(folder, number=1, path=None, timeout=60, snapshots=tmp_path / "data" / "project")

    assert project.path == "ada/release"
    assert [job.name for job in project.file(git(project.folder, "rev-parse", "main")).jobs] == ["a"]
    assert git(project.folder, "ls-tree", "--name-only", "main").split() == [".gitignore", ".gitlab-ci.yml"]
    assert not (folder / ".git").exists()


@pytest.mark.parametrize("left", ["index.lock", "HEAD.lock", "config.lock", "refs/heads/main.lock", "index"])
def test_a_killed_start_does_not_keep_a_folder_without_git_from_the_next_one(left: str, tmp_path: Path) -> None:
    folder, snapshots = tmp_path / "release", tmp_path / "data" / "project"
    folder.mkdir()
    (folder / ".gitlab-ci.yml").write_text("a: {script: x}")
    first = Project(folder, number=1, path=None, timeout=60, snapshots=snapshots).resolve("main")
    (snapshots / ".git" / left).write_bytes(b"")

    project = Project(folder, number=1, path=None, timeout=60, snapshots=snapshots)

    assert first is not None
    assert git(project.folder, "rev-parse", "main^") == first.sha
    assert git(project.folder, "ls-tree", "--name-only", "main").split() == [".gitlab-ci.yml"]


@pytest.mark.parametrize(
    ("place", "ignored"),
    [
        ("packmill-data", "/packmill-data/"),
        ("var/data", "/var/"),
        ("packmill-data", "*data\n!*data"),
        (r"[!d*a\t?a] **/:é", ""),
    ],
)
def test_the_project_of_a_folder_without_git_has_nothing_of_the_data_folder_in_it(
    place: str, ignored: str, tmp_path: Path
) -> None:
    """Each job has a clone of the project, and the data folder has the secrets of all; .gitignore may have it too."""
    (tmp_path / ".gitlab-ci.yml").write_text("a: {script: x}")
    (tmp_path / ".gitignore").write_text(ignored)
    data = tmp_path / place
    (data / "jobs" / "1").mkdir(parents=True)
    for file in ("session.key", "jobs/1/.job", "jobs/1/log"):
        (data / file).write_text("secret")

    for _ in range(2):  # the second start finds the repository of the first one
        project = Project(tmp_path, number=1, path=None, timeout=60, snapshots=data / "project")

    assert git(project.folder, "ls-tree", "-r", "--name-only", "main").split() == [".gitignore", ".gitlab-ci.yml"]


def test_a_folder_without_git_that_is_the_data_folder_is_no_project(tmp_path: Path) -> None:
    (tmp_path / ".gitlab-ci.yml").write_text("a: {script: x}")

    with pytest.raises(UsageError, match=r"has no \.gitlab-ci\.yml"):
        Project(tmp_path, number=1, path=None, timeout=60, snapshots=tmp_path / "project")


def test_a_folder_without_a_pipeline_file_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pass --project the top of a clone"):
        Project(tmp_path, number=1, path=None, timeout=60, snapshots=tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_project_that_belongs_to_someone_else_is_run_all_the_same(folder: Path, tmp_path: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 12345, 12345)
    service = Service(folder, tmp_path / "data").start()
    try:
        assert service.wait(service.trigger()) == "success"
    finally:
        service.stop()
