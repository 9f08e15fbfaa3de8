"""Fields of STAC's datacube extension (v2.2.0), and bands, for the arrays of a group."""

from __future__ import annotations

import math
from typing import Any

from generator.staging.stac.formats.arrays import Group, Variable
from generator.staging.stac.formats.axes import LATITUDE, LONGITUDE, TIME, X, Y, Z, data_variables, dimension_kinds
from generator.staging.stac.formats.crs import datacube_system
from generator.staging.stac.formats.values import spell_data_type, spell_nodata

_SPATIAL = {LONGITUDE: "x", X: "x", LATITUDE: "y", Y: "y"}
_MOST = 200
_LONGEST = 500


def cube_of(group: Group, crs: Any, times: tuple[str, str]) -> dict[str, Any]:
    """Return the dimensions and variables; nothing for arrays without dimensions, such as a table of points."""
    data = data_variables(group)[:_MOST]
    sizes = {name: size for one in data for name, size in zip(one.dimensions, one.shape, strict=True)}
    kinds = dimension_kinds(group)
    if not any(kinds.values()):
        return {}
    dimensions = {name: _dimension(group.variables.get(name), kinds.get(name, ""), size, crs, times)
                  for name, size in sizes.items()}  # fmt: skip
    found = {name: one for name, one in dimensions.items() if one}
    if not found:
        return {}
    variables = {one.name: _variable(one) for one in data if set(one.dimensions) <= set(found)}
    return {"cube:dimensions": found, **({"cube:variables": variables} if variables else {})}


def bands_of(group: Group) -> list[dict[str, Any]]:
    """Return a band for each variable with data (STAC 1.1, common metadata)."""
    return [_band(one) for one in data_variables(group)[:_MOST]]


def _dimension(coordinate: Variable | None, kind: str, size: int, crs: Any, times: tuple[str, str]) -> dict[str, Any]:
    if coordinate is None or coordinate.dimensions != (coordinate.name,) or not coordinate.is_numeric:
        return {"type": "other", "extent": [0, size - 1]}
    if kind == TIME:
        return {"type": "temporal", "extent": list(times)} if all(times) else {}
    values = [float(one) for one in coordinate.values().tolist()]
    if not values or not all(map(math.isfinite, values)):
        return {}
    extent, unit = [min(values), max(values)], coordinate.text("units")[:_LONGEST]
    if kind in _SPATIAL:
        return {"type": "spatial", "axis": _SPATIAL[kind], "extent": extent, **_system(crs)}
    shared = {"extent": extent, **({"unit": unit} if unit else {})}
    return {"type": "spatial", "axis": "z", **shared} if kind == Z else {"type": "other", **shared}


def _system(crs: Any) -> dict[str, Any]:
    """Return the reference system of a dimension; STAC's default is WGS 84."""
    return {"reference_system": datacube_system(crs)} if crs is not None else {}


def _variable(one: Variable) -> dict[str, Any]:
    fields: dict[str, Any] = {"variable_type": "data", "dimensions": list(one.dimensions)}
    return {**fields, **_texts(one)}


def _band(one: Variable) -> dict[str, Any]:
    band: dict[str, Any] = {"name": one.name, "data_type": spell_data_type(one.data_type)}
    nodata = _nodata(one)
    return {**band, **({} if nodata is None else {"nodata": nodata}), **_texts(one)}


def _texts(one: Variable) -> dict[str, str]:
    texts = {"description": one.text("long_name") or one.text("standard_name"), "unit": one.text("units")}
    return {name: text[:_LONGEST] for name, text in texts.items() if text}


def _nodata(one: Variable) -> float | int | str | None:
    """Return the value without data as STAC has it: a number, or the name of one that JSON lacks."""
    import numpy

    found = numpy.atleast_1d(one.attributes.get("_FillValue", [])).ravel()
    if found.size != 1 or found.dtype.kind not in "iuf":
        return None
    return spell_nodata(float(found[0]))
