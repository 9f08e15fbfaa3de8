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
    """Where containers see the files and folders among the values of rows: each alone, without its folder.

    Each has its name there, as under ``packmill run``: a link's own name, or the ``basename`` that is given. Those of
    one folder are in one folder there as well, unless two of them are to have one name: CWL's ``secondaryFiles`` are
    next to their file. A link that is removed or changed while the map runs still counts as what it led to at the
    start.
    """

    def __init__(self, values: Iterable[Mapping[str, Any]]) -> None:
        """Choose the places of all files.

        Raises:
            UsageError: a file is not on this machine.
        """
        files = {_key(one): one for row in values for one in file_objects(dict(row))}
        self._sources = {key: Path(os.path.realpath(_path(one))) for key, one in files.items()}
        self._targets = dict(_targets({key: _path(one) for key, one in files.items()}))

    def of_row(self, values: Mapping[str, Any]) -> dict[str, Path]:
        """Return where containers see the files and folders of a row, and their paths on this machine."""
        keys = map(_key, file_objects(dict(values)))
        return {self._targets[key]: self._sources[key] for key in keys}

    def of_first(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, Path]:
        """Return those of the first rows, as many as one container can have, and at least those of the very first."""
        first: dict[str, Path] = {}
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
        return {**items, "path": self._targets[_key(value)]} if is_file_object(value) else items


def _key(one: Mapping[str, Any]) -> tuple[Any, Any]:
    return one.get("location"), one.get("basename")


def _targets(paths: Mapping[tuple[Any, Any], Path]) -> Iterator[tuple[tuple[Any, Any], str]]:
    """Give each folder a number, and another one for files in it that are to have one name."""
    numbers: dict[tuple[Path, int], int] = {}
    names: dict[tuple[Path, str], dict[Path, int]] = {}
    for key, path in sorted(paths.items(), key=lambda item: (item[1], item[0][1] or "")):
        name = key[1] or path.name or "root"
        same = names.setdefault((path.parent, name), {})
        place = (path.parent, same.setdefault(path, len(same)))
        number = numbers.setdefault(place, len(numbers) + 1)
        yield key, f"{_INSIDE}/{number}/{name}"


def mount_options(files: Mapping[str, Path]) -> Iterator[str]:
    """Return the options of ``docker run`` for input files.

    One that was removed meanwhile fails its row alone: Docker starts no container with it.
    """
    yield from (mount_option(path, inside, readonly=True) for inside, path in files.items() if os.access(path, os.F_OK))


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
    return path
