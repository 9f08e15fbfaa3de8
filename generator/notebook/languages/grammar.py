"""The syntax of a language, as far as its parameters cells need it: assignments, comments, strings, other literals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from generator.notebook.languages.escapes import Numbered, WrongEscapeError, unescape
from generator.notebook.parameters import Literal

ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "$": "$",
    "`": "`",
    "a": "\a",
    "b": "\b",
}


class NotLiteralError(Exception):
    """The value is not a literal: it is known only when the cell runs."""


@dataclass(frozen=True, slots=True)
class Quote:
    """One way to write a string: ``pattern`` matches all of it, ``decode`` returns its value or raises.

    ``unclosed`` matches a string without an end: up to the end of the cell, or of the line if strings end with it.
    """

    pattern: str
    decode: Callable[[str], str]
    unclosed: str = ""
    one_line: bool = False


def escaping(
    mark: str,
    *,
    interpolation: str = "",
    escapes: Mapping[str, str] = ESCAPES,
    escape: str = "\\",
    numbered: tuple[Numbered, ...] = (),
    one_line: bool = False,
    before: str = "",
) -> Quote:
    """Return strings in ``mark`` in which a backslash begins an escape; ``interpolation`` begins code.

    ``numbered`` are the language's escapes with numbers; ``before`` checks what precedes the mark, if it has another
    meaning too.
    """
    begin = re.escape(escape)

    def decode(text: str) -> str:
        inner = text[1:-1]
        without_escapes = re.sub(rf"{begin}.", "  ", inner, flags=re.DOTALL)
        if interpolation and re.search(interpolation, without_escapes):
            raise NotLiteralError
        try:
            return unescape(inner, escape, escapes, numbered)
        except WrongEscapeError:
            raise NotLiteralError from None

    line_end = r"\n" if one_line else ""
    begun = rf"{before}{mark}(?:[^{mark}{begin}{line_end}]|{begin}.)*"
    # up to where the search for its end went, so that nothing is searched twice
    return Quote(begun + mark, decode, unclosed=begun if one_line else f"{before}{mark}.*", one_line=one_line)


def not_literal(_text: str) -> str:
    """Decode a text as computed."""
    raise NotLiteralError


TRIPLE = Quote(r'"""(?:[^\\]|\\.)*?"""', not_literal, unclosed=r'""".*')
"""Strings in three quotes, whose indentation has rules of its own."""
NOT_TRIPLE = r'(?!""")'
"""Precedes the mark of other strings in a language with `TRIPLE`, so that one without an end is searched for once."""


def doubling(mark: str, *, before: str = "", one_line: bool = True) -> Quote:
    """Return strings in ``mark`` without escapes, in which a doubled mark is one."""
    pattern = rf"{before}{mark}(?:[^{mark}{chr(10) if one_line else ''}]|{mark}{mark})*{mark}"
    rest = r"[^\n]*" if one_line else ".*"

    def decode(text: str) -> str:
        return text[1:-1].replace(mark * 2, mark)

    return Quote(pattern, decode, unclosed=f"{before}{mark}{rest}", one_line=one_line)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grammar:
    """The syntax of a language's assignments and literals.

    ``assignment`` matches a whole statement with the groups ``name``, ``value`` and possibly ``type``; ``block`` the
    beginning of a statement that continues until its end, which ``opens`` and ``closes`` count; ``scope`` a statement
    whose assignments are local; ``variable`` a variable of any other statement.
    """

    name: str
    assignment: re.Pattern[str]
    words: Mapping[str, Literal]
    vector: str
    number: re.Pattern[str]
    mapping: str | None = None
    quotes: tuple[Quote, ...] = (escaping('"'), escaping("'"))
    key: str = r"[A-Za-z.][\w.]*"
    arrow: str = r"=>?"
    separator: str = ","
    spaces_separate: bool = False
    """Whether a space separates items too."""
    largest: float = math.inf
    """The largest whole number of which a run gives the same kind of number."""
    is_certain: Callable[[str, Literal], bool] = lambda _opening, _value: True
    """Check whether items after an opening bracket make this list or dictionary, and a run gives one of its kind."""
    one_line: bool = False
    """Whether a line end in a list has a meaning, so that a literal has none."""
    empty_mapping: bool = False
    comment: str = r"#"
    block_comment: tuple[str, str] = ("", "")
    continuation: str = r"(?!)"
    """A line end that does not end a statement, with the marks before it."""
    continues: re.Pattern[str] = re.compile(r"(?!)")
    """The beginning of a line that continues an assignment of the line before it."""
    keyword: re.Pattern[str] = re.compile(r"(?!)")
    """The beginning of a statement that may declare several names, with commas between them; group 1 is the keyword."""
    block: re.Pattern[str] | None = None
    opens: str = r"(?<![\w.:])(?:function|if|for|while|let|begin|struct|module|macro|try|quote|do)\b"
    closes: str = r"(?<![\w.:])end\b"
    scope: str = r"function\b|\w+\s*\("
    variable: str = r"(?<![\w.$@])([^\W\d]\w*)"
    changes: tuple[str, ...] = ()
    """Calls and other marks of the language that change the value of a variable, with its name as group 1."""
    argument: str = r"(?!)"
    """The beginning of a named argument of a call, up to its ``=``."""
    date: re.Pattern[str] | None = None
    """The beginning of a value that is a date of the language; the groups ``text`` or ``parts`` have a literal one."""
    declared: Callable[[str], str] = str
    """Translates a declared type to a hint."""

    @property
    def string(self) -> str:
        """A pattern that matches every string."""
        return "|".join(f"(?:{quote.pattern})" for quote in self.quotes)
