"""Footprints without PROJ: geographic coordinates, UTM on WGS 84, and Web Mercator."""

from __future__ import annotations

import math

from generator.staging.stac.footprints import Footprint, Point, footprint_from_outline
from generator.staging.stac.formats.grids import Grid

_LIKE_WGS84 = {4326, 4979, 4258, 4269, 4617, 4674, 4167, 7844, 4283}
"""Geographic systems that differ from WGS 84 by a meter or two."""
_A, _F = 6378137.0, 1 / 298.257223563
_WIDEST_ZONE = 1_000_000
"""Meters from the central meridian up to which the series is exact."""


def footprint_of_known_grid(grid: Grid, code: int) -> Footprint | None:
    """Return the footprint of a raster in a system with this EPSG code; None if it needs PROJ."""
    sides = [[_to_degrees(x, y, code) for x, y in side] for side in grid.sides()]
    if any(point is None for side in sides for point in side):
        return None
    return footprint_from_outline([[point for point in side if point] for side in sides], ())


def _to_degrees(x: float, y: float, code: int) -> Point | None:
    if code in _LIKE_WGS84:
        return (x, y) if abs(x) <= 720 and abs(y) <= 90 + 1e-6 else None
    if code == 3857:
        return math.degrees(x / _A), math.degrees(2 * math.atan(math.exp(y / _A)) - math.pi / 2)
    zone, south = code % 100, code // 100 == 327
    if code // 100 in (326, 327) and 1 <= zone <= 60 and abs(x - 500_000) < _WIDEST_ZONE:
        return _from_utm(x, y - (10_000_000 if south else 0), zone)
    return None


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
