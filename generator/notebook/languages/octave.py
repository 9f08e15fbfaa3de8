"""Read an Octave parameters cell: ``x = 1;``, ``s = 'it''s'``, ``[1, 2]``, ``{'a', 'b'}``, ``true``."""

from __future__ import annotations

import re

from generator.notebook.languages.escapes import C_LIKE
from generator.notebook.languages.grammar import Grammar, doubling, escaping
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Literal, Reading

_VALUE = r"(?<![\w)\]}'.\"])"
"""After a name, a bracket or a dot, a quote transposes a matrix."""


def _is_certain(opening: str, value: Literal) -> bool:
    """Check for a matrix or a cell array as the list of a run becomes one.

    Texts and matrices in ``[]`` are joined; a list of numbers or booleans alone is given as a matrix.
    """
    kinds = {type(item) for item in value} if isinstance(value, list) else set()
    is_matrix = bool(kinds) and (kinds == {bool} or kinds <= {int, float})
    return is_matrix == (opening == "[")


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
    is_certain=_is_certain,
    largest=2**53,
    number=re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    comment="[%#]",
    block_comment=(r"^[ \t]*[%#]\{[ \t]*$", r"^[ \t]*[%#]\}[ \t]*$"),
    continuation=r"\.\.\.[^\n]*\n",
    block=re.compile(r"(?:if|for|parfor|while|switch|function|do|try|unwind_protect)\b"),
    opens=r"(?<![\w.])(?:if|for|parfor|while|switch|function|do|try|unwind_protect)\b",
    closes=r"(?<![\w.])(?:end(?:if|for|parfor|while|switch|function|_try_catch|_unwind_protect)?|until)\b",
    scope=r"function\b",
    changes=(r"^clear\s+([A-Za-z_]\w*)",),
)


def read(source: str) -> Reading:
    """Read the literal assignments of an Octave cell."""
    return read_assignments(source, _GRAMMAR)
