"""Values of pixels, in the words of STAC 1.1 (common metadata, "Data Values")."""

from __future__ import annotations

import math

_DATA_TYPES = frozenset("int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split())


def spell_data_type(name: str) -> str:
    """Return STAC's name for a data type of numpy."""
    return name if name in _DATA_TYPES else "other"


def spell_nodata(value: float) -> float | int | str:
    """Return a value that means "no data": a number, or the name of one that JSON lacks."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return int(value) if value.is_integer() else value
