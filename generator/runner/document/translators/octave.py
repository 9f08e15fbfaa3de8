"""Octave: numbers as matrices, other lists as cell arrays, dictionaries as ``containers.Map``.

Every line stays short: Octave's kernel sends lines through a terminal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import (
    CONTROL,
    Translator,
    UnwritableError,
    fold,
    is_exact_double,
    octal_bytes,
    pieces,
)


class _Octave(Translator):
    line_end = ";"

    def none(self) -> str:
        return "NaN"  # papermill's choice for MATLAB

    def integer(self, value: int) -> str:
        """Write an integer that a double cannot hold as a hexadecimal int64 or uint64, which is not rounded."""
        if is_exact_double(value):
            return str(value)
        if -(2**63) <= value < 2**63:
            return f"{'-' if value < 0 else ''}0x{abs(value):016x}s64"
        if 0 <= value < 2**64:
            return f"0x{value:016x}u64"
        raise UnwritableError(f"{value} needs more than 64 bits")

    def not_finite(self, value: float) -> str:
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"

    def text(self, value: str) -> str:
        parts = [_escape(part) if CONTROL.search(value) else _quote(part) for part in pieces(value)]
        return parts[0] if len(parts) == 1 else "[" + ", ...\n".join(parts) + "]"

    def sequence(self, values: list[Any]) -> str:
        items = fold(map(self.translate, values), ", ", ", ...\n")
        return f"[{items}]" if _is_matrix(values) else f"{{{items}}}"

    def mapping(self, values: Mapping[str, Any]) -> str:
        if not values:
            return "containers.Map()"
        if "" in values:
            raise UnwritableError("containers.Map has no empty key")
        keys = fold(map(self.text, values), ", ", ", ...\n")
        items = fold(map(self.translate, values.values()), ", ", ", ...\n")
        return f"containers.Map({{{keys}}}, {{{items}}}, 'UniformValues', false)"


def _is_matrix(values: list[Any]) -> bool:
    """Return whether all values are numbers that doubles hold, or all are booleans; null is NaN among numbers."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return None not in values
    return bool(kinds) and kinds <= {int, float} and all(type(v) is not int or is_exact_double(v) for v in values)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _escape(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + CONTROL.sub(lambda match: octal_bytes(match[0]), plain) + '"'


translator = _Octave()
