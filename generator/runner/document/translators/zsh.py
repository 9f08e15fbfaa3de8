"""zsh: words, arrays, and associative arrays for dictionaries.

Control characters are escapes and long words are split: zsh's kernel sends lines through a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import (
    CONTROL,
    Translator,
    UnwritableError,
    fold,
    octal_bytes,
    pieces,
    plain_number,
)


class _Zsh(Translator):
    def assign(self, name: str, literal: str) -> str:
        return f"typeset -A {name}={literal}" if literal.startswith("( ") else f"{name}={literal}"

    def none(self) -> str:
        return "''"

    def finite(self, value: float) -> str:
        text = plain_number(value)
        return text if "." in text else f"{text}.0"  # without a point, it would be an integer of 64 bits

    def not_finite(self, value: float) -> str:
        return str(value)

    def text(self, value: str) -> str:
        return "\\\n".join(map(_quote, pieces(value)))

    def sequence(self, values: list[Any]) -> str:
        if any(isinstance(value, list | tuple | Mapping) for value in values):
            raise UnwritableError("there are no arrays of arrays")
        return "(" + fold(map(self.translate, values), " ", "\n") + ")"

    def mapping(self, values: Mapping[str, Any]) -> str:
        if any(isinstance(value, list | tuple | Mapping) for value in values.values()):
            raise UnwritableError("there are no arrays of arrays")
        pairs = (f"{self.text(key)} {self.translate(item)}" for key, item in values.items())
        return "( " + fold(pairs, " ", "\n") + ")"


def _quote(text: str) -> str:
    if re.fullmatch(r"[\w./:@%+-]+", text, re.ASCII):
        return text
    if CONTROL.search(text):
        plain = text.replace("\\", "\\\\").replace("'", "\\'")
        return "$'" + CONTROL.sub(lambda match: octal_bytes(match[0]), plain) + "'"
    return "'" + text.replace("'", "'\\''") + "'"


translator = _Zsh()
