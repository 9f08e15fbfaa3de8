"""Read an R parameters cell: ``x <- 1``, ``x = c("a", "b")``, ``TRUE``, ``NULL``, ``list(a = 1)``."""

from __future__ import annotations

import re

from generator.notebook.languages.escapes import R
from generator.notebook.languages.grammar import NOT_TRIPLE, TRIPLE, Grammar, escaping
from generator.notebook.languages.scanner import read_assignments
from generator.notebook.parameters import Literal, Reading


def _is_certain(opening: str, value: Literal) -> bool:
    """Check that ``c()`` neither converts its items to one type nor joins lists."""
    kinds = {type(item) for item in value} if isinstance(value, list) else set()
    return opening[0] != "c" or kinds in ({str}, {bool}) or (bool(kinds) and kinds <= {int, float})


_VARIABLE = r"(?<![\w.$@])([^\W\d][\w.]*)"
_GRAMMAR = Grammar(
    name="R",
    quotes=(TRIPLE, escaping('"', numbered=R, before=NOT_TRIPLE), escaping("'", numbered=R)),
    assignment=re.compile(r"(?P<name>[A-Za-z.][\w.]*)\s*(?:<<?-|=(?!=))(?!\s*function\b)\s*(?P<value>.+)", re.DOTALL),
    words={"TRUE": True, "T": True, "FALSE": False, "F": False, "NULL": None, "NA": None},
    scope=r"(?:[\w.]+\s*(?:<<?-|=)\s*)?function\b|(?!if\b|for\b|while\b|repeat\b)[\w.:]+\s*\(",
    vector=r"c\s*\(",
    variable=_VARIABLE,
    changes=(
        rf"->>?\s*{_VARIABLE}",
        rf"\(\s*{_VARIABLE}(?![\w.])[^()]*\)(?:\[{{1,2}}[^\[\]]*\]{{1,2}})?\s*<<?-",
        rf"{_VARIABLE}\s*%<>%",
        rf"\bfor\s*\(\s*{_VARIABLE}\s+in\b",
    ),
    mapping=r"list\s*\(",
    argument=r"(?:[\w.\])]\s*\(|,)\s*[\w.]+\s*=(?!=)",
    is_certain=_is_certain,
    date=re.compile(
        r"""as\.(?:Date|POSIXct)\s*\(\s*["'](?P<text>\d{4}-\d\d-\d\d)["']\s*(?:,\s*tz\s*=\s*["']UTC["']\s*)?\)$"""
        r"|(?:as\.Date|as\.POSIXct|Sys\.Date|Sys\.time|ISOdate|ISOdatetime|(?:lubridate::)?(?:ymd|ymd_hms|today|now))\s*\("
    ),
    number=re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?L?(?![\w.])"),
)


def read(source: str) -> Reading:
    """Read the literal assignments of an R cell."""
    return read_assignments(source, _GRAMMAR)
