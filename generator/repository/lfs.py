"""Find and fetch the Git LFS files of a checkout."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import git

from generator.network.address_policy import Access
from generator.repository.checkout import read_bytes
from generator.repository.connection import Connection
from generator.repository.git_environment import git_environment
from generator.repository.git_objects import FetchRequest
from generator.shared.errors import RepositoryError
from generator.shared.suggestions import list_some

_ATTRIBUTES = ".gitattributes"
_TIMEOUT = 3600
"""Seconds that fetching may take."""
_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024


def fetch_lfs(top: FetchRequest, repo: git.Repo, connection: Connection) -> tuple[list[str], list[str]]:
    """Fetch Git LFS files, with credentials only from the repository's own server.

    Return the paths of those that could not be fetched, and warnings that name them.

    ``.lfsconfig`` may name any server, and git-lfs connects to any address that a server names: another server is used
    only without credentials, and only if no policy restricts addresses.
    """
    folder, reason = Path(repo.working_dir), "is git-lfs installed?"
    if not _list_pointers(folder):
        return [], []
    if connection.access is not Access.FULL:
        reason = top.policy.refusal(top.repository.address, "LFS files are only fetched for listed repositories")
    elif not _has_server_setting(folder):
        _pull(repo)
    elif top.policy.listed or top.policy.guarded:
        reason = "its .lfsconfig names another server"
    else:
        with git_environment(replace(top.repository, password=""), "", access=Access.PUBLIC) as environment:
            repo.git.update_environment(**environment)
            _pull(repo)
    left = _list_pointers(folder)
    return left, [_describe_missing(left, reason)] if left else []


def pointed_digest(path: Path) -> str:
    """Return the SHA-256 of the file that an LFS pointer is in the place of (git-lfs, spec.md); '' for other files."""
    if path.stat().st_size >= _LONGEST_POINTER:
        return ""
    text = path.read_bytes()
    found = re.search(rb"(?m)^oid sha256:([0-9a-f]{64})$", text) if text.startswith(_POINTER) else None
    return found[1].decode() if found else ""


def _list_pointers(folder: Path) -> list[str]:
    """List the paths of LFS pointers whose files have not been fetched."""
    # os.walk, since Path.rglob raises for a link with a long target in Python 3.11.2 and others
    attributes = (Path(root, _ATTRIBUTES) for root, _, names in os.walk(folder) if _ATTRIBUTES in names)
    own = (path for path in attributes if not path.is_symlink() and path.is_file())
    if not any(b"filter=lfs" in read_bytes(path, path.name, RepositoryError) for path in own):
        return []
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(root, name)
            is_small = not path.is_symlink() and path.is_file() and path.stat().st_size < _LONGEST_POINTER
            if is_small and path.read_bytes().startswith(_POINTER):
                found.append(str(path.relative_to(folder)))
    return sorted(found)


def _has_server_setting(folder: Path) -> bool:
    """Return whether the checkout chooses its LFS server, which can be any server, in ``.lfsconfig``."""
    return os.path.lexists(folder / ".lfsconfig")


def _pull(repo: git.Repo) -> None:
    """Fetch the LFS files of the checkout, if git-lfs is installed and its server answers."""
    with suppress(git.GitError):  # callers report the pointers that remain
        repo.git.execute(["git", "lfs", "pull"], kill_after_timeout=_TIMEOUT)


def _describe_missing(paths: list[str], reason: str) -> str:
    """Return a warning that lists LFS files that could not be fetched."""
    return f"Git LFS files could not be fetched, only their pointers are packaged: {list_some(paths)} ({reason})"
