"""Folders that appear under their final name whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from generator.errors import UsageError


def replace_folder(final: Path, files: Mapping[str, str | bytes], *, check: Callable[[Path], None]) -> bool:
    """Writes ``files`` beside ``final``, checks them there, and puts them in its place; whether anything changed.

    What others have put into the folder since stays there: only the files that the earlier ``package.json`` lists are
    replaced.

    Raises:
        UsageError: the folder is someone else's, or cannot be written.
    """
    contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _locked(final.parent):
            if _is_same(final, contents):
                return False
            _replace(final, contents, check)
    except OSError as error:
        raise UsageError(f"{final} cannot be written: {error.strerror or error}: choose another --output") from None
    return True


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
    if final.exists() and earlier is None and any(final.iterdir()):
        raise UsageError(f"{final} is there and no package of packmill: choose another --output")
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


def documents_of(folder: Path) -> frozenset[str] | None:
    """The files that packmill wrote into a package; None when the folder is none."""
    try:
        return frozenset(json.loads((folder / "package.json").read_text(encoding="utf-8"))["documents"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def documents_below(top: Path) -> list[str]:
    """What packmill wrote into a package, or into the packages of several processes one folder below; relative."""
    return [
        str((folder / name).relative_to(top))
        for folder in packages_below(top)
        for name in sorted(documents_of(folder) or ())
    ]


def packages_below(top: Path) -> list[Path]:
    """The package in a folder, or those of several processes one folder below it."""
    if documents_of(top) is not None:
        return [top]
    return [path.parent for path in sorted(top.glob("*/package.json")) if documents_of(path.parent) is not None]


def _hand_over(retired: Path, final: Path, ours: frozenset[str]) -> None:
    """Moves what is not packmill's from the old folder to the new one, file by file."""
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


def remove_package(folder: Path) -> None:
    """Removes packmill's own files from a folder that is to hold several packages now."""
    for name in documents_of(folder) or ():
        if ".." not in Path(name).parts and not Path(name).is_absolute():
            (folder / name).unlink(missing_ok=True)


def _is_same(final: Path, contents: Mapping[str, bytes]) -> bool:
    return all(
        (final / name).is_file() and (final / name).read_bytes() == content for name, content in contents.items()
    )
