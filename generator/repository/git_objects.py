"""Fetch and check out single commits, for a repository and for each of its submodules."""

from __future__ import annotations

import re
from dataclasses import dataclass

import git

from generator.network.address_policy import AddressPolicy
from generator.repository.address import Repository
from generator.repository.temporary_failures import is_temporary, repeat
from generator.shared.errors import RepositoryError


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchRequest:
    """The requested repository and its token, which decide what its submodules may be fetched with."""

    repository: Repository
    token: str
    policy: AddressPolicy
    submodules: tuple[str, ...]

    @property
    def secret(self) -> str:
        """The token or password, which no message may contain."""
        return self.token or self.repository.password


DEEPEST = 200
"""Folders in each other that a tree may have: Python's functions that walk trees call themselves for each."""


def check_out(repo: git.Repo, commit: str) -> str:
    """Check out a commit without a branch, and return it.

    Raises:
        RepositoryError: its folders are nested too deep.
    """
    folders = str(repo.git.ls_tree("-r", "-d", "-z", "--name-only", "--full-tree", commit)).split("\0")
    if deep := next((path for path in folders if is_too_deep(path)), ""):
        raise RepositoryError(
            f"{repo.remote('origin').url}: folders are nested more than {DEEPEST} deep below {deep.split('/')[0]!r}; "
            "move their files up"
        )
    repo.git.checkout("--quiet", "--force", "--detach", commit)
    return commit


def is_too_deep(path: str) -> bool:
    """Return whether a path of a tree has more folders in each other than programs can walk."""
    return path.count("/") > DEEPEST


def fetch_commit(repo: git.Repo, revision: str, *, contents: bool = True) -> str:
    """Fetch a ref or commit and return the full commit; fetch all branches if the server refuses a bare commit.

    Without ``contents``, git fetches those of a file when it is checked out, unless the server cannot leave them out.
    """
    short = re.fullmatch(r"[0-9a-f]{4,39}", revision) is not None
    if not short:
        try:
            filtered = () if contents else ("--filter=blob:none",)
            words = ("--quiet", "--depth=1", "--no-tags", *filtered, "--", "origin", revision)
            repeat(lambda: repo.git.fetch(*words))
            return str(repo.git.rev_parse("--verify", "FETCH_HEAD^{commit}"))
        except git.GitCommandError as error:
            if is_temporary(error) or not re.fullmatch(r"[0-9a-f]{40}", revision):
                raise
    everything = ("origin", "+refs/heads/*:refs/packmill/heads/*", "+refs/tags/*:refs/packmill/tags/*")
    repeat(lambda: repo.git.fetch("--quiet", "--filter=blob:none", "--no-tags", "--", *everything))
    try:
        return str(repo.git.rev_parse("--verify", "--quiet", "--end-of-options", revision + "^{commit}"))
    except git.GitCommandError:
        problem = "not found or ambiguous; give more of its digits" if short else "not found on any branch or tag"
        raise RepositoryError(f"{repo.remote('origin').url}: commit {revision!r} {problem}") from None
