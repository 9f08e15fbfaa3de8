"""What a job's page shows of its artifacts at once: pictures, each once, and the first rows of tables."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice

from generator.service.archives import Archive
from generator.shared.tables import Table, csv_bytes, table_of_csv

picture_suffixes = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")
_TABLES = (".csv", ".tsv")
_MOST_PICTURES, _MOST_TABLES, _MOST_TRIED = 40, 5, 20


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
