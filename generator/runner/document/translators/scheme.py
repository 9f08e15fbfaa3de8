"""Scheme (R7RS): lists, and dictionaries as association lists; null is the empty list."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import Translator


class Scheme(Translator):
    """Any Scheme that reads R7RS's numbers."""

    comment_mark = ";"
    name = re.compile(r"(?![+-]?\.?\d|\.$)[\w!$%&*/:<=>?^~+.@-]+")

    def assign(self, name: str, literal: str) -> str:
        """Return a definition, which also replaces an earlier one."""
        return f"(define {name} {literal})"

    def none(self) -> str:
        """Return the empty list."""
        return "'()"

    def boolean(self, value: bool) -> str:  # noqa: FBT001 - the value itself
        """Return the literal of a boolean."""
        return "#t" if value else "#f"

    def not_finite(self, value: float) -> str:
        """Return R7RS's literals, which an expression can begin with."""
        return "+nan.0" if math.isnan(value) else "+inf.0" if value > 0 else "-inf.0"

    def text(self, value: str) -> str:
        """Return a string; characters other than backslash, quote and line ends stand for themselves."""
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + plain.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'

    def sequence(self, values: list[Any]) -> str:
        """Return a list."""
        return "(list" + "".join(f" {self.translate(value)}" for value in values) + ")"

    def mapping(self, values: Mapping[str, Any]) -> str:
        """Return an association list."""
        pairs = (f" (cons {self.text(key)} {self.translate(item)})" for key, item in values.items())
        return "(list" + "".join(pairs) + ")"


translator = Scheme()
