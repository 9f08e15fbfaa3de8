"""Small files of arrays, written byte by byte, for tests without the packages that write them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any


def write_geotiff(
    path: Path, keys: dict[int, int], *, tie: tuple[float, float], scale: float, size: int, order: str = "<"
) -> Path:
    """A GeoTIFF's header: one image without pixels."""
    directory = [1, 1, 0, len(keys)] + [value for key, one in sorted(keys.items()) for value in (key, 0, 1, one)]
    blobs = [
        struct.pack(order + "3d", scale, scale, 0),
        struct.pack(order + "6d", 0, 0, 0, *tie, 0),
        struct.pack(order + f"{len(directory)}H", *directory),
    ]
    start = 8 + 2 + 5 * 12 + 4
    offsets = [start + sum(map(len, blobs[:index])) for index in range(3)]
    entries = [
        struct.pack(order + "HHIHH", 256, 3, 1, size, 0),
        struct.pack(order + "HHIHH", 257, 3, 1, size, 0),
        struct.pack(order + "HHII", 33550, 12, 3, offsets[0]),
        struct.pack(order + "HHII", 33922, 12, 6, offsets[1]),
        struct.pack(order + "HHII", 34735, 3, len(directory), offsets[2]),
    ]
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 5)
    path.write_bytes(head + b"".join(entries) + struct.pack(order + "I", 0) + b"".join(blobs))
    return path


def write_raster(path: Path, code: int, *, tie: tuple[float, float], scale: float, rows: list[list[int]]) -> Path:
    """A GeoTIFF of bytes in one strip, in a projected reference system."""
    keys = [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, code]
    blobs = [struct.pack("<3d", scale, scale, 0), struct.pack("<6d", 0, 0, 0, *tie, 0), struct.pack("<16H", *keys)]
    start = 8 + 2 + 11 * 12 + 4
    offsets = [start + sum(map(len, blobs[:index])) for index in range(4)]
    height, width = len(rows), len(rows[0])
    short = [(256, width), (257, height), (258, 8), (259, 1), (262, 1)]
    entries = [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in short]
    entries += [struct.pack("<HHII", 273, 4, 1, offsets[3]), struct.pack("<HHIHH", 278, 3, 1, height, 0)]
    entries += [struct.pack("<HHII", 279, 4, 1, width * height), struct.pack("<HHII", 33550, 12, 3, offsets[0])]
    entries += [struct.pack("<HHII", 33922, 12, 6, offsets[1]), struct.pack("<HHII", 34735, 3, 16, offsets[2])]
    head = b"II" + struct.pack("<HIH", 42, 8, len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    path.write_bytes(head + b"".join(blobs) + bytes(value for row in rows for value in row))
    return path


def write_zarr(folder: Path, *, compressor: Any = None, filters: Any = None) -> Path:
    """A Zarr folder of version 2: a variable on 2 latitudes and 3 longitudes of one degree."""
    _write_zarr_array(folder / "lat", ["lat"], [47.5, 46.5], compressor=compressor, filters=filters)
    _write_zarr_array(folder / "lon", ["lon"], [9.5, 10.5, 11.5])
    _write_zarr_array(folder / "t", ["lat", "lon"], [0.0] * 6, shape=[2, 3])
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    return folder


def _write_zarr_array(
    folder: Path,
    dimensions: list[str],
    values: list[float],
    *,
    shape: Any = None,
    compressor: Any = None,
    filters: Any = None,
) -> None:
    folder.mkdir(parents=True)
    shape = shape or [len(values)]
    about = {"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": "<f8", "order": "C", "fill_value": None}
    (folder / ".zarray").write_text(json.dumps({**about, "compressor": compressor, "filters": filters}))
    (folder / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": dimensions}))
    (folder / ".".join("0" for _ in shape)).write_bytes(struct.pack(f"<{len(values)}d", *values))
