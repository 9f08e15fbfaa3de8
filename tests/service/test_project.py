"""The project: its refs as they are now, however they came about."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ci_service import Service, make_project
from support import commit_all, git

from generator.service.context import commit_of
from generator.service.project.project import Project
from generator.shared.errors import UsageError


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
