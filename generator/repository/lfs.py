"""Git LFS: files whose contents another server keeps, in a checkout."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import git

from generator.shared.suggestions import list_some

_TIMEOUT = 3600
"""Seconds that fetching may take."""
_POINTER = b"version https://git-lfs.github.com/spec/"


def pointers(folder: Path) -> list[str]:
    """The paths of LFS pointers that stand in place of their files."""
    attributes = (path for path in folder.rglob(".gitattributes") if path.is_file() and not path.is_symlink())
    if not any("filter=lfs" in path.read_text(errors="replace") for path in attributes):
        return []
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(root, name)
            is_small = path.is_file() and not path.is_symlink() and path.stat().st_size < 1024
            if is_small and path.read_bytes().startswith(_POINTER):
                found.append(str(path.relative_to(folder)))
    return sorted(found)


def names_server(folder: Path) -> bool:
    """Whether the checkout itself says which LFS server has its files: any server, with any path."""
    return os.path.lexists(folder / ".lfsconfig")


def pull(repo: git.Repo) -> None:
    """Fetch the files of the checkout, if git-lfs is installed and its server answers."""
    with suppress(git.GitError):  # callers name the pointers that remain
        repo.git.execute(["git", "lfs", "pull"], kill_after_timeout=_TIMEOUT)


def missing(paths: list[str], reason: str) -> str:
    """A warning that names pointers without their files."""
    return f"Git LFS files could not be fetched, only their pointers are packaged: {list_some(paths)} ({reason})"
