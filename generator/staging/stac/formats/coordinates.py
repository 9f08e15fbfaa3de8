"""Where the arrays of a file are: on a grid of a reference system, along a swath, at points, or as attributes say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.staging.stac.footprints import (
    Footprint,
    footprint_from_box,
    footprint_from_outline,
    footprint_from_points,
)
from generator.staging.stac.formats import crs as projections
from generator.staging.stac.formats.arrays import Group, Variable
from generator.staging.stac.formats.axes import (
    LATITUDE,
    LONGITUDE,
    Axis,
    axis_kind,
    data_variables,
    dimension_kinds,
    horizontal_pairs,
    read_axis,
)
from generator.staging.stac.formats.description import UnclearError
from generator.staging.stac.formats.grids import Grid

_PER_SIDE = 64
_METERS = {"m": 1, "meter": 1, "meters": 1, "metre": 1, "metres": 1, "km": 1000, "kilometer": 1000, "kilometers": 1000}
_METERS |= {"kilometre": 1000, "kilometres": 1000}
_RADIANS = {"rad", "radian", "radians"}
_DEGREES = {"degree", "degrees", "degrees_east", "degrees_north", "degree_east", "degree_north"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where data are: their footprint, their fields of the projection extension, and their reference system."""

    footprint: Footprint
    projection: Mapping[str, Any]
    crs: Any = None


def find_place(group: Group) -> Place | None:
    """Return where the arrays of a group are, None if it has no horizontal coordinates.

    Raises:
        UnclearError: it has coordinates that do not say where on the Earth they are.
    """
    pairs = horizontal_pairs(group)
    if pairs:
        return _place_of_axes(group, pairs)
    return _place_of_positions(group)


def _place_of_axes(group: Group, pairs: set[tuple[str, str]]) -> Place:
    axes = [(read_axis(x, group), read_axis(y, group)) for x, y in sorted(pairs)]
    crs = _find_crs(group)
    kinds = dimension_kinds(group)
    if all(kinds[x] == LONGITUDE for x, _ in pairs) and (crs is None or not crs.is_geographic):
        return _in_degrees(axes)
    if crs is None:
        raise UnclearError("its axes are those of a projection that no grid mapping describes")
    scale = [(_scale(x.variable, group, crs), _scale(y.variable, group, crs)) for x, y in axes]
    grids = [_grid(x, y, *factors) for (x, y), factors in zip(axes, scale, strict=True)]
    found = projections.footprint_of_grid(_around(grids), crs)
    fields = projections.grid_fields(grids[0]) if len(grids) == 1 and _is_regular(axes[0]) else {}
    return Place(footprint=found, projection={**projections.crs_fields(crs), **fields}, crs=crs)


def _in_degrees(axes: list[tuple[Axis, Axis]]) -> Place:
    """Return the place of longitudes and latitudes without a reference system (CF: the Earth's figure is unknown)."""
    west, east = min(x.low for x, _ in axes), max(x.high for x, _ in axes)
    south, north = _clamp(min(y.low for _, y in axes), axes), _clamp(max(y.high for _, y in axes), axes)
    found = footprint_from_box(west, south, east, north)
    if found is None:
        raise UnclearError("its longitudes and latitudes are not on the Earth")
    fields = projections.grid_fields(_grid(*axes[0], 1, 1)) if len(axes) == 1 and _is_regular(axes[0]) else {}
    return Place(footprint=found, projection={"proj:code": None, **fields} if fields else {})


def _clamp(latitude: float, axes: list[tuple[Axis, Axis]]) -> float:
    """Clamp an edge of a cell whose center is at a pole."""
    half = max(abs(y.step or 0) for _, y in axes) / 2
    return math.copysign(90, latitude) if 90 < abs(latitude) <= 90 + half + 1e-6 else latitude


def _is_regular(axes: tuple[Axis, Axis]) -> bool:
    return all(axis.step is not None for axis in axes)


def _grid(x: Axis, y: Axis, scale_x: float, scale_y: float) -> Grid:
    columns, rows = len(x.values), len(y.values)
    width, height = (x.last - x.first) * scale_x / columns, (y.last - y.first) * scale_y / rows
    grid = Grid(columns=columns, rows=rows, affine=(width, 0.0, x.first * scale_x, 0.0, height, y.first * scale_y))
    if not grid.is_valid():
        raise UnclearError("its axes have one value each, and no bounds")
    return grid


def _around(grids: list[Grid]) -> Grid:
    """Return a grid with the extent of several, such as those of staggered variables."""
    if len(grids) == 1:
        return grids[0]
    boxes = list(zip(*(grid.bbox() for grid in grids), strict=True))
    west, south, east, north = min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])
    size = max(max(grid.columns, grid.rows) for grid in grids)
    affine = ((east - west) / size, 0.0, west, 0.0, (south - north) / size, north)
    return Grid(columns=size, rows=size, affine=affine)


def _find_crs(group: Group) -> Any:
    """Return the reference system that the variables name, None if they name none.

    Raises:
        UnclearError: PROJ does not know it, or they name several.
    """
    names = {words[0].rstrip(":") for one in data_variables(group) if (words := one.text("grid_mapping").split())}
    mappings = [group.variables[name] for name in sorted(names) if name in group.variables]
    described = [
        one for one in group.variables.values() if {"crs_wkt", "spatial_ref", "grid_mapping_name"} & {*one.attributes}
    ]
    found = mappings or described
    systems = [_read_crs(one) for one in found]
    if any(one != systems[0] for one in systems[1:]):
        raise UnclearError("its variables are in several reference systems")
    return systems[0] if systems else None


def _read_crs(mapping: Variable) -> Any:
    text = mapping.text("crs_wkt") or mapping.text("spatial_ref")
    return projections.crs_from_text(text) if text else projections.crs_from_cf(_plain(mapping.attributes))


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with plain numbers."""
    return {name: _plain_value(value) for name, value in attributes.items()}


def _plain_value(value: Any) -> Any:
    values = value.tolist() if hasattr(value, "tolist") else value
    return values[0] if isinstance(values, list) and len(values) == 1 else values


def _scale(axis: Variable, group: Group, crs: Any) -> float:
    """Return the factor from the unit of an axis to the unit of the reference system.

    Raises:
        UnclearError: the unit is unknown.
    """
    units = axis.text("units").lower()
    if not units or (crs.is_geographic and units in _DEGREES):
        return 1.0
    meters: float | None = _METERS.get(units)
    if units in _RADIANS:
        heights = [one.attributes.get("perspective_point_height") for one in group.variables.values()]
        meters = next((float(_plain_value(height)) for height in heights if height is not None), None)
    own = crs.axis_info[0]
    if units == own.unit_name.lower():
        return 1.0
    if meters is None or crs.is_geographic:
        raise UnclearError(f"the unit {units[:40]!r} of {axis.name!r} is unknown")
    return meters / float(own.unit_conversion_factor)


def _place_of_positions(group: Group) -> Place | None:
    """Return the place of a swath, of points, or of a single one."""
    found: dict[str, list[Variable]] = {LONGITUDE: [], LATITUDE: []}
    for one in group.variables.values():
        if axis_kind(one) in found and one.is_numeric:
            found[axis_kind(one)].append(one)
    if [len(one) for one in found.values()] != [1, 1]:
        return None
    longitude, latitude = found[LONGITUDE][0], found[LATITUDE][0]
    if longitude.dimensions != latitude.dimensions or len(longitude.dimensions) > 2:
        return None
    if len(longitude.dimensions) == 2:
        return _place_of_swath(longitude, latitude)
    points = _finite(longitude, latitude)
    footprint = footprint_from_points(points) if points else None
    if footprint is None:
        raise UnclearError("its longitudes and latitudes are not on the Earth")
    return Place(footprint=footprint, projection={})


def _finite(longitude: Variable, latitude: Variable) -> list[tuple[float, float]]:
    pairs = zip(longitude.values().ravel().tolist(), latitude.values().ravel().tolist(), strict=True)
    return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def _place_of_swath(longitude: Variable, latitude: Variable) -> Place:
    """Return the place of an image with a longitude and latitude for each pixel: the line around its outer pixels."""
    import numpy

    rows, columns = longitude.shape
    across = numpy.unique(numpy.linspace(0, columns - 1, min(columns, _PER_SIDE)).astype(int))
    down = numpy.unique(numpy.linspace(0, rows - 1, min(rows, _PER_SIDE)).astype(int))
    grid = numpy.stack([longitude.values(), latitude.values()], axis=-1)
    lines = [grid[down, 0], grid[-1, across], grid[down[::-1], -1], grid[0, across[::-1]]]
    sides = [[(float(x), float(y)) for x, y in line] for line in lines]
    if not all(math.isfinite(x) and math.isfinite(y) for side in sides for x, y in side):
        raise UnclearError("longitudes or latitudes at its edge are missing")
    pole = 90 if numpy.nanmean(grid[..., 1]) > 0 else -90
    found = footprint_from_outline(sides, ()) or footprint_from_outline(sides, (pole,))
    if found is None or _is_flat(found):
        raise UnclearError("its outline on the Earth is ambiguous")
    return Place(footprint=found, projection={"proj:code": None, "proj:shape": [rows, columns]})


def _is_flat(footprint: Footprint) -> bool:
    """Whether an outline has no area, as that of coordinates that are all the same, such as zero for missing ones."""
    west, south, east, north = footprint.bbox
    return west == east or south == north


def place_of_attributes(attributes: Mapping[str, Any]) -> Place | None:
    """Return the place that ``geospatial_lat_min`` and the like state (ACDD 1.3)."""
    names = [f"geospatial_{axis}_{end}" for end in ("min", "max") for axis in ("lon", "lat")]
    try:
        west, south, east, north = (float(_plain_value(attributes[name])) for name in names)
    except (KeyError, TypeError, ValueError):
        return None
    found = footprint_from_box(west, south, east + 360 if east < west else east, north)
    return Place(footprint=found, projection={}) if found else None
