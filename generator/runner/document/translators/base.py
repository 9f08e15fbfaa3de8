"""The common part of all translators: papermill's methods, the choice by type, and the check of names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

_LONGEST_LINE = 900
"""The length of a line after which a list continues in the next: kernels behind a terminal cut lines at 4096 bytes."""
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that end a line, act on a terminal, or cannot be encoded: a literal needs an escape for them."""


class UnwritableError(NotImplementedError):
    """The language has no literal for a value; papermill's translators raise the base class."""


class Translator:
    """Writes values in one language."""

    comment_mark: ClassVar[str] = "#"
    name: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
    """What a variable may be called."""
    line_end: ClassVar[str] = ""

    def after(self, _source: str) -> Translator:
        """Return the translator for a cell that follows the parameters cell with this source."""
        return self

    def codify(self, parameters: Mapping[str, Any], comment: str = "Parameters") -> str:
        """Return the text of an injected cell.

        Raises:
            UnwritableError: the language has no literal for a value, or no variable of this name.
        """
        lines = [self.comment(comment)]
        for name, value in parameters.items():
            if not self.name.fullmatch(name):
                raise UnwritableError(f"{name!r} is not a valid variable name")
            try:
                lines.append(self.assign(name, self.translate(value)))
            except UnwritableError as error:
                raise UnwritableError(f"{name}: {error}") from None
        return "\n".join(lines) + "\n"

    def comment(self, text: str) -> str:
        """Return a comment."""
        return "\n".join(f"{self.comment_mark} {line}".strip() for line in CONTROL.split(text))

    def assign(self, name: str, literal: str) -> str:
        """Return the statement that sets a variable to a literal."""
        return f"{name} = {literal}{self.line_end}"

    def inspect(self, _cell: Any) -> list[Any]:
        """Read a parameters cell for papermill, which passes the refusal over; packmill reads cells itself.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("packmill's translators only write parameters")

    def translate(self, value: Any) -> str:
        """Return a value as a literal.

        Raises:
            UnwritableError: the language has none.
        """
        if value is None:
            return self.none()
        if isinstance(value, bool):
            return self.boolean(value)
        if isinstance(value, int):
            return self.integer(value)
        if isinstance(value, float):
            return self.finite(value) if math.isfinite(value) else self.not_finite(value)
        if isinstance(value, Mapping):
            return self.mapping({str(key): item for key, item in value.items()})
        if isinstance(value, list | tuple):
            return self.sequence(list(value))
        if isinstance(value, date):
            return self.date(value)
        return self.text(_join_pairs(str(value)))

    def none(self) -> str:
        """Return the literal of None."""
        raise UnwritableError("the language has no null")

    def boolean(self, value: bool) -> str:  # noqa: FBT001 - the value itself
        """Return the literal of a boolean."""
        return "true" if value else "false"

    def integer(self, value: int) -> str:
        """Return the literal of an integer."""
        return str(value)

    def finite(self, value: float) -> str:
        """Return the literal of a finite float."""
        return repr(value)

    def not_finite(self, value: float) -> str:
        """Return the literal of an infinite number or of NaN."""
        raise UnwritableError(f"there is no {value}")

    def text(self, value: str) -> str:
        """Return the literal of a text."""
        raise NotImplementedError

    def date(self, value: date) -> str:
        """Return the literal of a date or a datetime, here its text."""
        return self.text(value.isoformat())

    def sequence(self, _values: list[Any]) -> str:
        """Return the literal of a list."""
        raise UnwritableError("the language has no lists")

    def mapping(self, _values: Mapping[str, Any]) -> str:
        """Return the literal of a dictionary."""
        raise UnwritableError("the language has no dictionaries")


def plain_number(value: float) -> str:
    """Write a number without an exponent, which programs that shells start, such as bc, take for a mistake."""
    return format(Decimal(repr(value)), "f") if math.isfinite(value) else str(value)


def is_exact_double(value: int) -> bool:
    """Return whether a double holds an integer exactly."""
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def fold(items: Iterable[str], separator: str, line_break: str) -> str:
    """Join items with a separator, and begin a new line before one becomes too long."""
    lines: list[str] = []
    for item in items:
        if lines and len(lines[-1]) + len(item) < _LONGEST_LINE:
            lines[-1] += separator + item
        else:
            lines.append(item)
    return line_break.join(lines)


def pieces(text: str) -> list[str]:
    """Split a long text into pieces that fit into a line each; at least one."""
    size = _LONGEST_LINE // 3  # an escaped character has up to twelve
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def octal_bytes(text: str) -> str:
    """Return the bytes of a text as octal escapes, which mean the same in C, Octave and gnuplot."""
    return "".join(f"\\{byte:03o}" for byte in bytes_of(text))


def _join_pairs(text: str) -> str:
    """Join surrogate pairs, which YAML's reader leaves of JSON's escapes."""
    if not re.search("[\ud800-\udbff][\udc00-\udfff]", text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def bytes_of(text: str) -> bytes:
    """Encode a text; bytes that are not UTF-8, such as in old file names, stay as they are.

    Raises:
        UnwritableError: the text has half of a surrogate pair.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UnwritableError("the text is not valid Unicode") from None
