"""Indented JSON: the text of the standard library's encoder, written faster."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from datetime import date
from enum import IntEnum
from typing import Any

import pytest

from generator.shared.json_text import json_text


class _Level(IntEnum):
    HIGH = 3


class _Name(str):
    __slots__ = ()


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    """Keep the garbage of other tests: a finalizer that runs deep in a recursion fails there, and the test with it."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("sort_keys", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        {"b": [{}, [], {"a": None}], "a": {"c": [True, False, 1.5, 1e300, 10**30]}},
        {2: "number", 1: "number"},
        {True: 1},
        {2.5: "x", 1: ("a", ("b",))},
        [_Level.HIGH, _Name("name"), date(2026, 11, 1)],
        'é\n\u2028\x00"\\',
        [],
        {},
        None,
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_is_that_of_json_with_an_indentation(value: Any, sort_keys: bool) -> None:
    expected = json.dumps(value, indent=1, sort_keys=sort_keys, default=str, ensure_ascii=False)

    assert json_text(value, sort_keys=sort_keys).decode() == expected


def test_a_key_that_json_cannot_have_is_an_error() -> None:
    with pytest.raises(TypeError, match="keys must be"):
        json_text({(1, 2): "x"})


def test_a_lone_surrogate_is_escaped() -> None:
    assert json_text({"\ud800": "é"}) == b'{\n "\\ud800": "\\u00e9"\n}'


@pytest.mark.parametrize("text", ["é", "\ud800"], ids=["UTF-8", "escaped"])
def test_deeply_nested_values_are_indented(text: str) -> None:
    value: Any = {"text": text}
    for _ in range(300):
        value = {"b": [value], "a": 1}

    for sort_keys in (False, True):
        expected = json.dumps(value, indent=1, sort_keys=sort_keys, ensure_ascii=text != "é")
        assert json_text(value, sort_keys=sort_keys).decode() == expected


@pytest.mark.parametrize("depth", [400, 900])
def test_deeply_nested_lists_are_valid(depth: int) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]

    assert json.loads(json_text(value)) == value
