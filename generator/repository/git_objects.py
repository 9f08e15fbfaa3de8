"""Fetch and check out single commits, for a repository and for each of its submodules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from generator.network.address_policy import AddressPolicy
from generator.repository.address import Repository
from generator.repository.gitpython import git
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
MOST_ENTRIES = 1_000_000
"""Files and folders that a tree may have: a few kilobytes of folders with the same content can stand for any number."""
LONGEST_PATH = 3_500
"""Bytes of a path in a checkout, with the checkout's folder: the system takes 4,095, also in a copy of it elsewhere."""
_LONGEST_ENTRY, _LARGEST_COMMIT = 1 << 16, 4 << 20
"""Bytes of a path, and of a commit with its message."""


def check_out(repo: git.Repo, commit: str) -> str:
    """Check out a commit without a branch, and return it.

    Raises:
        RepositoryError: it has too many files, its folders are nested too deep, a path or its message is too long.
    """
    address = repo.remote("origin").url
    if int(repo.git.cat_file("-s", commit)) > _LARGEST_COMMIT:
        raise RepositoryError(f"{address}: the message of the commit is too long; shorten it")
    for path in list_tree(repo, "-t", "--name-only", commit):
        if is_too_deep(path):
            deep = path.split("/")[0]
            raise RepositoryError(
                f"{address}: folders are nested more than {DEEPEST} deep below {deep!r}; move their files up"
            )
        if is_too_long(f"{repo.working_dir}/{path}"):  # git writes it from the folder, so that nothing else reaches it
            raise RepositoryError(f"{address}: the path {path[:60]!r}… is too long; shorten the names of its folders")
    repo.git.checkout("--quiet", "--force", "--detach", commit)
    return commit


def list_tree(repo: git.Repo, *words: str) -> Iterator[str]:
    """Yield the entries of a whole tree as ``git ls-tree -r -z`` prints them, one at a time.

    Raises:
        RepositoryError: it has more than a million, or a path of 64 KiB.
        git.GitCommandError: git cannot read the tree.
    """
    address, left, rest = repo.remote("origin").url, MOST_ENTRIES, b""
    process = repo.git.ls_tree("-r", "-z", "--full-tree", *words, as_process=True)
    while piece := process.stdout.read(1 << 16):
        *entries, rest = (rest + piece).split(b"\0")
        left -= len(entries)
        if left < 0 or len(rest) > _LONGEST_ENTRY:
            process.proc.kill()
            problem = f"more than {MOST_ENTRIES} files and folders" if left < 0 else "a path that is too long"
            raise RepositoryError(f"{address}: has {problem}; leave files out of the repository")
        yield from map(os.fsdecode, entries)
    process.wait()


def is_too_deep(path: str) -> bool:
    """Return whether a path of a tree has more folders in each other than programs can walk."""
    return path.count("/") > DEEPEST


def is_too_long(path: str) -> bool:
    """Return whether a path has more bytes than programs can reach in every place of a checkout."""
    return len(os.fsencode(path)) > LONGEST_PATH


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
