"""Footprints of GeoJSON, GeoTIFF and GeoPackage files, read from their headers, in WGS 84 degrees."""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

_LARGEST_GEOJSON = 16 * 1024**2
"""Larger files are not read: parsing takes many times their size in memory."""


_UNREADABLE: tuple[type[Exception], ...] = (OSError, ValueError, LookupError, TypeError, AttributeError)
_UNREADABLE += (ArithmeticError, RecursionError, struct.error, sqlite3.Error)
"""Errors of a file whose content does not match its extension."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A GeoJSON geometry and its bounding box: west, south, east, north."""

    geometry: dict[str, Any]
    bbox: tuple[float, float, float, float]


def read_footprint(path: Path) -> Footprint | None:
    """Return the footprint of a file, None if it has none or it cannot be read."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        return None
    try:
        return reader(path)
    except _UNREADABLE:
        return None


def footprint_from_box(west: float, south: float, east: float, north: float) -> Footprint | None:
    """Return the footprint of a bounding box, None if it is outside the valid range of degrees."""
    box = (west, south, east, north)
    if not all(math.isfinite(value) for value in box):
        return None
    west, south, east, north = box = (_clamp(west, 180), _clamp(south, 90), _clamp(east, 180), _clamp(north, 90))
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        return None
    if west == east and south == north:
        return Footprint({"type": "Point", "coordinates": [west, south]}, box)
    if west == east or south == north:
        return Footprint({"type": "LineString", "coordinates": [[west, south], [east, north]]}, box)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return Footprint({"type": "Polygon", "coordinates": [ring]}, box)


def _clamp(degrees: float, limit: float) -> float:
    """Clamp degrees that rounding put slightly beyond the limit."""
    return math.copysign(limit, degrees) if limit < abs(degrees) < limit + 1e-6 else degrees


def _read_geojson(path: Path) -> Footprint | None:
    if path.stat().st_size > _LARGEST_GEOJSON:
        return None
    document = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    crs = json.dumps(document.get("crs") or "")
    if document["type"] not in _GEOJSON_TYPES or (document.get("crs") and "CRS84" not in crs and "4326" not in crs):
        return None
    points = list(_find_points(document))
    if not points:
        return None
    longitudes, latitudes = [point[0] for point in points], [point[1] for point in points]
    whole = footprint_from_box(min(longitudes), min(latitudes), max(longitudes), max(latitudes))
    own = {"Feature": document.get("geometry"), "FeatureCollection": None}
    geometry = own.get(document["type"], _geometry_only(document))
    if geometry and geometry["type"] == "GeometryCollection":  # STAC has none (item-spec, "geometry")
        geometry = None
    return Footprint(geometry, whole.bbox) if whole and geometry and len(points) <= 1000 else whole


def _refuse_constant(constant: str) -> None:
    """Refuse NaN and Infinity, which are not valid JSON."""
    raise ValueError(constant)


def _geometry_only(document: dict[str, Any]) -> dict[str, Any]:
    return {key: document[key] for key in ("type", "coordinates") if key in document}


_GEOJSON_TYPES = {"FeatureCollection", "Feature", "GeometryCollection", "Point", "MultiPoint", "LineString"}
_GEOJSON_TYPES |= {"MultiLineString", "Polygon", "MultiPolygon"}


def _find_points(part: Any) -> Iterator[tuple[float, float]]:
    """Yield every position of a GeoJSON object (RFC 7946, "Position")."""
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [one[key] for key in ("features", "geometry", "geometries", "coordinates") if one.get(key)]
        elif isinstance(one, list) and len(one) >= 2 and all(isinstance(value, int | float) for value in one[:2]):
            yield float(one[0]), float(one[1])
        elif isinstance(one, list):
            waiting += one


def _read_geopackage(path: Path) -> Footprint | None:
    """Read the bounding boxes of the layers in WGS 84 (OGC 12-128, ``gpkg_contents``)."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        rows = database.execute(
            "select min_x, min_y, max_x, max_y from gpkg_contents where srs_id = 4326 and min_x is not null"
        ).fetchall()
    if not rows:
        return None
    west, south, east, north = zip(*rows, strict=True)
    return footprint_from_box(min(west), min(south), max(east), max(north))


_SCALE, _TIEPOINT, _TRANSFORMATION, _GEO_KEYS = 33550, 33922, 34264, 34735
_RASTER_TYPE, _PIXEL_IS_POINT = 1025, 2
_LIKE_WGS84 = {4326, 4979, 4258, 4269, 4617, 4674, 4167, 7844, 4283}
"""Geographic systems that differ from WGS 84 by a meter or two."""
_FORMATS = {3: ("H", 2), 4: ("I", 4), 12: ("d", 8), 16: ("Q", 8)}


def _read_geotiff(path: Path) -> Footprint | None:
    """Read the corners of an image (OGC GeoTIFF 1.1): geographic coordinates, UTM on WGS 84, or Web Mercator."""
    with path.open("rb") as file:
        tags = _read_tiff_tags(file, {256, 257, _SCALE, _TIEPOINT, _TRANSFORMATION, _GEO_KEYS})
    keys = tags[_GEO_KEYS]
    geo = {keys[index]: keys[index + 3] for index in range(4, len(keys) - 3, 4) if keys[index + 1] == 0}
    width, height = tags[256][0], tags[257][0]
    half = 0.5 if geo.get(_RASTER_TYPE) == _PIXEL_IS_POINT else 0.0
    corners = [_to_coordinates(tags, x - half, y - half) for x, y in ((0, 0), (width, 0), (width, height), (0, height))]
    degrees = [_to_degrees(x, y, geo) for x, y in corners]
    if any(point is None for point in degrees):
        return None
    points = [point for point in degrees if point]
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    whole = footprint_from_box(west, south, east, north)
    if whole is None:
        return None
    ring = [[x, y] for x, y in points]
    return Footprint({"type": "Polygon", "coordinates": [_make_counterclockwise([*ring, ring[0]])]}, whole.bbox)


def _make_counterclockwise(ring: list[list[float]]) -> list[list[float]]:
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    return ring if area >= 0 else ring[::-1]


def _read_tiff_tags(file: BinaryIO, requested: set[int]) -> dict[int, tuple[Any, ...]]:
    """Read tags of the first image of a TIFF or BigTIFF."""
    order = {b"II": "<", b"MM": ">"}[file.read(2)]
    (version,) = struct.unpack(order + "H", file.read(2))
    big = version == 43
    if big:
        file.read(4)
    pointer, count, entry, inline = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    (start,) = struct.unpack(order + pointer, file.read(struct.calcsize(pointer)))
    file.seek(start)
    (number,) = struct.unpack(order + count, file.read(struct.calcsize(count)))
    entries = file.read(min(number, 4096) * entry)
    tags = {}
    for index in range(0, len(entries), entry):
        tag, kind, length = struct.unpack(order + "HH" + pointer, entries[index : index + 4 + struct.calcsize(pointer)])
        if tag not in requested or kind not in _FORMATS or length > 65536:
            continue
        letter, width = _FORMATS[kind]
        data = entries[index + entry - inline : index + entry]
        if length * width > inline:
            file.seek(struct.unpack(order + pointer, data)[0])
            data = file.read(length * width)
        tags[tag] = struct.unpack(order + letter * length, data[: length * width])
    return tags


def _to_coordinates(tags: dict[int, tuple[Any, ...]], column: float, row: float) -> tuple[float, float]:
    """Return the coordinates of a pixel's corner."""
    if _TRANSFORMATION in tags:
        m = tags[_TRANSFORMATION]
        return m[0] * column + m[1] * row + m[3], m[4] * column + m[5] * row + m[7]
    i, j, _, x, y, _ = tags[_TIEPOINT][:6]
    across, down = tags[_SCALE][:2]
    return x + (column - i) * across, y - (row - j) * down


def _to_degrees(x: float, y: float, geo: dict[int, int]) -> tuple[float, float] | None:
    model, projected = geo.get(1024), geo.get(3072, 0)
    if model == 2:
        return (x, y) if geo.get(2048) in _LIKE_WGS84 else None
    if projected in (3857, 900913):
        return math.degrees(x / _A), math.degrees(2 * math.atan(math.exp(y / _A)) - math.pi / 2)
    zone, south = projected % 100, projected // 100 == 327
    if projected // 100 in (326, 327) and 1 <= zone <= 60:
        return _from_utm(x, y - (10_000_000 if south else 0), zone)
    return None


_A, _F = 6378137.0, 1 / 298.257223563


def _from_utm(easting: float, northing: float, zone: int) -> tuple[float, float]:
    """Compute longitude and latitude on WGS 84, by Krüger's series to the third order (millimeters within a zone)."""
    n = _F / (2 - _F)
    radius = _A / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    beta = (n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480)
    delta = (2 * n - 2 * n**2 / 3 - 2 * n**3, 7 * n**2 / 3 - 8 * n**3 / 5, 56 * n**3 / 15)
    xi, eta = northing / (0.9996 * radius), (easting - 500_000) / (0.9996 * radius)
    xi1 = xi - sum(b * math.sin(2 * j * xi) * math.cosh(2 * j * eta) for j, b in enumerate(beta, 1))
    eta1 = eta - sum(b * math.cos(2 * j * xi) * math.sinh(2 * j * eta) for j, b in enumerate(beta, 1))
    chi = math.asin(math.sin(xi1) / math.cosh(eta1))
    latitude = chi + sum(d * math.sin(2 * j * chi) for j, d in enumerate(delta, 1))
    longitude = math.radians(zone * 6 - 183) + math.atan2(math.sinh(eta1), math.cos(xi1))
    return math.degrees(longitude), math.degrees(latitude)


_READERS = {
    ".geojson": _read_geojson,
    ".json": _read_geojson,
    ".tif": _read_geotiff,
    ".tiff": _read_geotiff,
    ".gpkg": _read_geopackage,
}
