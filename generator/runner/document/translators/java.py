"""Java, as JShell reads it: lists by ``Arrays.asList``, dictionaries as ``LinkedHashMap``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import CONTROL, Translator


class _Java(Translator):
    comment_mark = "//"
    line_end = ";"

    def assign(self, name: str, literal: str) -> str:
        return f"{'Object' if literal == 'null' else 'var'} {name} = {literal};"

    def none(self) -> str:
        return "null"

    def integer(self, value: int) -> str:
        if -(2**31) <= value < 2**31:
            return str(value)
        return f"{value}L" if -(2**63) < value < 2**63 else f'new java.math.BigInteger("{value}")'

    def not_finite(self, value: float) -> str:
        return f"Double.{'NaN' if math.isnan(value) else 'POSITIVE_INFINITY' if value > 0 else 'NEGATIVE_INFINITY'}"

    def text(self, value: str) -> str:
        """Return a string; control characters become octal escapes, since Java takes other ones for line ends."""
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + CONTROL.sub(lambda match: _escape(match[0]), plain) + '"'

    def sequence(self, values: list[Any]) -> str:
        items = ", ".join(map(self.translate, values))
        return (
            f"new java.util.ArrayList<Object>(java.util.Arrays.asList({items}))"
            if values != [None]
            else ("new java.util.ArrayList<Object>(java.util.Collections.singletonList(null))")
        )

    def mapping(self, values: Mapping[str, Any]) -> str:
        items = "".join(f"put({self.text(key)}, {self.translate(item)}); " for key, item in values.items())
        return f"new java.util.LinkedHashMap<String, Object>() {{{{ {items}}}}}"


def _escape(character: str) -> str:
    return f"\\{ord(character):03o}" if ord(character) < 256 else json.dumps(character)[1:-1]


translator = _Java()
