"""Read a PowerShell parameters cell: ``$x = 1``, ``[int]$n = 3``, ``@('a', 'b')``, ``@{key = 1}``, ``$true``."""

from __future__ import annotations

import re

from generator.notebook.languages.grammar import Grammar, Quote, escaping
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Reading

_SINGLE = "['‘’‚‛]"
"""PowerShell takes each of these marks for a single quote, and two in a string for the second."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "`": "`", '"': '"', "$": "$", "a": "\a", "b": "\b", "'": "'"}
_TYPES = {"int32": "int", "int64": "long", "single": "float", "decimal": "double", "switch": "bool", "hashtable": "any"}


def _hint(declared: str) -> str:
    name, array = re.match(r"(?:System\.)?([\w.]*)(.*)", declared, re.IGNORECASE | re.DOTALL).groups()  # type: ignore[union-attr]
    return _TYPES.get(name.lower(), name.lower()) + array


_GRAMMAR = Grammar(
    name="PowerShell",
    assignment=re.compile(
        r"(?:\[(?P<type>[\w.]+(?:\[\])?)\]\s*)?\$(?P<name>[A-Za-z_]\w*)\s*=(?!=)\s*(?P<value>.+)", re.DOTALL
    ),
    words={"$true": True, "$false": False, "$null": None, "$True": True, "$False": False, "$Null": None},
    quotes=(
        escaping('"', interpolation=r"\$", escapes=_ESCAPES, escape="`"),
        Quote(
            rf"{_SINGLE}(?:{_SINGLE}{{2}}|(?!{_SINGLE}).)*{_SINGLE}",
            lambda text: re.sub(rf"{_SINGLE}({_SINGLE})", r"\1", text[1:-1]),
            unclosed=rf"{_SINGLE}.*",
        ),
    ),
    vector=r"@\(",
    mapping=r"@\{",
    empty_mapping=True,
    key=r"[A-Za-z_]\w*",
    arrow="=",
    separator="[,;]",
    spaces_separate=True,
    number=re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    block_comment=("<#", "#>"),
    continuation=r"`\n",
    scope=r"function\b|(?!if\b|for\b|foreach\b|while\b|switch\b)[\w-]+\s*\(",
    again=r"\$([^\W\d]\w*)\s*[-+*/%]?=(?!=)",
    declared=_hint,
)


def read(source: str) -> Reading:
    """Read the literal assignments of a PowerShell cell."""
    return read_assignments(source, _GRAMMAR)
