"""PowerShell: single quotes, in which ``$`` and backquotes mean nothing; papermill's double quotes would run them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import Translator, UnwritableError

_CONTROL = re.compile("([\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029])")


class _PowerShell(Translator):
    name = re.compile(r"(?!\d)[\w-]+")

    def assign(self, name: str, literal: str) -> str:
        return f"${name} = {literal}" if re.fullmatch(r"\w+", name) else f"${{{name}}} = {literal}"

    def none(self) -> str:
        return "$null"

    def boolean(self, value: bool) -> str:  # noqa: FBT001 - the value itself
        return "$true" if value else "$false"

    def integer(self, value: int) -> str:
        return str(value) if -(2**63) < value < 2**63 else f"([bigint]'{value}')"

    def not_finite(self, value: float) -> str:
        word = "NaN" if math.isnan(value) else "PositiveInfinity" if value > 0 else "NegativeInfinity"
        return f"[double]::{word}"

    def text(self, value: str) -> str:
        parts = _CONTROL.split(value)
        quoted = [f"[char]{ord(part)}" if odd % 2 else _quote(part) for odd, part in enumerate(parts)]
        return quoted[0] if len(quoted) == 1 else "(" + " + ".join(quoted) + ")"

    def sequence(self, values: list[Any]) -> str:
        """Return an array; the comma keeps an array of one array from being unrolled."""
        items = ", ".join(map(self.translate, values))
        return f"@(,{items})" if len(values) == 1 and isinstance(values[0], list | tuple) else f"@({items})"

    def mapping(self, values: Mapping[str, Any]) -> str:
        if len({key.casefold() for key in values}) < len(values):
            raise UnwritableError("a hashtable does not distinguish upper and lower case in its keys")
        return "@{" + "; ".join(f"{self.text(key)} = {self.translate(item)}" for key, item in values.items()) + "}"


def _quote(text: str) -> str:
    """Quote a text; typographic quotes end a string too."""
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", text) + "'"


translator = _PowerShell()
