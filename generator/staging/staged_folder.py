"""The files of a stage-in as a folder with a STAC catalog (OGC 20-089, stage-in)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.shared import contract
from generator.shared.failures import BadInputsError, StagingError
from generator.shared.folder_levels import is_too_deep, too_deep
from generator.shared.safe_names import safe_name
from generator.staging import urls
from generator.staging.file_names import make_distinct, name_in_folder
from generator.staging.sources import SourceFile
from generator.staging.stac.assets import AssetFile, write_items
from generator.staging.stac.catalog import CatalogFile, remove_staged_catalog, staged_in, write_catalog
from generator.staging.stores.local import LocalSource
from generator.staging.transfer.fetching import FetchedFile, move_to_final_name


def arrange_folder(
    folder: Path,
    files: Sequence[SourceFile],
    fetched: Sequence[FetchedFile],
    assets: Sequence[AssetFile],
    *,
    name: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Arrange the files in a folder with a ``catalog.json``; return its CWL object.

    If all files are ``assets`` of STAC, the catalog has their Items.

    Raises:
        BadInputsError: pystac is not installed, or the folder has a link in place of a folder of the files.
        StagingError: two files have one path, or a path is too deep.
    """
    secondary = [two for file in files for two in file.secondary]
    names = [_relative_path(file, one) for file, one in zip(files, fetched, strict=True)]
    exact = {name for name, file in zip(names, files, strict=True) if file.relative}
    paths = make_distinct([*names, *(safe_name(two.name) for two in secondary)], exact=exact)
    paths, others = paths[: len(files)], paths[len(files) :]
    for one in sorted({parent for path in paths for parent in Path(path).parents[:-1]}):
        refuse_link(folder / one)
    _move_all(folder, fetched, paths)
    for two, path in zip(secondary, others, strict=True):
        copy_secondary_file(folder, path, two)
    remove_staged_catalog(folder, kept={*paths, *others})
    if len(assets) == len(files):
        write_items(folder, list(zip(assets, paths, strict=True)), name=name)
    elif contract.catalog_file not in (*paths, *others):
        members = [
            CatalogFile(path=path, source=source_field(one).get("url", ""))
            for path, one in zip(paths, fetched, strict=True)
        ]
        members += [CatalogFile(path=path) for path in others]
        write_catalog(
            folder,
            members,
            name=name,
            description=staged_in,
            time=datetime.now(timezone.utc),
            say=say,
        )
    return {"class": "Directory", "path": str(folder), "basename": safe_name(name)}


def refuse_link(folder: Path) -> None:
    """Refuse a link in place of a folder below a staged one, which may lead to files of the user.

    Raises:
        BadInputsError: the folder is a link.
    """
    if folder.is_symlink():
        raise BadInputsError(f"{folder}: a link, so nothing is written below it; remove it, or choose another folder")


def _move_all(folder: Path, fetched: Sequence[FetchedFile], paths: Sequence[str]) -> None:
    """Move the files to their paths below a folder.

    Raises:
        StagingError: two paths are those of one file, as in a file system that ignores case.
    """
    moved = set()
    for one, path in zip(fetched, paths, strict=True):
        target = folder / path
        if target.exists() and _identity(target) in moved:
            raise StagingError(f"{path[:200]}: its name and another are one to the file system of {folder}")
        move_to_final_name(one, target)
        moved.add(_identity(target))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _relative_path(file: SourceFile, fetched: FetchedFile) -> str:
    """Return a file's safe path below the requested folder, else its name."""
    parts = [part for part in file.relative.split("/") if part not in ("", ".", "..")]
    parts = [name_in_folder(part, is_at_top=not level) for level, part in enumerate(parts)]
    if is_too_deep(Path(*parts), Path()):
        raise StagingError(f"{fetched.source.url[:200]}: {too_deep}")
    return "/".join(parts) or fetched.name


def copy_secondary_file(folder: Path, name: str, source: LocalSource) -> dict[str, Any]:
    """Copy a secondary file next to its primary file; return its CWL object."""
    part = folder / f".{name}.part"
    part.unlink(missing_ok=True)  # it may be a link, as the name may
    shutil.copyfile(source.path, part)
    part.replace(folder / name)
    return {"class": "File", "path": str(folder / name), "basename": name}


def source_field(fetched: FetchedFile) -> dict[str, str]:
    """Return the field ``url``, the source of a file, which packmill adds to CWL's fields."""
    url = fetched.source.url
    return {"url": url} if urls.scheme(url) else {}
