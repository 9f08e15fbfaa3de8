"""The packages at a place: check before a build, and remove those that a build replaces elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from generator.package.folder import check_folder, documents_of, failures_named, holders_below, otherwise
from generator.repository.places import Claim

_NO_NAMES: Mapping[str, Sequence[str]] = MappingProxyType({})


def check_place(top: Path, claim: Claim, names: Mapping[str, Sequence[str]] = _NO_NAMES) -> None:
    """Check that the packages of ``claim`` may be written to their folders in ``top``.

    ``names`` are the files of each package, by its folder, if known.

    Raises:
        UsageError: a folder holds something that is not a package.
        PlaceTakenError: a folder holds the package of another repository, checkout or process, or files of these
            names.
    """
    with failures_named(top):
        for folder in claim.folders:
            check_folder(top / folder, claim, folder, names=names.get(folder, ()))
        _list_replaced(top, claim)


def remove_replaced(top: Path, claim: Claim) -> list[str]:
    """Remove the packages in ``top`` that those of ``claim`` replace from other folders; return these folders.

    These are packages of the same processes where earlier versions put them, and with ``replace`` those of other
    repositories. Files that packmill did not write stay.

    Raises:
        PlaceTakenError: ``top`` holds the package of another repository.
    """
    with failures_named(top):
        found = (folder for folder in _list_replaced(top, claim) if folder not in claim.folders)
        removed = [folder for folder in found if not folder or not (top / folder).is_symlink()]
        for folder in removed:
            _remove_package(top / folder)
    return removed


def _is_in(folder: Path, name: str) -> bool:
    """Whether a file that a package lists is in its folder, without links: anyone may have written the package."""
    path = Path(name)
    above = [folder / parent for parent in path.parents if parent != Path()]
    return not path.is_absolute() and ".." not in path.parts and not any(map(Path.is_symlink, above))


def _list_replaced(top: Path, claim: Claim) -> list[str]:
    return [
        folder
        for folder, holder in holders_below(top).items()
        if claim.replaces(holder, folder, where=str(top / folder), otherwise=otherwise)
    ]


def _remove_package(folder: Path) -> None:
    # package.json, which lists the others, goes last: a removal that is killed can then be repeated
    for name in sorted(documents_of(folder) or (), key=lambda name: name == "package.json"):
        if _is_in(folder, name):
            (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # not empty: a user's files are there
                for parent in Path(name).parents:
                    (folder / parent).rmdir()
