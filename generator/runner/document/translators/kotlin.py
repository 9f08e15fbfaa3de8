"""Kotlin: ``listOf`` and ``mapOf``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import CONTROL, Translator


class _Kotlin(Translator):
    comment_mark = "//"

    def assign(self, name: str, literal: str) -> str:
        return f"val {name}: Any? = null" if literal == "null" else f"val {name} = {literal}"

    def none(self) -> str:
        return "null"

    def integer(self, value: int) -> str:
        if -(2**31) < value < 2**31:
            return str(value)
        return f"{value}L" if -(2**63) < value < 2**63 else f'java.math.BigInteger("{value}")'

    def not_finite(self, value: float) -> str:
        return f"Double.{'NaN' if math.isnan(value) else 'POSITIVE_INFINITY' if value > 0 else 'NEGATIVE_INFINITY'}"

    def text(self, value: str) -> str:
        plain = re.sub(r'(["\\$])', r"\\\1", value)
        return '"' + CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", plain) + '"'

    def sequence(self, values: list[Any]) -> str:
        return "listOf(" + ", ".join(map(self.translate, values)) + ")" if values else "listOf<Any?>()"

    def mapping(self, values: Mapping[str, Any]) -> str:
        items = ", ".join(f"{self.text(key)} to {self.translate(item)}" for key, item in values.items())
        return f"mapOf({items})" if values else "mapOf<String, Any?>()"


translator = _Kotlin()
