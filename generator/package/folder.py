"""Package folders, which are replaced as a whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from generator.repository.places import Holder, foreign_files_error, place_taken_error, read_holder
from generator.shared.errors import UsageError

_OTHERWISE = "choose another --output"


def replace_folder(
    final: Path, files: Mapping[str, str | bytes], *, check: Callable[[Path], None], replace: bool = False
) -> bool:
    """Write ``files`` to a temporary folder, check them, and move them to ``final``; whether anything changed.

    Files that packmill did not write stay: only those listed in the earlier ``package.json`` are replaced.
    ``replace`` also replaces the package of another repository, and files of the same name.

    Raises:
        UsageError: the folder is not a package, or cannot be written.
        PlaceTakenError: the folder holds the package of another repository.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    with _failures_named(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.parent):
            if _is_same(final, contents):
                return False
            if not replace:
                _check_folder(final, read_holder(contents["package.json"]), names=contents)
            _replace(final, contents, check)
    return True


@contextmanager
def _failures_named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}; {_OTHERWISE}") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time; the lock goes with the process that holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(final: Path, contents: Mapping[str, bytes], check: Callable[[Path], None]) -> None:
    earlier = documents_of(final)
    staging = Path(mkdtemp(prefix=f".{final.name}.new.", dir=final.parent))
    retired = staging.with_name(staging.name.replace(".new.", ".old."))
    try:
        for name, content in contents.items():
            path = staging / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        staging.chmod(0o755)
        check(staging)
        if final.exists():
            final.rename(retired)
        staging.rename(final)
    finally:
        if retired.exists() and not final.exists():
            retired.rename(final)
        shutil.rmtree(staging, ignore_errors=True)
    if retired.exists():
        _hand_over(retired, final, earlier or frozenset())
        shutil.rmtree(retired)


def check_places(top: Path, targets: Iterable[Path], own: Holder) -> None:
    """Check that the package ``own`` may be written to ``targets``, which are ``top`` or folders directly below it.

    Raises:
        UsageError: a folder holds something that is not a package.
        PlaceTakenError: a folder holds the package of another repository, or another checkout.
    """
    with _failures_named(top):
        for target in targets:
            _check_folder(target, own)
        present = [holder_of(folder) for folder in (top, *_folders_of(top, own.place))]
    for one in present:
        if one and not one.is_same(own):
            raise place_taken_error(str(top), one, own, otherwise=_OTHERWISE)


def _check_folder(folder: Path, own: Holder | None, *, names: Iterable[str] = ()) -> None:
    """Check that a folder is free or holds the package ``own``, and that ``names`` replace no foreign files."""
    present = holder_of(folder)
    if present is None and folder.exists() and not all(map(_holds_packages, folder.iterdir())):
        raise UsageError(f"{folder} exists and is not a package of packmill; {_OTHERWISE}")
    if present and own:
        if not present.is_same(own):
            raise place_taken_error(str(folder), present, own, otherwise=_OTHERWISE)
        if others := {name for name in names if (folder / name).exists()}.difference(present.documents):
            raise foreign_files_error(str(folder), others, own, otherwise=_OTHERWISE)


def _holds_packages(path: Path) -> bool:
    """Whether a path is the folder of a package, or holds such folders: of processes, or of a checkout ``main/x``."""
    if path.is_symlink() or not path.is_dir():
        return False
    return holder_of(path) is not None or (any(path.iterdir()) and all(map(_holds_packages, path.iterdir())))


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


def documents_below(top: Path, own: Holder) -> list[str]:
    """List the files that packmill wrote to the packages in ``top`` or one folder below, relative to ``top``."""
    return [
        str((folder / name).relative_to(top))
        for folder in packages_below(top)
        if _is_own(folder, own)
        for name in sorted(documents_of(folder) or ())
    ]


def packages_below(top: Path) -> list[Path]:
    """Return the package in a folder, or the packages of several processes one folder below."""
    if documents_of(top) is not None:
        return [top]
    return [path.parent for path in sorted(top.glob("*/package.json")) if documents_of(path.parent) is not None]


def _hand_over(retired: Path, final: Path, ours: frozenset[str]) -> None:
    """Move files that packmill did not write from the old folder to the new one."""
    for path in sorted(retired.rglob("*")):
        relative = path.relative_to(retired)
        target = final / relative
        if str(relative) in ours or target.exists():
            continue
        if path.is_dir() and not path.is_symlink():
            if not any(name.startswith(f"{relative}/") for name in ours):
                target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)


def make_room(top: Path, own: Holder, *, several: bool, replace: bool = False) -> None:
    """Remove obsolete packages of packmill.

    These are the package in ``top`` if ``several`` go below it, and with ``replace`` those of other repositories.

    Raises:
        PlaceTakenError: the package in ``top`` is another repository's.
    """
    present = holder_of(top) if several else None
    if present and not replace and not present.is_same(own):
        raise place_taken_error(str(top), present, own, otherwise=_OTHERWISE)
    others = [folder for folder in _folders_of(top, own.place) if replace and not _is_own(folder, own)]
    with _failures_named(top):
        for folder in [*([top] if several else []), *others]:
            _remove_package(folder)


def _folders_of(top: Path, place: str) -> list[Path]:
    """List the folders directly below ``top`` with a package of this place, not of a checkout such as main/x."""
    below = (path.parent for path in sorted(top.glob("*/package.json")))
    return [folder for folder in below if (holder := holder_of(folder)) and holder.place == place]


def _is_own(folder: Path, own: Holder) -> bool:
    holder = holder_of(folder)
    return holder is not None and holder.is_same(own)


def _remove_package(folder: Path) -> None:
    for name in documents_of(folder) or ():
        if ".." not in Path(name).parts and not Path(name).is_absolute():
            (folder / name).unlink(missing_ok=True)
            with suppress(OSError):  # not empty: a user's files are there
                (folder / name).parent.rmdir()


def _is_same(final: Path, contents: Mapping[str, bytes]) -> bool:
    return all(
        (final / name).is_file() and (final / name).read_bytes() == content for name, content in contents.items()
    )
