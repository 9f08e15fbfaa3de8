"""Read a PowerShell parameters cell: ``$x = 1``, ``[int]$n = 3``, ``@('a', 'b')``, ``@{key = 1}``, ``$true``."""

from __future__ import annotations

import re

from generator.notebook.languages.grammar import Grammar, Quote, escaping, not_literal
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Reading

_SINGLE = "['‘’‚‛]"
"""PowerShell takes each of these marks for a single quote, and two in a string for the second."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "`": "`", '"': '"', "$": "$", "a": "\a", "b": "\b", "'": "'"}
_TYPES = {"int32": "int", "int64": "long", "single": "float", "decimal": "double", "switch": "bool", "hashtable": "any"}


def _hint(declared: str) -> str:
    name, array = re.match(r"(?:System\.)?([\w.]*)(.*)", declared, re.IGNORECASE | re.DOTALL).groups()  # type: ignore[union-attr]
    return _TYPES.get(name.lower(), name.lower()) + array


_HERE_STRINGS = tuple(
    Quote(rf"@{mark}[^\S\n]*(?=\n).*?\n{mark}@", not_literal, unclosed=rf"@{mark}[^\S\n]*\n.*")
    for mark in ('"', _SINGLE)
)
_GRAMMAR = Grammar(
    name="PowerShell",
    assignment=re.compile(
        r"(?:\[(?P<type>[\w.]+(?:\[\])?)\]\s*)?\$(?P<name>[A-Za-z_]\w*)\s*=(?!=)\s*(?P<value>.+)", re.DOTALL
    ),
    words={"$true": True, "$false": False, "$null": None, "$True": True, "$False": False, "$Null": None},
    quotes=(
        *_HERE_STRINGS,
        escaping('"', interpolation=r"[$“”„]", escapes=_ESCAPES, escape="`"),
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
    is_certain=lambda _opening, value: not isinstance(value, list) or not any(isinstance(one, list) for one in value),
    largest=2**63 - 1,
    number=re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    block_comment=("<#", "#>"),
    continuation=r"`\n",
    continues=re.compile(r"\|"),
    scope=r"function\b|(?!if\b|for\b|foreach\b|while\b|switch\b)[\w-]+\s*\(",
    variable=r"\$([^\W\d]\w*)",
    changes=(
        r"(?i)\$([^\W\d]\w*)(?:[.\[][\w.\[\]]{0,100})?\.(?:add|addrange|remove|removeat|clear|insert|reverse|sort)\(",
        r"(?i)\bforeach\s*\(\s*\$([^\W\d]\w*)\s+in\b",
    ),
    declared=_hint,
)


def read(source: str) -> Reading:
    """Read the literal assignments of a PowerShell cell."""
    return read_assignments(source, _GRAMMAR)
