"""Arrays with names and attributes: what NetCDF, HDF5 and Zarr have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_VALUES = 2**22
"""Coordinates with more values are not read: these are data."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """An array of a file; ``data_type`` is numpy's name. ``read`` reads its values."""

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    data_type: str
    attributes: Mapping[str, Any]
    read: Callable[[], Any] = field(repr=False)

    def text(self, name: str) -> str:
        """Return an attribute of text, empty if it is missing or something else."""
        value = self.attributes.get(name)
        return value.strip() if isinstance(value, str) else ""

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.data_type.startswith(("int", "uint", "float"))

    def values(self) -> Any:
        """Return the values as float64, unpacked, with NaN for missing ones (CF Conventions, "Packed Data").

        Raises:
            ValueError: it has too many values, or values of another kind.
        """
        import math

        import numpy

        if not self.is_numeric or math.prod(self.shape) > _MOST_VALUES:
            raise ValueError(self.name)
        if not math.prod(self.shape):
            return numpy.empty(0)  # without looking for records, which can be billions
        raw = numpy.asarray(self.read())
        values = raw.astype("float64")
        for name in ("_FillValue", "missing_value"):
            for fill in numpy.atleast_1d(self.attributes.get(name, [])).ravel()[:8]:
                values[raw == fill] = numpy.nan
        scale, offset = (_number(self.attributes.get(name), default) for name, default in _PACKING)
        return values * scale + offset


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """The arrays of a file or of a group in it; dimensions have the length of their arrays."""

    variables: Mapping[str, Variable]
    attributes: Mapping[str, Any]


_PACKING = (("scale_factor", 1.0), ("add_offset", 0.0))


def _number(value: Any, default: float) -> float:
    import numpy

    if value is None:
        return default
    found = numpy.atleast_1d(value).ravel()
    return float(found[0]) if found.size == 1 else default


def plain_attribute(value: Any) -> Any:
    """Return an attribute as text, numbers or lists of them; None for other values."""
    import numpy

    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, numpy.ndarray | numpy.generic):
        if value.dtype.kind in "OSU" and value.size == 1:
            return plain_attribute(value.item())
        return value if value.dtype.kind in "iuf" else None
    return [plain_attribute(one) for one in value[:64]] if isinstance(value, list | tuple) else None
