"""Package folders, which are replaced as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from generator.package.exchange import exchange
from generator.package.folder_lock import locked
from generator.repository.places import Claim, Holder, foreign_files_error, read_holder
from generator.shared import durable_files
from generator.shared.errors import DiskFullError, UsageError
from generator.shared.passing_errors import is_full_disk

otherwise = "choose another --output"
"""The advice for a place that is taken."""
_LEFTOVERS = ("new", "ready", "earlier")
"""Folders next to a package while it is replaced: incomplete, complete, and the one that it replaces."""


def replace_folder(
    final: Path,
    files: Mapping[str, str | bytes],
    *,
    check: Callable[[Path], None],
    claim: Claim | None = None,
    folder: str = "",
    replace: bool = False,
) -> bool:
    """Write ``files`` to a temporary folder, check them, and move them to ``final``; whether anything changed.

    ``claim`` is that of the build, ``folder`` the name of ``final`` in it; the default is the place of this package.
    Files that packmill did not write stay: only those listed in the earlier ``package.json`` are replaced. Where
    ``final`` is a link to a folder, the package is written there, and the link stays.
    ``replace`` also replaces the package of another repository or process, and files of the same name.

    Raises:
        UsageError: the folder is not a package, or cannot be written.
        PlaceTakenError: the folder holds the package of another repository or process.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    with failures_named(final):
        real = Path(os.path.realpath(final))  # a folder is exchanged where it is, on its own file system
        durable_files.make_folder(real.parent)
        with locked(real.parent):
            _settle(real)
            if _is_same(final, contents):
                return False
            if not replace:
                check_folder(final, claim or _claim_of(contents["package.json"]), folder, names=contents)
            _replace(real, contents, check)
    return True


def _claim_of(record: bytes) -> Claim | None:
    own = read_holder(record)
    return Claim(path=own.place, own=own, folders={"": own.process}) if own else None


@contextmanager
def failures_named(folder: Path) -> Iterator[None]:
    """Raise the errors of the file system as a UsageError, or a DiskFullError, that names the folder."""
    try:
        yield
    except OSError as error:
        if is_full_disk(error):
            raise DiskFullError(error, folder=folder) from None
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}; {otherwise}") from None


def _replace(final: Path, contents: Mapping[str, bytes], check: Callable[[Path], None]) -> None:
    """Write the files next to ``final``, then exchange the folders, so that a package is there at any moment."""
    new, ready, earlier = map(partial(_leftover, final), _LEFTOVERS)
    try:
        new.mkdir(mode=0o700)
        for name, content in contents.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        new.chmod(0o755)
        check(new)
        durable_files.sync_tree(new)
        new.rename(ready)
        if not final.exists():
            ready.rename(final)
        elif not exchange(ready, final):
            final.rename(earlier)
            ready.rename(final)
        durable_files.sync(final.parent)
        _settle(final)
    finally:  # again, if any of this was interrupted
        _settle(final)


def _settle(final: Path) -> None:
    """Finish or undo a replacement, also one that was killed earlier; files that packmill did not write are kept."""
    new, ready, earlier = map(partial(_leftover, final), _LEFTOVERS)
    for link in filter(Path.is_symlink, (new, ready, earlier)):  # a user's: a replacement makes folders alone
        link.unlink()
    shutil.rmtree(new, ignore_errors=True)
    if earlier.exists() and not final.exists():
        earlier.rename(final)
    for folder in (ready, earlier):  # ``ready`` is the earlier package once it was exchanged
        if folder.exists():
            if final.exists():
                _hand_over(folder, final, documents_of(folder) or frozenset())
            folder.rename(new)  # a folder of this name has nothing to keep, should its removal be interrupted
            shutil.rmtree(new)
            durable_files.sync(final)
            durable_files.sync(final.parent)


def _leftover(final: Path, kind: str) -> Path:
    digest = hashlib.sha256(final.name.encode()).hexdigest()[:12]
    return final.with_name(f".{final.name[:40]}.{digest}.{kind}")


def is_leftover(path: Path) -> bool:
    """Whether a folder belongs to a replacement that was killed, which the next one finishes."""
    return re.fullmatch(rf"\..+\.[0-9a-f]{{12}}\.({'|'.join(_LEFTOVERS)})", path.name) is not None


def check_folder(final: Path, claim: Claim | None, folder: str, *, names: Iterable[str] = ()) -> None:
    """Check that a folder is free or holds a package that ``claim`` replaces; ``names`` may replace only its files.

    Raises:
        UsageError: the folder holds something that is not a package.
        PlaceTakenError: the folder holds the package of another repository or process, or files of these names.
    """
    present = holder_of(final)
    if present is None and final.exists() and not _is_shared(final, claim, folder):
        raise UsageError(f"{final} exists and is not a package of packmill; {otherwise}")
    if present and claim:
        claim.replaces(present, folder, where=str(final), otherwise=otherwise)
    others = _in_the_way(final, names, ours=frozenset(present.documents if present else ()))
    if others and claim:
        raise foreign_files_error(str(final), others, claim.own, otherwise=otherwise)


def _in_the_way(final: Path, names: Iterable[str], *, ours: frozenset[str]) -> set[str]:
    """Return what packmill did not write where a file or one of its folders will be."""
    found = set()
    for name in names:
        if os.path.lexists(final / name) and (name not in ours or _is_real_folder(final / name)):
            found.add(name)
        above = (parent.as_posix() for parent in PurePosixPath(name).parents)
        found |= {
            parent
            for parent in above
            if parent not in (".", *ours) and os.path.lexists(final / parent) and not _is_real_folder(final / parent)
        }
    return found


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_shared(folder: Path, claim: Claim | None, name: str) -> bool:
    """Check whether packmill may write to a folder that has no package of its own.

    It is empty, holds packages alone, has a package of the same place directly below, or holds example files of the
    package above.
    """
    if all(map(_holds_packages, folder.iterdir())):
        return True
    if claim is None:
        return False
    if name:
        above = holder_of(folder.parent)
        return above is not None and any(one.startswith(f"{name}/") for one in above.documents)
    return any(one.is_same(claim.own) and one.place == claim.path for one in holders_below(folder).values())


def _holds_packages(path: Path) -> bool:
    """Whether a path is the folder of a package, or holds such folders: of processes, or of a checkout ``main/x``."""
    if path.is_symlink() or not path.is_dir():
        return False
    return (
        is_leftover(path)
        or holder_of(path) is not None
        or (any(path.iterdir()) and all(map(_holds_packages, path.iterdir())))
    )


def holder_of(folder: Path) -> Holder | None:
    """Return the holder of a package folder; None for other folders."""
    try:
        return read_holder((folder / "package.json").read_bytes())
    except OSError:
        return None


def documents_of(folder: Path) -> frozenset[str] | None:
    """Return the files that packmill wrote to a package; None for other folders."""
    holder = holder_of(folder)
    return frozenset(holder.documents) if holder else None


def holders_below(top: Path) -> dict[str, Holder]:
    """Return the holders of the packages in a folder, by the folder's name: empty for ``top`` itself."""
    below = (path.parent for path in sorted(top.glob("*/package.json")))
    folders = [top, *(folder for folder in below if not is_leftover(folder))]
    found = {folder.relative_to(top).as_posix(): holder_of(folder) for folder in folders}
    return {"" if name == "." else name: holder for name, holder in found.items() if holder}


def _hand_over(retired: Path, final: Path, ours: frozenset[str]) -> None:
    """Move files that packmill did not write from the old folder to the new one; whole folders where possible."""
    for path in sorted(retired.iterdir()):
        target = final / path.name
        below = frozenset(name.partition("/")[2] for name in ours if name.startswith(f"{path.name}/"))
        if _is_real_folder(path) and (below or target.is_dir()):
            _hand_over(path, target, below)
        elif path.name not in ours and not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)


def _is_same(final: Path, contents: Mapping[str, bytes]) -> bool:
    return all(
        (final / name).is_file() and (final / name).read_bytes() == content for name, content in contents.items()
    )
