"""Find the files at a destination that a deposited package replaces, and those that it must not replace."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from generator.repository.git_objects import list_tree
from generator.repository.gitpython import git
from generator.repository.places import Claim, Holder, foreign_files_error, read_holder
from generator.shared.errors import PublishError, RepositoryError

_OTHERWISE = "choose another destination or branch"
_LARGEST_RECORD = 16 << 20
"""Bytes of a ``package.json``."""


def list_replaceable(repo: git.Repo, parent: str, claim: Claim, names: Iterable[str] = ()) -> list[str]:
    """List the files of a commit that a build replaces or moves: those that the ``package.json`` files there list.

    ``names`` are the files of the new packages, if known yet.

    Raises:
        PublishError: it has too many files there.
        PlaceTakenError: the place holds the package of another repository or process, or files that no package lists.
    """
    try:
        listed = list(list_tree(repo, "--name-only", parent, "--", f"{claim.path}/"))
    except RepositoryError as error:
        raise PublishError(str(error)) from None
    here, found = set(listed), set[str]()
    for name in listed:
        folder = _folder_of(name, claim)
        if folder is not None:
            holder = _read_holder(repo, f"{parent}:{name}")
            where = name.removesuffix("/package.json")
            if holder and claim.replaces(holder, folder, where=where, otherwise=_OTHERWISE):
                found |= {f"{where}/{one}" for one in holder.documents} & here
    written = {*names, *(str(PurePosixPath(claim.path, folder, "package.json")) for folder in claim.folders)}
    others = written & here - found
    if others and not claim.replace:
        raise foreign_files_error(claim.path, others, claim.own, otherwise=_OTHERWISE)
    return sorted(found)


def _read_holder(repo: git.Repo, blob: str) -> Holder | None:
    """Return whose package a ``package.json`` is of; a larger file than packmill writes is of none."""
    if int(repo.git.cat_file("-s", blob)) > _LARGEST_RECORD:
        return None
    return read_holder(str(repo.git.cat_file("blob", blob)))


def _folder_of(name: str, claim: Claim) -> str | None:
    """Return the folder of a ``package.json``, relative to the claimed place; None for other files and deeper ones."""
    relative = name.removeprefix(f"{claim.path}/")
    folder, _, file = relative.rpartition("/")
    return folder if file == "package.json" and "/" not in folder else None
