"""Read a Lua parameters cell: ``x = 1``, ``s = "a"``, ``{1, 2}``, ``{key = 1}``, ``true``, ``nil``."""

from __future__ import annotations

import re

from generator.notebook.languages.escapes import LUA
from generator.notebook.languages.grammar import Grammar, Quote, escaping
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Literal, Reading

_LONG = Quote(
    r"\[(?P<level>=*)\[.*?\](?P=level)\]",
    lambda text: re.sub(r"\A\[=*\[\n?|\]=*\]\Z", "", text),
    unclosed=r"\[=*\[.*",
)


def _is_certain(_opening: str, value: Literal) -> bool:
    """Check for a table without nil, which tables do not hold."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return None not in items


_GRAMMAR = Grammar(
    name="Lua",
    assignment=re.compile(r"(?:local\s+)?(?P<name>[A-Za-z_]\w*)\s*=(?!=)\s*(?P<value>.+)", re.DOTALL),
    words={"true": True, "false": False, "nil": None},
    quotes=(escaping('"', numbered=LUA, one_line=True), escaping("'", numbered=LUA, one_line=True), _LONG),
    vector=r"\{",
    mapping=r"\{",
    changes=(r"\b(?:table\.(?:insert|remove|sort|move)|rawset)\s*\(\s*([^\W\d]\w*)",),
    key=r"""[A-Za-z_]\w*|\[\s*(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')\s*\]""",
    arrow="=(?!=)",
    is_certain=_is_certain,
    separator="[,;]",
    number=re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    largest=2**63 - 1,
    comment="--",
    continues=re.compile(r"\.\.|[-+*/%^&|~<>]|==|(?:and|or)\b"),
    block_comment=(r"--\[(?P<marks>=*)\[", r"\](?P=marks)\]"),
    block=re.compile(r"(?:local\s+)?(?:function|if|for|while|repeat|do)\b"),
    opens=r"(?<![\w.:])(?:function|if|do|repeat)\b",
    closes=r"(?<![\w.:])(?:end|until)\b",
    scope=r"(?:local\s+)?function\b|(?!if\b|for\b|while\b)[\w.:]+\s*\(",
)


def read(source: str) -> Reading:
    """Read the literal assignments of a Lua cell."""
    return read_assignments(source, _GRAMMAR)
