"""gnuplot: numbers, strings and one-dimensional arrays; booleans are 1 and 0, and null is NaN.

Strings have single quotes, because gnuplot runs text between backquotes in double-quoted ones.
"""

from __future__ import annotations

import math
import re
from typing import Any

from generator.runner.document.translators.base import (
    CONTROL,
    Translator,
    UnwritableError,
    bytes_of,
    is_exact_double,
    octal_bytes,
)

_LONGEST = 4000
"""Bytes of a statement; gnuplot's kernel loses the rest in silence."""
_ESCAPED = re.compile(f"((?:{CONTROL.pattern})+'*|^'+|'{{2,}})")
"""What needs octal escapes; gnuplot 5.4 misreads a doubled quote at the beginning of a string, and two in a row."""


class _Gnuplot(Translator):
    def assign(self, name: str, literal: str) -> str:
        items = re.match(r"\[(\d+)\] = ", literal)
        statement = f"array {name}{literal}" if items else f"{name} = {literal}"
        if len(bytes_of(statement)) > _LONGEST:
            raise UnwritableError(f"a statement can have at most {_LONGEST} bytes")
        return statement

    def none(self) -> str:
        return "NaN"

    def boolean(self, value: bool) -> str:  # noqa: FBT001 - the value itself
        return "1" if value else "0"

    def integer(self, value: int) -> str:
        if -(2**63) < value < 2**63:
            return str(value)
        if is_exact_double(value):
            return repr(float(value))
        raise UnwritableError(f"{value} needs more than 64 bits")

    def not_finite(self, value: float) -> str:
        return "NaN" if math.isnan(value) else "1e308*10" if value > 0 else "-1e308*10"

    def text(self, value: str) -> str:
        if "\0" in value:
            raise UnwritableError("a string has no character 0")
        parts = re.split(_ESCAPED, value)
        quoted = [f'"{octal_bytes(part)}"' if odd % 2 else _quote(part) for odd, part in enumerate(parts)]
        return ".".join(part for part in quoted if part != "''") or "''"

    def sequence(self, values: list[Any]) -> str:
        if not values:
            raise UnwritableError("there is no empty array")
        if any(isinstance(value, list | tuple) for value in values):
            raise UnwritableError("there are no arrays of arrays")
        return f"[{len(values)}] = [" + ", ".join(map(self.translate, values)) + "]"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


translator = _Gnuplot()
