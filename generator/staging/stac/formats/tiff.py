"""The directories of a TIFF file (TIFF 6.0; BigTIFF), without its pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_FORMATS = {
    1: ("B", 1), 2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 6: ("b", 1), 8: ("h", 2), 9: ("i", 4), 11: ("f", 4),
    12: ("d", 8), 16: ("Q", 8), 17: ("q", 8),
}  # fmt: skip
"""Type of a field: letter in ``struct``, bytes."""
_MOST_DIRECTORIES = 1024
_MOST_ENTRIES = 4096
_LARGEST_FIELD = 2**20
_NOTE_OF_GDAL = b"GDAL_STRUCTURAL_METADATA_SIZE="

WIDTH, HEIGHT, BITS, DESCRIPTION, STRIPS, SAMPLES, DATE, TILE_WIDTH, TILES = 256, 257, 258, 270, 273, 277, 306, 322, 324
SUBFILE, SAMPLE_FORMAT, SCALE, TIEPOINT, TRANSFORMATION = 254, 339, 33550, 33922, 34264
GEO_KEYS, GEO_DOUBLES, GEO_TEXT, GDAL_METADATA, GDAL_NODATA = 34735, 34736, 34737, 42112, 42113
_TAGS = {WIDTH, HEIGHT, BITS, DESCRIPTION, STRIPS, SAMPLES, DATE, TILE_WIDTH, TILES, SUBFILE, SAMPLE_FORMAT, SCALE}
_TAGS |= {TIEPOINT, TRANSFORMATION, GEO_KEYS, GEO_DOUBLES, GEO_TEXT, GDAL_METADATA, GDAL_NODATA}
_NOT_AN_IMAGE = 4
"""Bit of a subfile's type: a transparency mask."""
_LARGEST_UNTILED = 512


@dataclass(frozen=True, slots=True)
class Directory:
    """One image of a TIFF file: its offset in the file, and its fields by tag."""

    offset: int
    tags: dict[int, tuple[Any, ...]]

    def first(self, tag: int, otherwise: Any = None) -> Any:
        """Return the first value of a field."""
        return next(iter(self.tags.get(tag) or ()), otherwise)

    def text(self, tag: int) -> str:
        """Return a field of text."""
        return bytes(self.first(tag, b"")).split(b"\0")[0].decode("utf-8", "replace").strip()

    @property
    def pixels(self) -> int:
        """The number of pixels."""
        return int(self.first(WIDTH, 0)) * int(self.first(HEIGHT, 0))

    @property
    def data_offset(self) -> int:
        """The offset of its first tile or strip, 0 if it has none."""
        return next((int(one) for one in self.tags.get(TILES) or self.tags.get(STRIPS) or () if one), 0)


def read_directories(path: Path) -> list[Directory]:
    """Read all directories of a file.

    Raises:
        OSError, ValueError, LookupError, struct.error: the file is not a complete TIFF.
    """
    with path.open("rb") as file:
        return list(_read(file))


def is_cloud_optimized(path: Path, directories: list[Directory]) -> bool:
    """Check the layout of a cloud-optimized GeoTIFF, as GDAL's ``validate_cloud_optimized_geotiff`` does.

    A large image is tiled; the directories are at the beginning, the largest image's first; smaller images' pixels
    precede those of larger ones.
    """
    images = [one for one in directories if not one.first(SUBFILE, 0) & _NOT_AN_IMAGE]
    main = images[0]
    large = max(main.first(WIDTH, 0), main.first(HEIGHT, 0)) > _LARGEST_UNTILED
    if large and not all(TILES in one.tags for one in images):
        return False
    offsets, pixels = [one.offset for one in images], [one.pixels for one in images]
    data = [one.data_offset for one in reversed(images) if one.data_offset]
    ordered = offsets == sorted(offsets) and pixels == sorted(pixels, reverse=True) and data == sorted(data)
    return ordered and bool(data) and max(offsets) < min(data) and main.offset <= _header_size(path)


def _header_size(path: Path) -> int:
    """Return where the first directory has to begin: after the header, and after GDAL's note on the layout."""
    with path.open("rb") as file:
        start = 16 if file.read(4)[2:4] in (b"+\0", b"\0+") else 8
        file.seek(start)
        note = file.read(len(_NOTE_OF_GDAL) + 6)
    if not note.startswith(_NOTE_OF_GDAL):
        return start
    size = start + len(note) + len(" bytes\n") + int(note[len(_NOTE_OF_GDAL) :])
    return size + size % 2


def _read(file: BinaryIO) -> Iterator[Directory]:
    order = {b"II": "<", b"MM": ">"}[file.read(2)]
    (version,) = struct.unpack(order + "H", file.read(2))
    big = {42: False, 43: True}[version]
    if big:
        file.read(4)
    pointer, count, size, inline = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    width = struct.calcsize(pointer)
    (offset,) = struct.unpack(order + pointer, file.read(width))
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        seen.add(offset)
        file.seek(offset)
        (number,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
        if number > _MOST_ENTRIES:
            raise ValueError("too many fields")
        entries, following = file.read(number * size), file.read(width)
        tags: dict[int, tuple[Any, ...]] = {}
        for index in range(0, len(entries), size):
            tag, kind, length = struct.unpack(order + "HH" + pointer, entries[index : index + 4 + width])
            data = entries[index + size - inline : index + size]
            if tag in _TAGS and kind in _FORMATS:
                tags[tag] = _read_field(file, (order, pointer), kind, length, data)
        yield Directory(offset, tags)
        (offset,) = struct.unpack(order + pointer, following)


def _read_field(file: BinaryIO, layout: tuple[str, str], kind: int, length: int, data: bytes) -> tuple[Any, ...]:
    """Read the values of a field, the first ones of a long list."""
    order, pointer = layout
    letter, width = _FORMATS[kind]
    inline = length * width <= len(data)
    length = min(length, _LARGEST_FIELD // width)
    if not inline:
        file.seek(struct.unpack(order + pointer, data)[0])
        data = file.read(length * width)
    if letter == "s":
        return (data[:length],)
    return struct.unpack(f"{order}{length}{letter}", data[: length * width])
