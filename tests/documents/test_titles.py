"""The title of a descriptor: the stated name, else the commit's message, but never that of a merge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Finished, commit_all, git, write_notebook


@pytest.fixture
def title(repository: Path, tmp_path: Path, packmill: Callable[..., Finished]) -> Callable[[], str]:
    """The title in the descriptor of the repository's current commit."""

    def of() -> str:
        built = packmill("build", repository, "--no-image", "--output", tmp_path / "out")
        descriptor = json.loads(Path(built.out.strip(), "applicationDescriptor.json").read_text())
        return str(descriptor["processDescription"]["process"]["title"])

    return of


def test_a_plain_commit_titles_its_package(repository: Path, title: Callable[[], str]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository, "Add the height of trees\n\nAnd more.")

    assert title() == "Add the height of trees"


def test_a_merge_of_branches_does_not(repository: Path, title: Callable[[], str]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository)
    git(repository, "checkout", "--quiet", "-b", "other")
    commit_all(repository, "Other")
    git(repository, "checkout", "--quiet", "main")
    git(repository, "merge", "--quiet", "--no-ff", "-m", "Bring it together", "other")

    assert title() == "process"


@pytest.mark.parametrize(
    "message",
    [
        "Merge pull request #9 from ada/heights",
        "Merge branch 'heights' into 'main'",
        "Merge remote-tracking branch 'origin/main'",
        "Merged in heights (pull request #9)",
    ],
)
def test_a_merge_in_one_commit_does_not(message: str, repository: Path, title: Callable[[], str]) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    commit_all(repository, message)

    assert title() == "process"


def test_a_stated_name_precedes_the_commit(repository: Path, title: Callable[[], str]) -> None:
    write_notebook(repository / "process.ipynb", "label = 'Tree height'", tags=("metadata",))
    commit_all(repository, "Merge pull request #9 from ada/heights")

    assert title() == "Tree height"
