"""Read a Julia parameters cell: ``x = 1``, ``x::Int = 3``, ``["a", "b"]``, ``nothing``, ``Dict("a" => 1)``."""

from __future__ import annotations

import re

from generator.notebook.languages.scanner import Grammar, read_assignments
from generator.notebook.parameters import Reading

_GRAMMAR = Grammar(
    name="Julia",
    assignment=re.compile(
        r"(?:const\s+|global\s+)?(?P<name>[^\W\d]\w*!?)\s*(?:::\s*(?P<type>[\w.]+)\s*)?=(?![=>])\s*(?P<value>.+)",
        re.DOTALL,
    ),
    words={"true": True, "false": False, "nothing": None, "missing": None},
    vector=r"\[",
    mapping=r"Dict\s*\(",
    number=re.compile(r"-?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    escapes_interpolate="$",
    empty_mapping=True,
    block=re.compile(r"(?:mutable\s+)?(?:function|if|for|while|let|begin|struct|module|macro|try|quote)\b"),
    scope=r"(?:mutable\s+)?(?:function|let|struct|module|macro|quote)\b|\w+\s*\(",
)


def read(source: str) -> Reading:
    """Read the literal assignments of a Julia cell."""
    return read_assignments(source, _GRAMMAR)
