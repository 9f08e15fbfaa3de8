"""Read a gnuplot parameters cell: ``x = 1``, ``s = 'it''s'``, ``array xs[2] = [1, 2]``."""

from __future__ import annotations

import re

from generator.notebook.languages.escapes import OCTAL
from generator.notebook.languages.grammar import Grammar, doubling, escaping
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Reading

_GRAMMAR = Grammar(
    name="gnuplot",
    assignment=re.compile(
        r"(array\s+)?(?P<name>[A-Za-z_]\w*)\s*(?(1)(?:\[\d*\]\s*)?)=(?!=)\s*(?P<value>.+)", re.DOTALL
    ),
    words={},
    quotes=(escaping('"', interpolation="`", numbered=OCTAL, one_line=True), doubling("'")),
    vector=r"\[",
    key=r"(?!)",
    largest=2**63 - 1,
    number=re.compile(r"(?!-?0\d)-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    continuation=r"\\\n",
    scope=r"(?!if\b|while\b)\w+\s*\(|set\b|s?plot\b",
)


def read(source: str) -> Reading:
    """Read the literal assignments of a gnuplot cell."""
    return read_assignments(source, _GRAMMAR)
