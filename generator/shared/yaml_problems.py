"""Mistakes in YAML and JSON in plain words, with their line; for the errors of ruamel.yaml, PyYAML and json."""

from __future__ import annotations

import json
import re
from typing import Any

unfit_values = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What ruamel.yaml and PyYAML raise, besides their own errors, for a value that does not fit its tag: ``!!bool x``."""
_plain = (
    (r"found duplicate key [\"'](.*?)[\"'](?: with value.*)?", r"'\1' is given twice"),
    (r"found character '\\t' that cannot start any token", "the line begins with a tab; indent with spaces"),
    (r"found character (\S+) that cannot start any token", r"a value cannot begin with \1; write it in quotes"),
    (r"expected <block end>, but found .*", "the indentation fits neither the line above nor an earlier one"),
    (r"but found another document", "a second document begins; give one"),
    (r"mapping values are not allowed.*", "': ' within a value, or a wrong indentation; write the value in quotes"),
    (r"could not find expected ':'", "': ' is missing after a name"),
    (r"could not determine a constructor for the tag '(.*)'", r"unknown tag '\1'"),
)
"""Problems in a parser's words (whole lines), and the same in plain words."""


def find_problem(error: Exception) -> tuple[int, str]:
    """Return the line of a parser's error, from 1 (0 if unknown), and the problem in plain words."""
    if isinstance(error, json.JSONDecodeError):
        return error.lineno, error.msg
    if isinstance(error, LookupError | AttributeError | ArithmeticError):
        return 0, "a value does not fit its tag"
    mark: Any = getattr(error, "problem_mark", None)
    start: Any = getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error).partition("\n")[0] or type(error).__name__
    context = str(getattr(error, "context", None) or "")
    if start is not None and "quoted scalar" in context and "end of stream" in problem:
        return start.line + 1, "the quote that begins here is not closed"
    if start is not None and "flow" in context and "<stream end>" in problem:
        bracket = "bracket" if "node" in context else "{" if "mapping" in context else "["
        return start.line + 1, f"the {bracket} that begins here is not closed"
    if start is not None and "simple key" in context:  # the mark is that of the next line
        mark = start
    return (mark.line + 1 if mark else 0), _in_plain_words(problem)


def _in_plain_words(problem: str) -> str:
    for pattern, words in _plain:
        match = re.fullmatch(pattern, problem)
        if match:
            return match.expand(words)
    return problem


def describe_problem(error: Exception) -> str:
    """Return ``line 2: 'n' is given twice``."""
    line, problem = find_problem(error)
    return f"line {line}: {problem}" if line else problem


def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of JSON; for the ``object_pairs_hook`` of json.

    Raises:
        ValueError: a name is given twice.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} is given twice")
        found[name] = value
    return found
