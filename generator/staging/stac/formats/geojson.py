"""GeoJSON (RFC 7946)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generator.staging.stac.footprints import Footprint, footprint_from_box
from generator.staging.stac.formats.description import Description

_LARGEST_GEOJSON = 16 * 1024**2
"""Larger files are not read: parsing takes many times their size in memory."""


def describe(path: Path) -> Description | None:
    """Describe a GeoJSON file; None for other JSON, or coordinates in another system than WGS 84."""
    try:
        found = _read(path)
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return Description(footprint=found) if found else None


def _read(path: Path) -> Footprint | None:
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
