"""Find the files at a destination that a deposited package replaces, and those that it must not replace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import git

from generator.repository.places import Holder, foreign_files_error, place_taken_error, read_holder

_OTHERWISE = "choose another destination or branch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The place that a package is to be deposited at.

    Each of ``folders`` gets a ``package.json``: ``path`` itself, or a folder below it for each process. ``names`` are
    the package's files, if known yet. ``replace`` allows replacing other files.
    """

    path: str
    folders: frozenset[str]
    own: Holder
    names: frozenset[str] = frozenset()
    replace: bool = False


def list_replaceable(repo: git.Repo, parent: str, claim: Claim) -> list[str]:
    """List the files of a commit that a package replaces: those that the ``package.json`` files of its place list.

    Raises:
        PlaceTakenError: the place holds the package of another repository, or files that no package lists.
    """
    listed = str(repo.git.ls_tree("-r", "-z", "--name-only", parent, "--", f"{claim.path}/")).split("\0")
    here, found = set(listed), set[str]()
    for name in listed:
        folder = str(PurePosixPath(name).parent)
        if PurePosixPath(name).name == "package.json" and claim.path in (folder, str(PurePosixPath(folder).parent)):
            holder = read_holder(str(repo.git.cat_file("blob", f"{parent}:{name}")))
            if holder and _is_replaced(holder, folder, claim):
                found |= {f"{folder}/{one}" for one in holder.documents} & here
    others = (claim.names | {f"{folder}/package.json" for folder in claim.folders}) & here - found
    if others and not claim.replace:
        raise foreign_files_error(claim.path, others, claim.own, otherwise=_OTHERWISE)
    return sorted(found)


def _is_replaced(holder: Holder, folder: str, claim: Claim) -> bool:
    """Return whether the claim replaces a package; one of a checkout such as main/x, below main, stays."""
    if folder not in claim.folders and holder.place != claim.path:
        return False
    if not claim.replace and not holder.is_same(claim.own):
        raise place_taken_error(folder, holder, claim.own, otherwise=_OTHERWISE)
    return True
