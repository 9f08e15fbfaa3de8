"""Coordinate reference systems by PROJ: transformations to WGS 84, and the fields of the projection extension."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from generator.staging.stac.footprints import Footprint, Point, footprint_from_outline
from generator.staging.stac.formats.description import UnclearError
from generator.staging.stac.formats.grids import Grid
from generator.staging.stac.formats.known_projections import footprint_of_known_grid

_SAME_DEFINITION = 70
"""PROJ's confidence in a code of which only the name differs."""
_SIMILAR = 20
_SHARES = (0.1, 0.3, 0.6, 0.9)
_WGS84 = 4326
_INSET = 1e-6
"""Share of the image by which its outline is moved inwards: the very edge may be another side of the Earth."""


def grid_fields(grid: Grid) -> dict[str, Any]:
    """Return the fields of the projection extension that need no reference system."""
    return {
        "proj:shape": [grid.rows, grid.columns],
        "proj:transform": [*grid.affine],
        "proj:bbox": grid.bbox(),
    }


def crs_fields(crs: Any) -> dict[str, Any]:
    """Return the code of a reference system, or its definition where no authority has a code for it."""
    authority = _authority(crs)
    if authority:
        return {"proj:code": ":".join(authority)}
    return {"proj:code": None, "proj:wkt2": crs.to_wkt()}


def datacube_system(crs: Any) -> int | str:
    """Return a reference system as the datacube extension has it: an EPSG code, else WKT 2."""
    authority, code = _authority(crs) or ("", "")
    return int(code) if authority == "EPSG" else str(crs.to_wkt())


@lru_cache(maxsize=64)
def _authority(crs: Any) -> tuple[str, str] | None:
    """Return the authority's code of a reference system. PROJ compares it with thousands of others."""
    similar = crs.to_authority(min_confidence=_SIMILAR)
    if similar is None:
        return None
    found = crs.to_authority(min_confidence=_SAME_DEFINITION) or (similar if _agree(crs, similar) else None)
    return found and (found[0], found[1])


def _agree(crs: Any, code: tuple[str, str]) -> bool:
    """Check whether a reference system differs from the one with a code in the names and order of its axes alone."""
    import pyproj

    other = pyproj.CRS.from_authority(*code)
    if other.area_of_use is None or crs.datum is None or other.datum is None or crs.datum.name != other.datum.name:
        return False
    west, south, east, north = other.area_of_use.bounds
    xs = [west + share * (east - west) for share in _SHARES]
    ys = [south + share * (north - south) for share in _SHARES]
    ours, theirs = (
        pyproj.Transformer.from_crs(one.geodetic_crs, one, always_xy=True).transform(xs, ys) for one in (crs, other)
    )
    return all(map(partial(math.isclose, rel_tol=0, abs_tol=1e-3), [*ours[0], *ours[1]], [*theirs[0], *theirs[1]]))


def crs_from_text(text: object) -> Any:
    """Return pyproj's reference system for a code or a definition.

    Raises:
        UnclearError: PROJ does not know it.
    """
    import pyproj

    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError:
        raise UnclearError(f"PROJ does not know its reference system {str(text)[:80]!r}") from None


def crs_from_cf(attributes: Mapping[str, Any]) -> Any:
    """Return the reference system of a grid mapping (CF Conventions, "Grid Mappings").

    Raises:
        UnclearError: PROJ does not know it.
    """
    import pyproj

    try:
        return pyproj.CRS.from_cf(dict(attributes))
    except (pyproj.exceptions.CRSError, KeyError, TypeError, ValueError):
        name = attributes.get("grid_mapping_name", "without a name")
        raise UnclearError(f"its grid mapping {str(name)[:80]!r} is not one that PROJ knows") from None


def footprint_of_grid(grid: Grid, crs: Any) -> Footprint:
    """Return the footprint of a raster in any reference system.

    Raises:
        UnclearError: a part of the image is not on the Earth, or it is unclear which part of the Earth it shows.
    """
    import pyproj

    if crs.to_epsg() == _WGS84:
        found = footprint_of_known_grid(grid, _WGS84)
    else:
        to_degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        sides = [_transformed(side, to_degrees, grid, wraps=_is_in_degrees(crs)) for side in grid.sides(inset=_INSET)]
        found = footprint_from_outline(sides, [] if _is_in_degrees(crs) else list(_poles_within(grid, to_degrees)))
    if found is None:
        raise UnclearError("its outline on the Earth is ambiguous")
    return found


def _transformed(side: Sequence[Point], to_degrees: Any, grid: Grid, *, wraps: bool) -> list[Point]:
    """Transform points to degrees, and back, which shows those that are not on the Earth.

    ``wraps`` means that they are longitudes, which may differ by a whole circle.
    """
    xs, ys = zip(*side, strict=True)
    longitudes, latitudes = to_degrees.transform(xs, ys)
    if wraps:
        return list(zip(longitudes, latitudes, strict=True))
    back = zip(*to_degrees.transform(longitudes, latitudes, direction="INVERSE"), strict=True)
    for point, again in zip(side, back, strict=True):
        there, here = grid.place_of(*point), grid.place_of(*again)
        if not math.isclose(math.dist(there, here), 0, abs_tol=1e-3 * max(grid.columns, grid.rows)):
            raise UnclearError("a part of the image is not on the Earth")
    return list(zip(longitudes, latitudes, strict=True))


def _poles_within(grid: Grid, to_degrees: Any) -> Iterator[int]:
    for pole in (90, -90):
        x, y = to_degrees.transform(0, pole, direction="INVERSE")
        if math.isfinite(x) and math.isfinite(y):
            column, row = grid.place_of(x, y)
            if _is_within(column / grid.columns) and _is_within(row / grid.rows):
                yield pole


def _is_within(share: float) -> bool:
    return _INSET < share < 1 - _INSET


def _is_in_degrees(crs: Any) -> bool:
    """Whether coordinates are longitude and latitude, not those of a rotated pole."""
    return bool(crs.is_geographic and not crs.is_derived)
