"""``rules:if``: GitLab's expressions."""

from __future__ import annotations

import pytest

from generator.service.project.rules import is_true
from generator.shared.errors import UsageError

_VARIABLES = {"set": "yes", "empty": "", "source": "push", "branch": "release/1.2"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$set", True),
        ("$empty", False),
        ("$missing", False),
        ('$source == "push"', True),
        ("$source == 'push'", True),
        ('"push" == $source', True),
        ('$source != "push"', False),
        ("$missing == null", True),
        ("$empty == null", False),
        ('$empty == ""', True),
        ("$source == $set", False),
        ("$branch =~ /^release/", True),
        (r"$branch =~ /^release\/\d/", True),
        ("$branch =~ /^RELEASE/i", True),
        ("$branch !~ /^release/", False),
        ("$missing =~ /x/", False),
        ("$set && $source", True),
        ("$set && $missing", False),
        ("$missing || $set", True),
        ("$missing && $set || $source", True),
        ("$missing && ($set || $source)", False),
        ('$source == "web" || $source == "push" && $set', True),
        ("${set}", True),
    ],
)
def test_an_expression_holds_as_in_gitlab(expression: str, expected: bool) -> None:
    assert is_true(expression, _VARIABLES) is expected


@pytest.mark.parametrize("expression", ["", "$a ==", "$a = 'x'", "($a", "$a)", "$a == 'x' 'y'", "a == b", "$a =~ 'x'"])
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(UsageError, match="invalid expression at"):
        is_true(expression, _VARIABLES)
