"""What a destination holds where a package is to be deposited, and what of it the package may replace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import git

from generator.repository.places import Holder, read_holder, taken, taken_by_others

_OTHERWISE = "choose another destination or branch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """The place that a package asks for.

    ``folders`` get a ``package.json`` each: ``path`` itself, or a folder below it for each process. ``names`` are the
    files, where they are known. ``replace`` claims the place whatever it holds.
    """

    path: str
    folders: frozenset[str]
    own: Holder
    names: frozenset[str] = frozenset()
    replace: bool = False


def replaceable(repo: git.Repo, parent: str, claim: Claim) -> list[str]:
    """The files of a commit that make room for a package: those that the ``package.json`` files of a place list.

    Raises:
        PlaceTakenError: the place holds the package of another repository, or files that are not a package's.
    """
    listed = str(repo.git.ls_tree("-r", "-z", "--name-only", parent, "--", f"{claim.path}/")).split("\0")
    here, found = set(listed), set[str]()
    for name in listed:
        folder = str(PurePosixPath(name).parent)
        if PurePosixPath(name).name == "package.json" and claim.path in (folder, str(PurePosixPath(folder).parent)):
            holder = read_holder(str(repo.git.cat_file("blob", f"{parent}:{name}")))
            if holder and _is_in_the_way(holder, folder, claim):
                found |= {f"{folder}/{one}" for one in holder.documents} & here
    others = (claim.names | {f"{folder}/package.json" for folder in claim.folders}) & here - found
    if others and not claim.replace:
        raise taken_by_others(claim.path, others, claim.own, otherwise=_OTHERWISE)
    return sorted(found)


def _is_in_the_way(holder: Holder, folder: str, claim: Claim) -> bool:
    """Whether a package gives way to the claim; one of a checkout such as main/x, below main, does not."""
    if folder not in claim.folders and holder.place != claim.path:
        return False
    if not claim.replace and not holder.is_same(claim.own):
        raise taken(folder, holder, claim.own, otherwise=_OTHERWISE)
    return True
