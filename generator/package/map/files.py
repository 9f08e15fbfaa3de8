"""The files among the values of rows: where containers see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from generator.package.file_objects import file_objects, is_file_object, local_path
from generator.shared.errors import UsageError

_INSIDE = "/packmill/inputs"
MOST_FOLDERS = 1000
"""Folders that a container of several rows can read: Docker mounts them in seconds, and Linux takes no command with the
options of some ten thousand."""


class Mounts:
    """Folders of this machine that containers can read: those of the files, and the folders among the values."""

    def __init__(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Collect the folders of the values' files.

        Raises:
            UsageError: a file is not on this machine.
        """
        folders = {_mounted(_path(one)) for row in values for one in file_objects(dict(row))}
        self._inside = {folder: f"{_INSIDE}/{number}" for number, folder in enumerate(sorted(folders), 1)}

    @property
    def are_too_many(self) -> bool:
        """Whether a container cannot have all of them, so that each row needs one of its own."""
        return len(self._inside) > MOST_FOLDERS

    def options(self) -> Iterator[str]:
        """Return the options of ``docker run``."""
        yield from (mount_option(folder, inside, readonly=True) for folder, inside in self._inside.items())

    def of_row(self, values: Mapping[str, Any]) -> dict[Path, str]:
        """Return the folders of a row's files, and where containers see them."""
        folders = dict.fromkeys(_mounted(_path(one)) for one in file_objects(dict(values)))
        return {folder: self._inside[folder] for folder in folders}

    def inside(self, value: Any) -> Any:
        """Return a value with the paths that a container has."""
        if isinstance(value, list):
            return [self.inside(item) for item in value]
        if not isinstance(value, dict):
            return value
        items = {name: self.inside(item) for name, item in value.items() if name != "location"}
        return {**items, "path": self._path(value)} if is_file_object(value) else items

    def _path(self, one: Mapping[str, Any]) -> str:
        path = _path(one)
        folder = _mounted(path)
        return self._inside[folder] if path == folder else f"{self._inside[folder]}/{path.name}"


def mount_option(source: Path, target: str, *, readonly: bool = False) -> str:
    """Return the option of ``docker run`` that mounts a folder; its value is a line of CSV."""
    quoted = str(source).replace('"', '""')
    return f'--mount=type=bind,"source={quoted}",target={target}{",readonly" if readonly else ""}'


def _mounted(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _path(one: Mapping[str, Any]) -> Path:
    path = local_path(dict(one))
    if path is None:
        raise UsageError(
            f"{one.get('location') or one.get('path')}: not a file of this machine; rows with addresses need "
            "--engine cwltool"
        )
    return path.resolve()
