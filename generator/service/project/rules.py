"""Evaluate the expressions of ``rules:if`` (https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from generator.shared.errors import UsageError

_TOKEN = re.compile(
    r"""\s*(?:(?P<operator>\|\||&&|==|!=|=~|!~|[()])
    |\$(?P<variable>\w+)|\$\{(?P<braced>\w+)\}
    |"(?P<double>[^"]*)"|'(?P<single>[^']*)'
    |/(?P<pattern>(?:[^/\\]|\\.)*)/(?P<flags>[a-z]*)
    |(?P<null>null\b))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def is_true(expression: str, variables: Mapping[str, str]) -> bool:
    """Return whether an expression is true; a variable alone is true if it is set and not empty.

    Raises:
        UsageError: the expression is invalid.
    """
    parser = _Parser(expression, variables)
    result = parser.parse_or()
    parser.check_end()
    return result


def check(expression: str) -> None:
    """Check an expression.

    Raises:
        UsageError: the expression is invalid.
    """
    is_true(expression, {})


def _tokens(expression: str) -> list[_Token]:
    tokens, position = [], 0
    while expression[position:].strip():
        match = _TOKEN.match(expression, position)
        if match is None:
            raise UsageError(f"rules:if: {expression!r}: invalid expression at {expression[position:].strip()!r}")
        tokens.append(_token(match))
        position = match.end()
    return tokens


def _token(match: re.Match[str]) -> _Token:
    kind = str(match.lastgroup)
    if kind == "flags":
        flags = "".join(flag for flag in match["flags"] if flag in "ims")
        return _Token("pattern", (f"(?{flags})" if flags else "") + match["pattern"].replace("\\/", "/"))
    kinds = {"braced": "variable", "double": "string", "single": "string"}
    return _Token(kinds.get(kind, kind), match[kind])


class _Parser:
    """A recursive descent parser: ``||`` binds weaker than ``&&``, which binds weaker than a comparison."""

    def __init__(self, expression: str, variables: Mapping[str, str]) -> None:
        self._expression, self._variables = expression, variables
        self._tokens = _tokens(expression)

    def parse_or(self) -> bool:
        result = self._parse_and()
        while self._take("||"):
            result = self._parse_and() or result
        return result

    def check_end(self) -> None:
        if self._tokens:
            self._refuse()

    def _parse_and(self) -> bool:
        result = self._parse_operand()
        while self._take("&&"):
            result = self._parse_operand() and result
        return result

    def _parse_operand(self) -> bool:
        if self._take("("):
            result = self.parse_or()
            if not self._take(")"):
                self._refuse()
            return result
        left = self._take_value()
        for operator in ("==", "!=", "=~", "!~"):
            if self._take(operator):
                return self._compare(left, operator)
        return bool(left)

    def _compare(self, left: str | None, operator: str) -> bool:
        if operator in ("==", "!="):
            return (left == self._take_value()) is (operator == "==")
        if not self._tokens or self._tokens[0].kind != "pattern":
            self._refuse()
        found = re.search(self._tokens.pop(0).text, left or "") is not None
        return found is (operator == "=~")

    def _take_value(self) -> str | None:
        if not self._tokens or self._tokens[0].kind not in ("variable", "string", "null"):
            self._refuse()
        token = self._tokens.pop(0)
        if token.kind == "variable":
            return self._variables.get(token.text)
        return token.text if token.kind == "string" else None

    def _take(self, operator: str) -> bool:
        if self._tokens and self._tokens[0] == _Token("operator", operator):
            self._tokens.pop(0)
            return True
        return False

    def _refuse(self) -> None:
        rest = " ".join(token.text for token in self._tokens) or "the end"
        raise UsageError(f"rules:if: {self._expression!r}: invalid expression at {rest!r}")
