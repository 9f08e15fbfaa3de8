"""A folder inside a local repository: packaged as if it were a repository of its own, at the repository's commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from generator.repository.address import Repository
from generator.shared.errors import RepositoryError


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What is packaged of a repository: the folder at ``path``; all of it without a path."""

    repository: Repository
    path: str = ""

    def folder(self, checkout: Path, commit: str) -> Path:
        """Return the part's folder in a checkout of the repository.

        Raises:
            RepositoryError: the commit has no such folder.
        """
        folder = checkout
        for name in Path(self.path).parts:
            folder /= name
            if folder.is_symlink() or not folder.is_dir():
                raise RepositoryError(
                    f"{self.repository.address}: commit {commit[:12]} has no folder {self.path!r}; commit its files, "
                    "then try again"
                )
        return folder

    def below(self, paths: Iterable[str]) -> list[str]:
        """Return the paths of the repository that are in the part, from its folder."""
        start = f"{self.path}/" if self.path else ""
        return [path.removeprefix(start) for path in paths if path.startswith(start)]


def find_part(repository: Repository) -> Part:
    """Return the part that an address names: a folder of the first repository above it, if it is not one itself.

    Only file names decide, because git's configuration of a local repository may name programs. A repository of another
    user does not count, as for git (safe.directory): in a shared folder such as ``/tmp``, anyone can make one.

    Raises:
        RepositoryError: the folder cannot be read.
    """
    try:
        return _find_part(repository)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}; check its permissions"
        raise RepositoryError(f"{repository.address}: {problem}") from None


def _find_part(repository: Repository) -> Part:
    local = repository.local
    if local is not None and local.is_dir() and not _is_top(local):
        for above in local.parents:
            if _is_top(above) and _owner(above) in (_owner(local), 0):
                holder = replace(repository, address=str(above), local=above)
                return Part(repository=holder, path=local.relative_to(above).as_posix())
    return Part(repository=repository)


def _is_top(folder: Path) -> bool:
    """Whether a folder is the top of a working tree, or a repository without one."""
    return (folder / ".git").exists() or ((folder / "HEAD").is_file() and (folder / "objects").is_dir())


def _owner(folder: Path) -> int:
    """Return the user ID of the owner of a folder, or of its ``.git``."""
    git = folder / ".git"
    return (git if git.exists() else folder).stat().st_uid
