"""Check that a value is GeoJSON (RFC 7946): its types, and the structure of its coordinates."""

from __future__ import annotations

import json
import math
from typing import Any

media_type = "application/geo+json"
types = (
    *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"),
    *("Feature", "FeatureCollection"),
)
_DEPTHS = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
"""How deep positions are nested in the coordinates of a geometry."""
_LEAST = {"LineString": 2, "MultiLineString": 2, "Polygon": 4, "MultiPolygon": 4}
"""Positions of a line, or of a ring, which has the first one again at its end."""
_DEEPEST = 10
"""Collections in collections, which RFC 7946 advises against."""


class GeoJsonError(ValueError):
    """A value is not GeoJSON; the message has the path to the fault."""


def parse_geojson(text: str) -> dict[str, Any]:
    """Parse and check the text of an object.

    Raises:
        GeoJsonError: the text is not GeoJSON.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise GeoJsonError("it is not valid JSON") from None
    check_geojson(value)
    assert isinstance(value, dict)  # noqa: S101 - for mypy; checked above
    return value


def check_geojson(value: Any, where: str = "", *, depth: int = 0) -> None:
    """Check an object of any type.

    Raises:
        GeoJsonError: the value is not GeoJSON.
    """
    kind = _kind(value, where, types)
    if kind == "Feature":
        _check_feature(value, where)
    elif kind == "FeatureCollection":
        for number, item in enumerate(_list(value, "features", where)):
            place = f"{where}features[{number}]."
            _kind(item, place, ("Feature",))
            _check_feature(item, place)
    else:
        _check_geometry(value, where, depth)


def _check_feature(value: dict[str, Any], where: str) -> None:
    if "geometry" not in value:
        raise GeoJsonError(f"{where}geometry is missing; write null for a feature without one")
    if value["geometry"] is not None:
        _check_geometry(value["geometry"], f"{where}geometry.", 0)
    if not isinstance(value.get("properties"), dict | None):
        raise GeoJsonError(f"{where}properties is not an object")


def _check_geometry(value: Any, where: str, depth: int) -> None:
    kind = _kind(value, where, types[:7])
    if kind != "GeometryCollection":
        if "coordinates" not in value:
            raise GeoJsonError(f"{where}coordinates is missing")
        _check_coordinates(value["coordinates"], f"{where}coordinates", kind, _DEPTHS[kind])
        return
    if depth == _DEEPEST:
        raise GeoJsonError(f"{where}geometries has more than {_DEEPEST} levels")
    for number, item in enumerate(_list(value, "geometries", where)):
        _check_geometry(item, f"{where}geometries[{number}].", depth + 1)


def _kind(value: Any, where: str, known: tuple[str, ...]) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in known:
        named = "" if kind is None else f" {str(kind)[:30]!r}"
        listed = known[0] if len(known) == 1 else f"one of {', '.join(known)}"
        raise GeoJsonError(f"{where}type{named} is not {listed}")
    return kind


def _list(value: dict[str, Any], name: str, where: str) -> list[Any]:
    items = value.get(name)
    if not isinstance(items, list):
        raise GeoJsonError(f"{where}{name} is not a list")
    return items


def _check_coordinates(value: Any, where: str, kind: str, depth: int) -> None:
    if not isinstance(value, list | tuple):
        raise GeoJsonError(f"{where} is not a list")
    if depth == 0:
        _check_position(value, where)
        return
    if depth == 1 and len(value) < _LEAST.get(kind, 0):
        raise GeoJsonError(f"{where} has {len(value)} positions; a {kind} needs {_LEAST[kind]}")
    for number, item in enumerate(value):
        _check_coordinates(item, f"{where}[{number}]", kind, depth - 1)
    if depth == 1 and kind.endswith("Polygon") and list(value[0]) != list(value[-1]):
        raise GeoJsonError(f"{where} is not closed: its last position is not its first")


def _check_position(value: list[Any] | tuple[Any, ...], where: str) -> None:
    if len(value) < 2 or not all(map(_is_finite, value)):
        raise GeoJsonError(f"{where} is not a position, which is [longitude, latitude]")


def _is_finite(item: Any) -> bool:
    if isinstance(item, bool):
        return False
    return isinstance(item, int) or (isinstance(item, float) and math.isfinite(item))
