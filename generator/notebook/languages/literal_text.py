"""Evaluate a literal of any language that a `Grammar` describes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from generator.notebook.languages.grammar import Grammar, NotLiteralError
from generator.notebook.parameters import Literal, Missing


def literal(text: str, grammar: Grammar) -> Literal | Missing:
    """Return the value of a literal, or COMPUTED."""
    parser = _Parser(text.strip(), grammar)
    if grammar.one_line and "\n" in parser.text:
        return Missing.COMPUTED
    try:
        value = parser.value()
        parser.end()
    except (NotLiteralError, RecursionError):
        return Missing.COMPUTED
    return value


class _Parser:
    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.grammar = grammar
        self.position = 0

    def value(self) -> Literal:
        string = self.string()
        if string is not None:
            return string
        number = self.match(self.grammar.number.pattern)
        if number is not None:
            found = _number(number)
            if not math.isfinite(found) or (isinstance(found, int) and abs(found) > self.grammar.largest):
                raise NotLiteralError
            return found
        for pattern in dict.fromkeys((self.grammar.vector, self.grammar.mapping)):
            opening = self.match(pattern) if pattern else None
            if opening is not None:
                value = self.collection(is_mapping=pattern == self.grammar.mapping)
                if not self.grammar.is_certain(opening, value):
                    raise NotLiteralError
                return value
        word = self.match(r"\$?[A-Za-z_.][\w.]*")
        if word is None or word not in self.grammar.words:
            raise NotLiteralError
        return self.grammar.words[word]

    def string(self) -> str | None:
        for quote in self.grammar.quotes:
            text = self.match(quote.pattern)
            if text is not None:
                return quote.decode(text)
        return None

    def collection(self, *, is_mapping: bool) -> Literal:
        items = list(self.items())
        if is_mapping and not items and self.grammar.empty_mapping:
            return {}
        named = {name: value for name, value in items if name is not None}
        if not named:
            return [value for _, value in items]
        if not is_mapping or len(named) < len(items):
            raise NotLiteralError
        return named

    def items(self) -> Iterator[tuple[str | None, Literal]]:
        while self.match(r"[\])}]") is None:
            yield self.key(), self.value()
            if self.match(self.grammar.separator) is not None:
                continue
            if self.match(r"[\])}]") is not None:
                return
            if not (self.grammar.spaces_separate and re.compile(r"\s").match(self.text, self.position)):
                raise NotLiteralError

    def key(self) -> str | None:
        grammar = self.grammar
        name = self.match(rf"(?:{grammar.key}|{grammar.string})(?=\s*(?:{grammar.arrow}))")
        if name is None:
            return None
        if self.match(grammar.arrow) is None:
            raise NotLiteralError
        name = name[1:-1].strip() if name.startswith("[") else name
        quote = next((one for one in grammar.quotes if re.fullmatch(one.pattern, name, re.DOTALL)), None)
        return quote.decode(name) if quote else name

    def match(self, pattern: str) -> str | None:
        found = re.compile(rf"\s*({pattern})", re.DOTALL).match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found[1]

    def end(self) -> None:
        if self.text[self.position :].strip():
            raise NotLiteralError


def _number(text: str) -> int | float:
    plain = text.replace("_", "").rstrip("L")
    if re.fullmatch(r"-?\d{1,40}", plain):
        return int(plain)
    number = float(plain)
    return int(number) if text.endswith("L") and math.isfinite(number) else number
