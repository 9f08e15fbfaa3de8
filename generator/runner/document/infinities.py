"""Infinite numbers and NaN in the languages in which papermill writes Python's ``inf`` and ``nan``."""

from __future__ import annotations

import math
from typing import Any

_words = {
    "RTranslator": ("Inf", "-Inf", "NaN"),
    "JuliaTranslator": ("Inf", "-Inf", "NaN"),
    "ScalaTranslator": ("Double.PositiveInfinity", "Double.NegativeInfinity", "Double.NaN"),
    "CSharpTranslator": ("double.PositiveInfinity", "double.NegativeInfinity", "double.NaN"),
    "FSharpTranslator": ("infinity", "-infinity", "nan"),
}
"""Infinity, minus infinity and NaN, by papermill's class."""


def write_infinities(translator: Any) -> Any:
    """Return a translator of papermill that writes infinite numbers and NaN in its language."""
    words = _words.get(getattr(translator, "__name__", ""))
    if words is None:
        return translator

    def translate_float(_cls: Any, value: float) -> str:
        if math.isfinite(value):
            return str(translator.translate_float(value))
        return words[2] if math.isnan(value) else words[value < 0]

    return type(translator.__name__, (translator,), {"translate_float": classmethod(translate_float)})
