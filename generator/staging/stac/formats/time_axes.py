"""The first and last time of arrays (CF Conventions, "Time Coordinate")."""

from __future__ import annotations

from generator.staging.stac.formats.arrays import Group, Variable
from generator.staging.stac.formats.axes import TIME, axis_kind
from generator.staging.stac.formats.times import decode_cf_time


def find_times(group: Group) -> tuple[str, str]:
    """Return the first and last time of a group's arrays, two empty texts if it has no times.

    Raises:
        UnclearError: the times cannot be decoded.
    """
    found = sorted(
        (one for one in group.variables.values() if axis_kind(one) == TIME and len(one.shape) <= 1), key=_rank
    )
    if not found:
        return "", ""
    return _span(found[0], group)


def _rank(one: Variable) -> tuple[bool, ...]:
    """Return a key that sorts the data's own time first, before those of a model's start."""
    return (
        one.dimensions != (one.name,) and one.name != "time",
        one.text("standard_name") not in ("time", ""),
        one.text("axis").upper() != "T",
    )


def _span(one: Variable, group: Group) -> tuple[str, str]:
    import numpy

    bounds = group.variables.get(one.text("bounds") or one.text("climatology"))
    source = bounds if bounds is not None and bounds.is_numeric and bounds.shape == (*one.shape, 2) else one
    values = source.values()
    values = values[numpy.isfinite(values)]
    if not values.size:
        return "", ""
    units, calendar = one.text("units"), one.text("calendar") or "standard"
    return decode_cf_time(float(values.min()), units, calendar), decode_cf_time(float(values.max()), units, calendar)
