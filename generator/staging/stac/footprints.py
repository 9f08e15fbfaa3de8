"""Footprints on the Earth in WGS 84 degrees: geometries that stop at the antimeridian and go around the poles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Point = tuple[float, float]

_CURVE = 1e-5
"""Degrees, about a meter: sides of an outline that are straighter than this have no points between their ends."""
_FULL_CIRCLE = 360 - 1e-3
_DIGITS = 7
"""Decimals of degrees, about a centimeter."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """A GeoJSON geometry and its bounding box: west, south, east, north; west > east across the antimeridian."""

    geometry: dict[str, Any]
    bbox: tuple[float, float, float, float]


def footprint_from_box(west: float, south: float, east: float, north: float) -> Footprint | None:
    """Return the footprint of a bounding box, None if it is outside the valid range of degrees.

    The longitudes may count from any meridian, such as 0 to 360; a box across the antimeridian becomes two (RFC 7946,
    "The Antimeridian").
    """
    if not all(map(math.isfinite, (west, south, east, north))):
        return None
    south, north = _clamp(south, 90), _clamp(north, 90)
    if not (west <= east and -90 <= south <= north <= 90 and west >= -720 and east <= 720):
        return None
    if east - west > _FULL_CIRCLE:
        return _box(-180, south, 180, north) if east - west < 360 + 1e-3 else None
    west, east = _normalize(west, east)
    if east <= 180:
        return _box(west, south, east, north)
    parts = [_ring(west, south, 180, north), _ring(-180, south, east - 360, north)]
    return Footprint(_multipolygon(parts), (west, south, east - 360, north)) if south < north else None


def footprint_of_all(footprints: Sequence[Footprint]) -> Footprint | None:
    """Return the footprint of several: the only one that there is, else a box around all."""
    if len({one.bbox for one in footprints}) < 2:
        return footprints[0] if footprints else None
    west, south, east, north = zip(*(one.bbox for one in footprints), strict=True)
    if any(a > b for a, b in zip(west, east, strict=True)):
        return footprint_from_box(-180, min(south), 180, max(north))
    return footprint_from_box(min(west), min(south), max(east), max(north))


def footprint_from_points(points: Sequence[Point]) -> Footprint | None:
    """Return the smallest box around points, across the antimeridian if that one is smaller."""
    longitudes = sorted({(x + 180) % 360 - 180 for x, _ in points})
    latitudes = [y for _, y in points]
    gaps = [(b - a, b, a) for a, b in pairwise(longitudes)]
    _, west, east = max([*gaps, (longitudes[0] + 360 - longitudes[-1], longitudes[0], longitudes[-1])])
    return footprint_from_box(west, min(latitudes), east + 360 if east < west else east, max(latitudes))


def footprint_from_outline(sides: Sequence[Sequence[Point]], poles: Iterable[int]) -> Footprint | None:
    """Return the footprint of an image, whose sides are given by many points, in either direction.

    ``poles`` are the latitudes (90, -90) of the poles within the image. The result is None if it would be ambiguous.
    """
    sides = _unwrap(sides)
    points = [point for side in sides for point in side]
    if not all(math.isfinite(x) and abs(y) <= 90 + 1e-6 for x, y in points):
        return None
    turns = round((points[-1][0] - points[0][0]) / 360)
    south, north = min(y for _, y in points), max(y for _, y in points)
    if turns:
        return _around_a_pole(sides, list(poles), turns)
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    if east - west > _FULL_CIRCLE:
        return footprint_from_box(-180, south, 180, north)
    if list(poles):
        return None
    shift = _normalize(west, east)[0] - west
    ring = _counterclockwise([(x + shift, _clamp(y, 90)) for x, y in _corners(sides)])
    west, east = west + shift, east + shift
    if east <= 180 + 1e-9:
        return Footprint(_polygon(ring), (west, south, min(east, 180), north))
    parts = [_cut(ring, keep_west=True), [(x - 360, y) for x, y in _cut(ring, keep_west=False)]]
    return Footprint(_multipolygon(parts), (west, south, east - 360, north))


def _around_a_pole(sides: list[list[Point]], poles: list[int], turns: int) -> Footprint | None:
    """Return the footprint of an image with a pole in it: everything between its outline and the pole."""
    line = [point for side in sides for point in side[:-1]]
    if len(poles) != 1 or abs(turns) != 1 or any((b[0] - a[0]) * turns <= 0 for a, b in pairwise(line)):
        return None
    line = sorted(((x + 180) % 360 - 180, y) for x, y in line)
    (first_x, first_y), (last_x, last_y) = line[0], line[-1]
    share = (180 - last_x) / (first_x + 360 - last_x)
    edge = last_y + share * (first_y - last_y)
    pole = float(poles[0])
    ring = [(-180.0, pole), (-180.0, edge), *line, (180.0, edge), (180.0, pole)]
    latitudes = [y for _, y in ring]
    return Footprint(_polygon(_counterclockwise(ring)), (-180, min(latitudes), 180, max(latitudes)))


def _unwrap(sides: Sequence[Sequence[Point]]) -> list[list[Point]]:
    """Return the sides with longitudes that never jump: each is within 180 degrees of the one before it."""
    unwrapped: list[list[Point]] = []
    before: float | None = None
    for side in sides:
        unwrapped.append([])
        for x, y in side:
            before = x if before is None else x - 360 * round((x - before) / 360)
            unwrapped[-1].append((before, y))
    return unwrapped


def _corners(sides: list[list[Point]]) -> list[Point]:
    """Return the points of the outline, those between the ends of a side only if the side is curved."""
    ring: list[Point] = []
    for side in sides:
        (x0, y0), (x1, y1) = side[0], side[-1]
        length = math.hypot(x1 - x0, y1 - y0) or 1
        bend = max(abs((x1 - x0) * (y0 - y) - (x0 - x) * (y1 - y0)) / length for x, y in side)
        ring += side[:-1] if bend > _CURVE else side[:1]
    return ring


def _cut(ring: list[Point], *, keep_west: bool) -> list[Point]:
    """Cut a ring at the antimeridian (Sutherland and Hodgman, 1974)."""
    kept: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise([*ring, ring[0]]):
        inside0, inside1 = ((x <= 180) == keep_west for x in (x0, x1))
        if inside0:
            kept.append((x0, y0))
        if inside0 != inside1:
            kept.append((180.0, y0 + (180 - x0) / (x1 - x0) * (y1 - y0)))
    return kept


def _counterclockwise(ring: list[Point]) -> list[Point]:
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*ring, ring[0]]))
    return ring if area >= 0 else ring[::-1]


def _normalize(west: float, east: float) -> tuple[float, float]:
    """Shift longitudes by whole circles until the western one is between -180 and 180."""
    shift = -360 * math.floor((west + 180) / 360)
    shift -= 360 * (math.isclose(west + shift, 180, abs_tol=1e-9) and east > west)
    if east + shift > 180 and math.isclose(east + shift, 180, abs_tol=1e-6):
        east = 180 - shift
    return west + shift, east + shift


def _clamp(degrees: float, limit: float) -> float:
    """Clamp degrees that rounding put slightly beyond the limit."""
    return math.copysign(limit, degrees) if limit < abs(degrees) < limit + 1e-6 else degrees


def _box(west: float, south: float, east: float, north: float) -> Footprint:
    box = (west, south, east, north)
    if west == east and south == north:
        return Footprint({"type": "Point", "coordinates": [west, south]}, box)
    if west == east or south == north:
        return Footprint({"type": "LineString", "coordinates": [[west, south], [east, north]]}, box)
    return Footprint(_polygon(_ring(*box)), box)


def _ring(west: float, south: float, east: float, north: float) -> list[Point]:
    return [(west, south), (east, south), (east, north), (west, north)]


def _close(ring: list[Point]) -> list[list[float]]:
    return [[round(x, _DIGITS), round(y, _DIGITS)] for x, y in (*ring, ring[0])]


def _polygon(ring: list[Point]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [_close(ring)]}


def _multipolygon(rings: list[list[Point]]) -> dict[str, Any]:
    return {"type": "MultiPolygon", "coordinates": [[_close(ring)] for ring in rings]}
