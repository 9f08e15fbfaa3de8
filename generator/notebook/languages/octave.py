"""Read an Octave parameters cell: ``x = 1;``, ``s = 'it''s'``, ``[1, 2]``, ``{'a', 'b'}``, ``true``."""

from __future__ import annotations

import re
from dataclasses import replace

from generator.notebook.languages.escapes import C_LIKE
from generator.notebook.languages.grammar import Grammar, doubling, escaping
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Missing, Parameter, Reading

_VALUE = r"(?<![\w)\]}'.\"])"
"""After a name, a bracket or a dot, a quote transposes a matrix."""
_GRAMMAR = Grammar(
    name="Octave",
    assignment=re.compile(r"(?P<name>[A-Za-z_]\w*)\s*=(?!=)\s*(?P<value>.+)", re.DOTALL),
    words={"true": True, "false": False},
    quotes=(escaping('"', numbered=C_LIKE, one_line=True), doubling("'", before=_VALUE)),
    vector=r"[\[{]",
    separator=",",
    spaces_separate=True,
    one_line=True,
    key=r"(?!)",
    number=re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    comment="[%#]",
    block_comment=(r"^[ \t]*[%#]\{[ \t]*$", r"^[ \t]*[%#]\}[ \t]*$"),
    continuation=r"\.\.\.[^\n]*\n",
    block=re.compile(r"(?:if|for|parfor|while|switch|function|do|try|unwind_protect)\b"),
    opens=r"(?<![\w.])(?:if|for|parfor|while|switch|function|do|try|unwind_protect)\b",
    closes=r"(?<![\w.])(?:end(?:if|for|parfor|while|switch|function|_try_catch|_unwind_protect)?|until)\b",
    scope=r"function\b",
)


def read(source: str) -> Reading:
    """Read the literal assignments of an Octave cell."""
    reading = read_assignments(source, _GRAMMAR)
    return replace(reading, parameters=tuple(map(_without_cells_of_numbers, reading.parameters)))


def _without_cells_of_numbers(parameter: Parameter) -> Parameter:
    """Keep a cell array of numbers or booleans as it is, because a list of those is given as a matrix."""
    default = parameter.default
    if isinstance(default, list) and default and "{" in parameter.text and not any(isinstance(v, str) for v in default):
        return replace(parameter, default=Missing.COMPUTED)
    return parameter
