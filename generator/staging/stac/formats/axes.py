"""Coordinates of arrays: longitudes, latitudes, times, and the axes of projections (CF Conventions)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from generator.staging.stac.formats.arrays import Group, Variable
from generator.staging.stac.formats.description import UnclearError

LONGITUDE, LATITUDE, X, Y, Z, TIME = "longitude", "latitude", "x", "y", "z", "time"
_UNITS = {
    LONGITUDE: {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"},
    LATITUDE: {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"},
}
_STANDARD_NAMES = {
    "longitude": LONGITUDE,
    "latitude": LATITUDE,
    "projection_x_coordinate": X,
    "projection_x_angular_coordinate": X,
    "grid_longitude": X,
    "projection_y_coordinate": Y,
    "projection_y_angular_coordinate": Y,
    "grid_latitude": Y,
    "time": TIME,
    "height": Z,
    "altitude": Z,
    "depth": Z,
    "air_pressure": Z,
}
_NAMES = {"lon": LONGITUDE, "longitude": LONGITUDE, "lat": LATITUDE, "latitude": LATITUDE, "x": X, "y": Y}
"""Names that count without attributes, as many programs write coordinates."""
_AXES = {"X": X, "Y": Y, "Z": Z, "T": TIME}


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """A coordinate with one dimension: its values, the outer edges of its first and last cell, and a regular step."""

    variable: Variable
    values: Any
    first: float
    last: float
    step: float | None

    @property
    def low(self) -> float:
        """The smaller edge."""
        return min(self.first, self.last)

    @property
    def high(self) -> float:
        """The larger edge."""
        return max(self.first, self.last)


def axis_kind(one: Variable) -> str:
    """Return what a coordinate is, empty if unknown."""
    units = one.text("units").lower()
    if re.match(r"[a-z]+ since ", units):
        return "" if one.text("standard_name") == "forecast_reference_time" else TIME
    for kind, known in _UNITS.items():
        if units in known and not one.text("standard_name").startswith("grid_"):
            return kind
    by_name = _STANDARD_NAMES.get(one.text("standard_name")) or _AXES.get(one.text("axis").upper())
    return by_name or ("" if units.startswith("degrees_") else _NAMES.get(one.name.lower(), ""))


def coordinate_names(group: Group) -> set[str]:
    """Return the names of variables that describe others: coordinates, their bounds, grid mappings."""
    found = {name for name, one in group.variables.items() if one.dimensions in ((name,), ())}
    for one in group.variables.values():
        for attribute in (
            "coordinates",
            "bounds",
            "climatology",
            "grid_mapping",
            "ancillary_variables",
            "cell_measures",
        ):
            found |= {word.rstrip(":") for word in one.text(attribute).split()}
    return found | {name for name, one in group.variables.items() if axis_kind(one) in (LONGITUDE, LATITUDE)}


def data_variables(group: Group) -> list[Variable]:
    """Return the variables with data."""
    described = coordinate_names(group)
    return [one for name, one in group.variables.items() if name not in described and one.dimensions]


def dimension_kinds(group: Group) -> dict[str, str]:
    """Return the kinds of the dimensions that have coordinates."""
    own = {name: one for name, one in group.variables.items() if one.dimensions == (name,)}
    return {name: kind for name, one in own.items() if (kind := axis_kind(one))}


def horizontal_pairs(group: Group) -> set[tuple[str, str]]:
    """Return the pairs of dimensions, such as longitude and latitude, that variables are on."""
    kinds = dimension_kinds(group)
    used = [one.dimensions for one in data_variables(group)] or [tuple(kinds)]
    return {pair for dimensions in used for pair in _pairs(dimensions, kinds)}


def _pairs(dimensions: tuple[str, ...], kinds: dict[str, str]) -> Iterator[tuple[str, str]]:
    for across, up in ((LONGITUDE, LATITUDE), (X, Y)):
        found = [[name for name in dimensions if kinds.get(name) == kind] for kind in (across, up)]
        if all(len(names) == 1 for names in found):
            yield found[0][0], found[1][0]


def read_axis(name: str, group: Group) -> Axis:
    """Read a coordinate with one dimension.

    Raises:
        UnclearError: its values are not in order, or one is missing.
    """
    import numpy

    variable = group.variables[name]
    values = variable.values()
    steps = numpy.diff(values)
    if not values.size or not numpy.isfinite(values).all() or not ((steps > 0).all() or (steps < 0).all()):
        raise UnclearError(f"the values of {name!r} are not in order")
    regular = values.size > 1 and bool(numpy.allclose(steps, steps.mean(), rtol=0.01, atol=0))
    edges = _bounds(variable, group)
    if edges is None:
        half = (steps[0] / 2, steps[-1] / 2) if values.size > 1 else (0.0, 0.0)
        edges = (float(values[0] - half[0]), float(values[-1] + half[1]))
    step = (edges[1] - edges[0]) / values.size if regular else None
    return Axis(variable=variable, values=values, first=edges[0], last=edges[1], step=step)


def _bounds(variable: Variable, group: Group) -> tuple[float, float] | None:
    """Return the outer edges that a variable of bounds states, in the order of the values (CF, "Cell Boundaries")."""
    import numpy

    bounds = group.variables.get(variable.text("bounds"))
    if bounds is None or bounds.shape != (*variable.shape, 2):
        return None
    found = bounds.values()
    if not numpy.isfinite(found).all():
        return None
    low, high = float(found.min()), float(found.max())
    values = variable.values()
    return (low, high) if values[0] <= values[-1] else (high, low)
