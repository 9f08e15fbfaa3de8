"""Read a Julia parameters cell: ``x = 1``, ``x::Int = 3``, ``["a", "b"]``, ``nothing``, ``Dict("a" => 1)``."""

from __future__ import annotations

import re
from dataclasses import replace

from generator.notebook.languages.escapes import JULIA
from generator.notebook.languages.grammar import NOT_TRIPLE, TRIPLE, Grammar, escaping, not_literal
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Reading


def _hint(declared: str) -> str:
    return re.sub(r"(?i)^(u?int|float)\d*$", r"\1", declared).removeprefix("U").replace("AbstractString", "string")


_CHARACTER = replace(escaping("'", one_line=True, before=r"(?<![\w)\]}'.\\])"), decode=not_literal)
"""A character, which a run cannot give; after a name or a bracket, the mark transposes a matrix."""
_GRAMMAR = Grammar(
    name="Julia",
    assignment=re.compile(
        r"(?:const\s+|global\s+)?(?P<name>[^\W\d]\w*!?)\s*(?:::\s*(?P<type>[\w.]+)\s*)?=(?![=>])\s*(?P<value>.+)",
        re.DOTALL,
    ),
    words={"true": True, "false": False, "nothing": None, "missing": None},
    vector=r"\[",
    mapping=r"Dict\s*\(",
    changes=(r"\w!\s*\(\s*([^\W\d]\w*)",),
    key=r"(?!)",
    date=re.compile(
        r"""(?:Dates\.)?(?:Date|DateTime)\s*\(\s*"(?P<text>\d{4}-\d\d-\d\d)"\s*\)$"""
        r"|(?:Dates\.)?(?:Date|DateTime)\s*\(\s*(?P<parts>\d{1,4}(?:\s*,\s*\d{1,2}){0,2})\s*\)$"
        r"|(?:Dates\.)?(?:Date|DateTime|today|now)\s*\("
    ),
    number=re.compile(r"-?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    quotes=(TRIPLE, escaping('"', interpolation=r"\$", numbered=JULIA, before=NOT_TRIPLE), _CHARACTER),
    block_comment=("#=", "=#"),
    declared=_hint,
    empty_mapping=True,
    block=re.compile(r"(?:mutable\s+)?(?:function|if|for|while|let|begin|struct|module|macro|try|quote)\b"),
    scope=r"(?:mutable\s+)?(?:function|let|struct|module|macro|quote)\b|(?!if\b|for\b|while\b)\w+\s*\(",
)


def read(source: str) -> Reading:
    """Read the literal assignments of a Julia cell."""
    return read_assignments(source, _GRAMMAR)
