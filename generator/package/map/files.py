"""The files among the values of rows: where containers see them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from generator.package.file_objects import file_objects, is_file_object, local_path
from generator.shared.errors import UsageError

_INSIDE = "/packmill/inputs"
MOST_FILES = 1000
"""Input files and folders that a container of several rows can read: Docker mounts them in seconds, and Linux takes no
command with the options of some ten thousand."""


class Mounts:
    """Where containers see the files and folders among the values of rows: each file alone, without its folder.

    Files of one folder are in one folder there as well: CWL's ``secondaryFiles`` are next to their file. A link that is
    removed or changed while the map runs still counts as what it led to at the start.
    """

    def __init__(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Give each folder of the values' files a number.

        Raises:
            UsageError: a file is not on this machine.
        """
        files = [one for row in values for one in file_objects(dict(row))]
        self._paths = {one.get("location"): _path(one) for one in files}
        folders = {self._numbered(one) for one in files}
        self._numbers = {folder: number for number, folder in enumerate(sorted(folders), 1)}

    def of_row(self, values: Mapping[str, Any]) -> dict[Path, str]:
        """Return the files and folders of a row, and where containers see them."""
        return {self._paths[one["location"]]: self._path_inside(one) for one in file_objects(dict(values))}

    def of_first(self, rows: Iterable[Mapping[str, Any]]) -> dict[Path, str]:
        """Return those of the first rows, as many as one container can have, and at least those of the very first."""
        first: dict[Path, str] = {}
        for values in rows:
            files = self.of_row(values)
            if first and len(first) + len(files.keys() - first.keys()) > MOST_FILES:
                break
            first |= files
        return first

    def inside(self, value: Any) -> Any:
        """Return a value with the paths that a container has."""
        if isinstance(value, list):
            return [self.inside(item) for item in value]
        if not isinstance(value, dict):
            return value
        items = {name: self.inside(item) for name, item in value.items() if name != "location"}
        return {**items, "path": self._path_inside(value)} if is_file_object(value) else items

    def _path_inside(self, one: Mapping[str, Any]) -> str:
        folder, is_input = self._numbered(one)
        place = f"{_INSIDE}/{self._numbers[folder, is_input]}"
        return place if is_input else f"{place}/{self._paths[one['location']].name}"

    def _numbered(self, one: Mapping[str, Any]) -> tuple[Path, bool]:
        """Return the folder that has a number, and whether it is an input itself: files in it are apart from that."""
        path = self._paths[one["location"]]
        return (path, True) if one["class"] == "Directory" else (path.parent, False)


def mount_options(files: Mapping[Path, str]) -> Iterator[str]:
    """Return the options of ``docker run`` for input files.

    One that was removed meanwhile fails its row alone: Docker starts no container with it.
    """
    yield from (mount_option(path, inside, readonly=True) for path, inside in files.items() if os.access(path, os.F_OK))


def mount_option(source: Path, target: str, *, readonly: bool = False) -> str:
    """Return the option of ``docker run`` that mounts a file or a folder; its value is a line of CSV."""
    words = ("type=bind", f"source={source}", f"target={target}", *(["readonly"] if readonly else []))
    return f"--mount={','.join(map(_csv_word, words))}"


def _csv_word(word: str) -> str:
    quoted = word.replace('"', '""')
    return f'"{quoted}"' if word.startswith("source=") or quoted != word or set(word) & set(",\r\n") else word


def _path(one: Mapping[str, Any]) -> Path:
    path = local_path(dict(one))
    if path is None:
        raise UsageError(
            f"{one.get('location') or one.get('path')}: not a file of this machine; rows with addresses need "
            "--engine cwltool"
        )
    return Path(os.path.realpath(path))
