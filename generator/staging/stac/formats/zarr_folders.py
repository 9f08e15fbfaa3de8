"""Zarr folders, of version 2 and 3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from generator.staging.stac.formats.arrays import Group, Variable, plain_attribute
from generator.staging.stac.formats.description import UnclearError

MEDIA_TYPE = "application/vnd.zarr"
_MARKS = {"zarr.json": 3, ".zgroup": 2, ".zarray": 2, ".zmetadata": 2}
_MOST_GROUPS, _MOST_VARIABLES = 200, 2000
_MOST_ENTRIES = 1_000_000
_SAFE_CODECS = frozenset(
    "blosc zlib gzip bz2 lzma zstd lz4 shuffle delta fixedscaleoffset quantize bitround bytes transpose crc32c crc32 "
    "adler32 fletcher32 sharding_indexed".split()
)
"""Codecs of numbers. Others are not used: ``pickle`` runs code of the file."""


def zarr_version(folder: Path) -> int | None:
    """Return the version of a Zarr folder, None for other folders."""
    return next((_MARKS[mark.name] for mark in marks_of(folder)), None)


def marks_of(folder: Path) -> list[Path]:
    """Return the files that mark a Zarr folder."""
    return [folder / name for name in _MARKS if (folder / name).is_file()]


@contextmanager
def open_groups(path: Path) -> Iterator[Iterator[Group]]:
    """Open a folder; its groups come in the order of their depth, the folder's own first.

    Raises:
        UnclearError: the folder has links, which could lead to files that are not results.
    """
    import zarr

    if _has_links(path):
        raise UnclearError("the folder has links, which are not followed")
    root = zarr.open(zarr.storage.LocalStore(path, read_only=True), mode="r", use_consolidated=False)
    yield islice(_groups(root), _MOST_GROUPS)


def _has_links(path: Path) -> bool:
    entries = (
        entry for top, folders, files in os.walk(path) for entry in (Path(top, one) for one in (*folders, *files))
    )
    number = 0
    for number, entry in enumerate(entries):
        if entry.is_symlink() or number > _MOST_ENTRIES:
            return True
    return number > _MOST_ENTRIES


def _groups(root: Any) -> Iterator[Group]:
    import zarr

    if isinstance(root, zarr.Array):
        yield Group(variables={"": _variable("data", root)}, attributes={})
        return
    waiting = [root]
    while waiting:
        group = waiting.pop(0)
        members = dict(islice(group.members(), _MOST_VARIABLES))
        arrays = {name: _variable(name, one) for name, one in members.items() if isinstance(one, zarr.Array)}
        yield Group(variables=arrays, attributes=_attributes(group))
        waiting += [one for one in members.values() if isinstance(one, zarr.Group)]


def _variable(name: str, array: Any) -> Variable:
    attributes = _attributes(array)
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    dimensions = tuple(map(str, names)) if names and len(names) == array.ndim else _numbered(name, array.ndim)
    attributes.pop("_ARRAY_DIMENSIONS", None)
    if array.metadata.zarr_format == 2 and array.fill_value is not None:
        attributes.setdefault("_FillValue", plain_attribute(array.fill_value))
    return Variable(
        name=name,
        dimensions=dimensions,
        shape=tuple(map(int, array.shape)),
        data_type=getattr(array.dtype, "name", "other"),
        attributes=attributes,
        read=lambda: _read(array),
    )


def _read(array: Any) -> Any:
    codecs = set(_codec_names(array.metadata.to_dict()))
    if not codecs <= _SAFE_CODECS:
        raise UnclearError(f"coordinates with the codec {min(codecs - _SAFE_CODECS)!r} are not read")
    return array[...]


def _codec_names(metadata: Any) -> Iterator[str]:
    """Yield the names of all codecs in an array's metadata, of either version."""
    parts = [metadata.get(name) for name in ("codecs", "filters", "compressor")]
    for part in parts:
        for one in part if isinstance(part, list | tuple) else [part]:
            fields = one if isinstance(one, dict) else one.get_config() if hasattr(one, "get_config") else {}
            if one is not None:
                yield str(fields.get("id") or fields.get("name") or "unknown").removeprefix("numcodecs.")
            inner = fields.get("configuration") or {}
            for name in ("codecs", "index_codecs"):
                if inner.get(name):
                    yield from _codec_names({"codecs": inner[name]})


def _numbered(name: str, number: int) -> tuple[str, ...]:
    return tuple(f"{name}_{index}" for index in range(number))


def _attributes(one: Any) -> dict[str, Any]:
    return {str(name): plain_attribute(value) for name, value in islice(one.attrs.items(), _MOST_VARIABLES)}
