"""Find the names that a statement assigns or changes in place, such as ``x += 1``, ``x[0] = 1`` or ``x.push(1)``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.notebook.languages.grammar import Grammar

_INDEX = r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]|\([^()]*(?:\([^()]*\)[^()]*)*\)|\{[^{}]*\}"
_PLACE = rf"(?:\??[.:]\w+|{_INDEX}|[$@]\w+){{0,20}}"
"""A part of a value: ``x.key``, ``x[0]``, ``x(2)``, ``x{2}``, ``x$key``."""
_SETS = r"(?:<<?-|(?:<<|>>>?|[-+*/%^&|.\\?:]{1,3})?=(?![=>~]))"
_PART = r"(?:\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]|\.\w+)"
_ITEM = rf"(?:~|\$?\w+{_PART}{{0,20}})"
_SEVERAL = re.compile(
    r"(?:(?:let|const|var|local|global)\s)?\s*"
    rf"(?:[\[({{][\[({{\s]*({_ITEM}(?:[\s,:]+{_ITEM})*)[\])}}][\])}}\s]*|({_ITEM}(?:\s*,\s*{_ITEM})+)\s*)" + _SETS
)
"""Several names at the beginning of a statement: ``x, y = 1, 2``, ``[~, y] = f()``, ``[x(1), y] = f()``."""
_LONGEST_CHAIN = 20


def changed_names(text: str, grammar: Grammar) -> list[str]:
    """Return the names that a statement assigns or changes; of a call or a function, those that it changes in place."""
    plain = _without_strings(text, grammar)
    names = list(_changed_in_place(plain, grammar))
    if not re.match(grammar.scope, plain):
        several = _SEVERAL.match(plain)
        names += re.findall(r"[^\W\d]\w*", re.sub(_PART, " ", several[1] or several[2])) if several else []
        without_arguments = re.sub(grammar.argument, "(", plain)
        names += re.findall(rf"{grammar.variable}{_PLACE}\s*{_SETS}", without_arguments)
    return list(dict.fromkeys(names))


def names_changed_by_value(value: str, grammar: Grammar) -> list[str]:
    """Return the names that a value changes, such as ``x++`` or ``y = z = 2``, when it is assigned."""
    plain = _without_strings(value, grammar)
    return list(dict.fromkeys([*_names_in_chain(plain, grammar), *_changed_in_place(plain, grammar)]))


def _without_strings(text: str, grammar: Grammar) -> str:
    """Empty the strings; one without an end goes to the end, so that nothing is searched twice."""
    unclosed = (f"(?:{quote.unclosed})" for quote in grammar.quotes if quote.unclosed)
    return re.sub("|".join((grammar.string, *unclosed)), '""', text, flags=re.DOTALL)


def _changed_in_place(plain: str, grammar: Grammar) -> Iterator[str]:
    for pattern in (rf"{grammar.variable}{_PLACE}(?:\+\+|--)", rf"(?:\+\+|--){grammar.variable}", *grammar.changes):
        yield from re.findall(pattern, plain)


def _names_in_chain(value: str, grammar: Grammar) -> Iterator[str]:
    """Yield the first names that a value such as ``y = z = 2`` assigns; no cell needs more of them."""
    for _ in range(_LONGEST_CHAIN):
        match = grammar.assignment.fullmatch(value)
        if match is None:
            return
        yield match["name"]
        value = match["value"]
