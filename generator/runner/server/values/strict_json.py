"""JSON as RFC 8259 and I-JSON (RFC 7493) have it: Python's reader also takes NaN, double names and half characters."""

from __future__ import annotations

import json
import math
from typing import Any

from generator.runner.server.problems import ProblemError
from generator.shared.yaml_problems import describe_problem, refuse_doubles

_DEEPEST = 100
"""Levels of lists and objects; what reads values later recurses some levels for each."""
_DIGITS = 1000
"""Digits of an integer: reading more takes time that grows with their square."""


def read_json(data: str | bytes) -> Any:
    """Read JSON.

    Raises:
        ValueError: the text is not JSON, has a name twice, or a number or text that JSON cannot carry.
    """
    try:
        value = json.loads(
            data,
            object_pairs_hook=refuse_doubles,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except UnicodeDecodeError:
        raise ValueError("not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(describe_problem(error)) from None
    except RecursionError:
        raise ValueError(_too_deep()) from None
    _check(value, 0)
    return value


def read_json_object(data: bytes | str, what: str = "the body") -> dict[str, Any]:
    """Read the body of a request, or another part of it, as a JSON object; empty text is an empty one.

    Raises:
        ProblemError: 400, the body is not JSON, or not an object.
    """
    try:
        document = read_json(data or b"{}")
    except ValueError as error:
        raise ProblemError(400, f"{what} is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise ProblemError(400, f"{what} is not a JSON object")
    return document


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("a text has half of a surrogate pair, which is not a character") from None
    elif isinstance(value, dict | list):
        if depth == _DEEPEST:
            raise ValueError(_too_deep())
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            _check(item, depth + 1)


def _too_deep() -> str:
    return f"more than {_DEEPEST} levels of lists and objects"


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large for a floating point number")
    return number


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"an integer has more than {_DIGITS} digits")
    return int(text)
