"""The reference system in the keys of a GeoTIFF (OGC 19-008r4): a code, or a projection and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.staging.stac.formats import tiff
from generator.staging.stac.formats.crs import crs_from_text
from generator.staging.stac.formats.description import UnclearError
from generator.staging.stac.formats.tiff import Directory

Keys = Mapping[int, Any]

MODEL, RASTER, PIXEL_IS_POINT = 1024, 1025, 2
_GEOGRAPHIC, _DATUM, _ANGULAR_UNIT, _ELLIPSOID, _AXIS, _SECOND_AXIS, _FLATTENING = (
    2048,
    2050,
    2054,
    2056,
    2057,
    2058,
    2059,
)
_PROJECTED, _CITATION, _METHOD, _LINEAR_UNIT = 3072, 3073, 3075, 3076
_IS_PROJECTED, _IS_GEOGRAPHIC = 1, 2
_DEGREE, _USER_DEFINED = 9102, 32767
_UNITS = {9001: ("", 1.0), 9002: ("_FT", 0.3048), 9003: ("_US_FT", 1200 / 3937)}
"""Linear units: the ending of pyproj's name for axes in them, and meters."""
_PE_STRING = "ESRI PE String = "

_PARAMETERS = {
    3078: "lat_1", 3079: "lat_2", 3080: "lon_0", 3081: "lat_0", 3082: "x_0", 3083: "y_0", 3084: "lon_0",
    3085: "lat_0", 3086: "x_0", 3087: "y_0", 3088: "lon_0", 3089: "lat_0", 3090: "x_0", 3091: "y_0", 3092: "k_0",
    3093: "k_0", 3095: "lon_0",
}  # fmt: skip
"""PROJ's parameters by key."""
_METHODS = {
    1: "tmerc", 7: "merc", 8: "lcc", 9: "lcc", 10: "laea", 11: "aea", 12: "aeqd", 14: "stere", 15: "stere",
    16: "sterea", 17: "eqc", 18: "cass", 21: "ortho", 22: "poly", 24: "sinu", 28: "cea",
}  # fmt: skip
"""PROJ's projections by coordinate transformation code."""
_ONE_PARALLEL, _POLAR = 9, 15
_TRUE_SCALE = frozenset(("merc", "eqc", "cea"))
"""Projections whose standard parallel PROJ calls the latitude of true scale."""


def read_keys(main: Directory) -> dict[int, Any]:
    """Return the values of the keys: numbers and texts."""
    entries = main.tags.get(tiff.GEO_KEYS, ())
    doubles, text = main.tags.get(tiff.GEO_DOUBLES, ()), main.first(tiff.GEO_TEXT, b"")
    found: dict[int, Any] = {}
    for index in range(4, len(entries) - 3, 4):
        key, place, count, value = entries[index : index + 4]
        if place == 0:
            found[key] = value
        elif place == tiff.GEO_DOUBLES and value < len(doubles):
            found[key] = doubles[value]
        elif place == tiff.GEO_TEXT:
            found[key] = text[value : value + count].decode("latin-1").rstrip("|\0")
    return found


def code_of(keys: Keys) -> int | None:
    """Return the EPSG code of the reference system, None if it has none."""
    name = {_IS_PROJECTED: _PROJECTED, _IS_GEOGRAPHIC: _GEOGRAPHIC}.get(keys.get(MODEL, 0), 0)
    return _known(keys.get(name))


def read_crs(keys: Keys) -> Any:
    """Return the reference system.

    Raises:
        UnclearError: the keys define none that PROJ knows.
    """
    if code := code_of(keys):
        return crs_from_text(f"EPSG:{code}")
    citation = str(keys.get(_CITATION, ""))
    if citation.startswith(_PE_STRING):
        return crs_from_text(citation.removeprefix(_PE_STRING))
    if keys.get(MODEL) == _IS_GEOGRAPHIC:
        return _base(keys)
    return _projected(keys)


def _projected(keys: Keys) -> Any:
    import pyproj

    axes, meters = _UNITS.get(keys.get(_LINEAR_UNIT, 9001), ("", 0.0))
    method = _METHODS.get(keys.get(_METHOD, 0))
    if method is None or not meters or keys.get(_ANGULAR_UNIT, _DEGREE) != _DEGREE:
        raise UnclearError("its reference system has no EPSG code, and a projection or units that are not known")
    base = _base(keys)
    ellipsoid = {"a": base.ellipsoid.semi_major_metre, "b": base.ellipsoid.semi_minor_metre}
    try:
        shape = pyproj.CRS.from_dict({"proj": method, **_parameters(keys, method, meters), **ellipsoid})
    except pyproj.exceptions.CRSError:
        raise UnclearError("its reference system has parameters that PROJ refuses") from None
    from pyproj.crs.coordinate_system import Cartesian2DCS
    from pyproj.crs.enums import Cartesian2DCSAxis

    system = Cartesian2DCS(axis=Cartesian2DCSAxis[f"EASTING_NORTHING{axes}"])
    return pyproj.crs.ProjectedCRS(shape.coordinate_operation, geodetic_crs=base, cartesian_cs=system)


def _parameters(keys: Keys, method: str, meters: float) -> dict[str, float]:
    found = {name: float(keys[key]) for key, name in _PARAMETERS.items() if key in keys}
    for name in ("x_0", "y_0"):
        found[name] = found.get(name, 0.0) * meters
    if method in _TRUE_SCALE and "lat_1" in found:
        found["lat_ts"] = found.pop("lat_1")
    if keys[_METHOD] == _ONE_PARALLEL:
        found["lat_1"] = found.get("lat_0", 0.0)
    if keys[_METHOD] == _POLAR:
        parallel = found.get("lat_0", 90.0)
        found["lat_0"] = 90.0 if parallel > 0 else -90.0
        if abs(parallel) < 90:
            found["lat_ts"] = parallel
            found.pop("k_0", None)
    return found


def _base(keys: Keys) -> Any:
    """Return the geographic reference system: by its code, its datum's, or its ellipsoid."""
    import pyproj
    from pyproj.crs.datum import CustomDatum, CustomEllipsoid

    if code := _known(keys.get(_GEOGRAPHIC)):
        return crs_from_text(f"EPSG:{code}")
    try:
        if code := _known(keys.get(_DATUM)):
            return pyproj.crs.GeographicCRS(datum=pyproj.crs.Datum.from_epsg(code))
        if code := _known(keys.get(_ELLIPSOID)):
            ellipsoid = pyproj.crs.Ellipsoid.from_epsg(code)
        else:
            ellipsoid = CustomEllipsoid(
                semi_major_axis=keys.get(_AXIS),
                semi_minor_axis=_second_axis(keys),
                inverse_flattening=keys.get(_FLATTENING),
            )
        return pyproj.crs.GeographicCRS(datum=CustomDatum(ellipsoid=ellipsoid))
    except (pyproj.exceptions.CRSError, ValueError, TypeError):
        raise UnclearError("its reference system has no EPSG code, and no datum or ellipsoid that PROJ knows") from None


def _second_axis(keys: Keys) -> float | None:
    if keys.get(_FLATTENING):
        return None
    return keys.get(_SECOND_AXIS) or keys.get(_AXIS)  # a sphere has no flattening


def _known(code: Any) -> int | None:
    return code if isinstance(code, int) and 1024 <= code < _USER_DEFINED else None
