"""The expressions of ``rules:if`` (https://docs.gitlab.com/ci/jobs/job_rules/#cicd-variable-expressions)."""

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


def holds(expression: str, variables: Mapping[str, str]) -> bool:
    """Whether an expression holds; a variable alone holds when it is set and not empty.

    Raises:
        UsageError: the expression is not one of GitLab's.
    """
    parser = _Parser(expression, variables)
    result = parser.either()
    parser.end()
    return result


def check(expression: str) -> None:
    """Refuses an expression that cannot be read.

    Raises:
        UsageError: it is not one of GitLab's.
    """
    holds(expression, {})


def _tokens(expression: str) -> list[_Token]:
    tokens, position = [], 0
    while expression[position:].strip():
        match = _TOKEN.match(expression, position)
        if match is None:
            raise UsageError(f"{expression!r} is no expression of rules:if, at {expression[position:].strip()!r}")
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
    """Recursive descent: ``||`` binds less than ``&&``, which binds less than a comparison."""

    def __init__(self, expression: str, variables: Mapping[str, str]) -> None:
        self._expression, self._variables = expression, variables
        self._tokens = _tokens(expression)

    def either(self) -> bool:
        result = self._both()
        while self._take("||"):
            result = self._both() or result
        return result

    def end(self) -> None:
        if self._tokens:
            self._refuse()

    def _both(self) -> bool:
        result = self._one()
        while self._take("&&"):
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if self._take("("):
            result = self.either()
            if not self._take(")"):
                self._refuse()
            return result
        left = self._value()
        for operator in ("==", "!=", "=~", "!~"):
            if self._take(operator):
                return self._compared(left, operator)
        return bool(left)

    def _compared(self, left: str | None, operator: str) -> bool:
        if operator in ("==", "!="):
            return (left == self._value()) is (operator == "==")
        if not self._tokens or self._tokens[0].kind != "pattern":
            self._refuse()
        found = re.search(self._tokens.pop(0).text, left or "") is not None
        return found is (operator == "=~")

    def _value(self) -> str | None:
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
        rest = " ".join(token.text for token in self._tokens) or "its end"
        raise UsageError(f"{self._expression!r} is no expression of rules:if, at {rest!r}")
