"""Lua: tables for lists and dictionaries."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from generator.runner.document.translators.base import CONTROL, Translator, UnwritableError, bytes_of, is_exact_double

_RESERVED = (
    "and break do else elseif end false for function goto if in local nil not or repeat return then true until while"
).split()


class _Lua(Translator):
    comment_mark = "--"

    def assign(self, name: str, literal: str) -> str:
        if name in _RESERVED:
            raise UnwritableError(f"{name} is a reserved word of Lua")
        return f"{name} = {literal}"

    def none(self) -> str:
        return "nil"

    def integer(self, value: int) -> str:
        """Write an integer of 64 bits; larger ones are floats in Lua, which must not round them."""
        if -(2**63) < value < 2**63:
            return str(value)
        if value == -(2**63):
            return "math.mininteger"
        if is_exact_double(value):
            return repr(float(value))
        raise UnwritableError(f"{value} needs more than 64 bits")

    def not_finite(self, value: float) -> str:
        return "(0/0)" if math.isnan(value) else "math.huge" if value > 0 else "-math.huge"

    def text(self, value: str) -> str:
        plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return '"' + CONTROL.sub(_decimal_bytes, plain) + '"'

    def sequence(self, values: list[Any]) -> str:
        if None in values:
            raise UnwritableError("a table has no nil")
        return "{" + ", ".join(map(self.translate, values)) + "}"

    def mapping(self, values: Mapping[str, Any]) -> str:
        return "{" + ", ".join(f"[{self.text(key)}] = {self.translate(item)}" for key, item in values.items()) + "}"


def _decimal_bytes(match: re.Match[str]) -> str:
    return "".join(f"\\{byte:03d}" for byte in bytes_of(match[0]))


translator = _Lua()
