"""JavaScript and TypeScript: JSON with ``Infinity``, ``NaN`` and BigInt.

A name that the parameters cell declares is declared in the same way again: kernels accept ``const`` after ``const``,
but not ``var`` after ``const``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from generator.notebook.languages.javascript import read_declarations
from generator.runner.document.translators.base import Translator, is_exact_double


class _JavaScript(Translator):
    comment_mark = "//"
    name = re.compile(r"(?!\d)[\w$]+")
    line_end = ";"

    def __init__(self, declarations: Mapping[str, tuple[str, str]] | None = None) -> None:
        self._declarations = declarations or {}

    def after(self, source: str) -> Translator:
        """Declare names as this source does."""
        return _JavaScript(read_declarations(source))

    def assign(self, name: str, literal: str) -> str:
        keyword, declared = self._declarations.get(name, ("var", ""))
        has_type = declared and literal != "null" and not literal.endswith("n")
        return f"{keyword} {name}{': ' + declared if has_type else ''} = {literal};"

    def none(self) -> str:
        return "null"

    def integer(self, value: int) -> str:
        return str(value) if is_exact_double(value) else f"{value}n"

    def not_finite(self, value: float) -> str:
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

    def text(self, value: str) -> str:
        return json.dumps(value)

    def date(self, value: date) -> str:
        """Return a Date, which is in UTC."""
        zone = "" if type(value) is date or value.isoformat().endswith("+00:00") else "Z"
        return f"new Date({json.dumps(value.isoformat() + zone)})"

    def sequence(self, values: list[Any]) -> str:
        return "[" + ", ".join(map(self.translate, values)) + "]"

    def mapping(self, values: Mapping[str, Any]) -> str:
        items = (f"{_key(key)}: {self.translate(item)}" for key, item in values.items())
        return "{" + ", ".join(items) + "}"


def _key(name: str) -> str:
    """Return the key of an object; ``__proto__`` without brackets would set the prototype."""
    return '["__proto__"]' if name == "__proto__" else json.dumps(name)


translator = _JavaScript()
