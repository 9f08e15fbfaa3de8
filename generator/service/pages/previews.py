"""What a job's page shows of its artifacts: pictures, each once, rows of tables, and previews of other files."""

from __future__ import annotations

import csv
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from generator.service.archives import Archive
from generator.shared import contract
from generator.shared.tables import Table, csv_bytes, table_of_csv

picture_suffixes = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".avif", ".bmp")
_TABLES = (".csv", ".tsv")
_MOST_PICTURES, _MOST_TABLES, _MOST_TRIED = 40, 5, 20
_MOST_PREVIEWS, _MOST_OPEN, _LARGEST_OPEN = 30, 4, 5_000_000
"""Previews of a page, and how many of them are open at once, of files that are not larger (bytes)."""
_OWN = (contract.result_file, contract.scraps_file, contract.output_object_file, contract.inputs_file, "package.json")
_KINDS = {
    "parquet": (".parquet", ".geoparquet", ".pq"),
    "geojson": (".geojson",),
    "geotiff": (".tif", ".tiff"),
    "arrays": (".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5"),
    "page": (".html", ".htm"),
    "text": (
        *(".md", ".txt", ".log", ".json", ".jsonl", ".yml", ".yaml", ".xml", ".toml", ".ini", ".tex", ".cwl"),
        *(".csv", ".tsv"),
    ),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes}
_ON_THE_PAGE = ("parquet", "geojson", "geotiff", "arrays")


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A file with a preview: ``kind`` is a key of `_KINDS`; a browser shows pages and texts in a frame."""

    name: str
    kind: str
    size: int
    is_open: bool = False

    @property
    def is_framed(self) -> bool:
        """Return whether the preview is a page of its own."""
        return self.kind not in _ON_THE_PAGE


def kind_of(name: str) -> str:
    """Return how a file is shown, empty for files without a preview."""
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower(), "")


def previews(sizes: Mapping[str, int], shown: Container[str] = ()) -> list[Preview]:
    """Return the files with a preview, maps and tables first, without those that are ``shown`` otherwise.

    Those of packages have a page of their own.
    """
    files = {name: size for name, size in sizes.items() if not name.startswith("packages/") and name not in shown}
    stores = dict.fromkeys(name.partition(".zarr/")[0] + ".zarr" for name in files if ".zarr/" in name)
    listed = [Preview(name=name, kind="arrays", size=0) for name in stores]
    named = (
        (name, size) for name, size in files.items() if PurePosixPath(name).name not in _OWN and ".zarr/" not in name
    )
    listed += [Preview(name=name, kind=kind, size=size) for name, size in named if (kind := kind_of(name))]
    order = list(_KINDS)
    listed.sort(key=lambda one: order.index(one.kind))
    return [_opened(one, number) for number, one in enumerate(listed[:_MOST_PREVIEWS])]


def _opened(one: Preview, number: int) -> Preview:
    is_open = number < _MOST_OPEN and not one.is_framed and one.size <= _LARGEST_OPEN
    return Preview(name=one.name, kind=one.kind, size=one.size, is_open=is_open)


def pictures(archive: Archive, sizes: Mapping[str, int]) -> list[str]:
    """Return the names of pictures, without copies of an earlier one."""
    names = [name for name in sizes if name.lower().endswith(picture_suffixes)]
    return archive.without_copies(names)[:_MOST_PICTURES] if names else []


def tables(archive: Archive, sizes: Mapping[str, int]) -> dict[str, Table]:
    """Return the beginnings of the first tables by the names of their files; those of packages are documents."""
    names = [name for name in sizes if name.lower().endswith(_TABLES) and not name.startswith("packages/")]
    return dict(islice(_read(archive, sizes, names[:_MOST_TRIED]), _MOST_TABLES))


def _read(archive: Archive, sizes: Mapping[str, int], names: list[str]) -> Iterator[tuple[str, Table]]:
    for name, data in archive.beginnings(names, csv_bytes):
        with suppress(csv.Error, ValueError):
            table = table_of_csv(data, is_tsv=name.lower().endswith(".tsv"), is_cut=sizes[name] > len(data))
            if table:
                yield name, table
