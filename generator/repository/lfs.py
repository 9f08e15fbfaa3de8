"""Find and fetch the Git LFS files of a checkout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from generator.network.address_policy import Access
from generator.repository.checkout import read_bytes
from generator.repository.connection import Connection
from generator.repository.git_environment import git_environment
from generator.repository.git_messages import explain_full_disk, is_disk_full
from generator.repository.git_objects import FetchRequest
from generator.repository.gitpython import git
from generator.repository.lfs_pointers import Pointer, is_pointer, read_pointer
from generator.repository.submodules import list_folders
from generator.shared.errors import RepositoryError
from generator.shared.suggestions import list_some

_ATTRIBUTES = ".gitattributes"
_TIMEOUT = 3600
"""Seconds that fetching may take."""


@dataclass(frozen=True, slots=True)
class LfsFiles:
    """The pointers of a commit by their paths, the paths ``missing`` files have, and warnings that name them."""

    pointers: Mapping[str, Pointer] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def fetch_lfs(top: FetchRequest, repo: git.Repo, connection: Connection) -> LfsFiles:
    """Fetch Git LFS files, with credentials only from the repository's own server.

    git-lfs writes to the checkout itself, and can end with code 0 in the middle of a file: one that is not whole gets
    its pointer again.

    ``.lfsconfig`` may name any server, and git-lfs connects to any address that a server names: another server is used
    only without credentials, and only if no policy restricts addresses.

    Raises:
        RepositoryError: the disk is full.
    """
    folder, printed = Path(repo.working_dir), ""
    pointers = _read_pointers(folder)
    if not pointers:
        return LfsFiles()
    reason = ""
    if connection.access is not Access.FULL:
        reason = top.policy.refusal(top.repository.address, "LFS files are only fetched for listed repositories")
    elif not _has_server_setting(folder):
        printed = _pull(repo)
    elif top.policy.listed or top.policy.guarded:
        reason = "its .lfsconfig names another server"
    else:
        with git_environment(replace(top.repository, password=""), "", access=Access.PUBLIC) as environment:
            repo.git.update_environment(**environment)
            printed = _pull(repo)
    missing = {path: one for path, one in pointers.items() if not one.is_fetched(folder / path)}
    parts = {path: one for path, one in missing.items() if not is_pointer(folder / path)}
    if missing and (is_disk_full(printed) or _is_too_large(parts, folder)):
        raise RepositoryError(explain_full_disk(top.repository, printed, top.secret))
    for path in parts:
        _restore(repo, path)
    warnings = (_describe_missing(repo, tuple(missing), reason, printed),) if missing else ()
    return LfsFiles(pointers, tuple(missing), warnings)


def _read_pointers(folder: Path) -> dict[str, Pointer]:
    """Read the LFS pointers of a checkout, by their paths."""
    # os.walk, since Path.rglob raises for a link with a long target in Python 3.11.2 and others
    attributes = (Path(root, _ATTRIBUTES) for root, _, names in os.walk(folder) if _ATTRIBUTES in names)
    own = (path for path in attributes if not path.is_symlink() and path.is_file())
    if not any(b"filter=lfs" in read_bytes(path, path.name, RepositoryError) for path in own):
        return {}
    found = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = Path(root, name)
            if not path.is_symlink() and path.is_file() and (pointer := read_pointer(path)):
                found[str(path.relative_to(folder))] = pointer
    return dict(sorted(found.items()))


def _has_server_setting(folder: Path) -> bool:
    """Return whether the checkout chooses its LFS server, which can be any server, in ``.lfsconfig``."""
    return os.path.lexists(folder / ".lfsconfig")


def _pull(repo: git.Repo) -> str:
    """Fetch the LFS files of the checkout, if git-lfs is installed and its server answers; return its messages."""
    _, _, messages = repo.git.execute(
        ["git", "lfs", "pull"], with_extended_output=True, with_exceptions=False, kill_after_timeout=_TIMEOUT
    )
    return messages


def _is_too_large(parts: Mapping[str, Pointer], folder: Path) -> bool:
    """Return whether the disk has no space for the rest of files that git-lfs began: it does not always report that."""
    began = sum(path.stat().st_size for name in parts if (path := folder / name).is_file())
    return sum(one.size for one in parts.values()) - began > shutil.disk_usage(folder).free


def _restore(repo: git.Repo, path: str) -> None:
    """Write the pointer that the commit has in the place of a part of its file."""
    text = repo.git.execute(
        ["git", "cat-file", "blob", f"HEAD:{path}"], stdout_as_string=False, strip_newline_in_stdout=False
    )
    Path(repo.working_dir, path).write_bytes(text)


def _describe_missing(repo: git.Repo, paths: tuple[str, ...], reason: str, printed: str) -> str:
    """Return a warning that lists LFS files that could not be fetched, with the reason."""
    if not reason:
        reason = "git-lfs did not fetch them"
        if "is not a git command" in printed:
            reason = "is git-lfs installed?"
        elif all(path.startswith(tuple(f"{folder}/" for folder in list_folders(repo))) for path in paths):
            reason = "those of submodules are not fetched"
    return f"Git LFS files could not be fetched, only their pointers are packaged: {list_some(paths)} ({reason})"
