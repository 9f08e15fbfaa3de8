"""Assignments with literal values in languages that Python's own parser cannot read.

R and Julia write literals alike: numbers, quoted strings, words such as ``TRUE`` or ``nothing``, and calls or
brackets that make vectors. A `Grammar` says how a language spells them; `read_assignments` does the rest. What it does
not understand is a computed value or a remark, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from generator.errors import Mistake
from generator.hints import TYPE_COMMENT, UnknownHintError, parse_hint
from generator.parameters import Hint, Literal, Missing, Parameter, Reading, Remark

_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "0": "\0",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "$": "$",
    "`": "`",
    "a": "\a",
    "b": "\b",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Grammar:
    """How a language spells assignments and literals.

    ``assignment`` matches a whole statement with the groups ``name``, ``value`` and possibly ``type``.
    """

    name: str
    assignment: re.Pattern[str]
    words: Mapping[str, Literal]
    vector: str
    mapping: str | None
    number: re.Pattern[str]
    escapes_interpolate: str = ""


class _NotLiteralError(Exception):
    """The value is no literal: only running the cell gives it."""


@dataclass(frozen=True, slots=True)
class _Statement:
    line: int
    text: str
    comments: tuple[tuple[int, str], ...]


def read_assignments(source: str, grammar: Grammar) -> Reading:
    """The literal assignments at the top level of ``source``."""
    parameters: dict[str, Parameter] = {}
    remarks: list[Remark] = []
    mistakes: list[Mistake] = []
    lines = source.splitlines()
    for statement in _statements(source):
        match = grammar.assignment.fullmatch(statement.text)
        line_text = lines[statement.line - 1]
        if match is None:
            first = statement.text.splitlines()[0]
            message = f"passed over, no literal assignment of {grammar.name}: {first[:60]}"
            remarks.append(Remark(line=statement.line, message=message))
            continue
        name = match["name"]
        hint, doc = _comment(statement, match.groupdict().get("type"), lines, mistakes, remarks)
        if name in parameters:
            message = f"{name} is assigned again in line {statement.line}; the last value counts"
            remarks.append(Remark(line=statement.line, message=message))
        default = literal(match["value"], grammar)
        parameters[name] = Parameter(
            name=name, line=statement.line, text=line_text, default=default, hint=hint, doc=doc
        )
    return Reading(parameters=tuple(parameters.values()), remarks=tuple(remarks), mistakes=tuple(mistakes))


def literal(text: str, grammar: Grammar) -> Literal | Missing:
    """The value of a literal, or COMPUTED."""
    parser = _Parser(text.strip(), grammar)
    try:
        value = parser.value()
        parser.end()
    except _NotLiteralError:
        return Missing.COMPUTED
    return value


def _comment(
    statement: _Statement, declared: str | None, lines: list[str], mistakes: list[Mistake], remarks: list[Remark]
) -> tuple[Hint | None, str]:
    doc = ""
    for line, comment in statement.comments:
        typed = TYPE_COMMENT.search(comment)
        if typed:
            try:
                return parse_hint(typed["hint"].strip())
            except UnknownHintError as error:
                mistakes.append(Mistake(line=line, text=lines[line - 1], message=str(error)))
                return None, ""
        doc = doc or comment.lstrip("#").strip()
    if declared:
        try:
            return parse_hint(_declared(declared))[0], doc
        except UnknownHintError:
            message = f"the declared type {declared!r} has no counterpart in CWL; the type comes from the value"
            remarks.append(Remark(line=statement.line, message=message))
    return None, doc


def _declared(name: str) -> str:
    return re.sub(r"(?i)^(u?int|float)\d*$", r"\1", name.strip()).removeprefix("U").replace("AbstractString", "string")


def _statements(source: str) -> Iterator[_Statement]:
    """Top-level statements: a newline or ``;`` ends one unless a bracket or string is open or an operator dangles."""
    token = re.compile(
        rf'"""(?:[^\\]|\\.)*?"""|{_STRING}|#[^\n]*|[\[({{]|[\])}}]|\n|;|[^"\'#\[({{\])}}\n;]+|.', re.DOTALL
    )
    text, comments, depth, line, first = "", [], 0, 1, 1
    for match in token.finditer(source + "\n"):
        piece = match[0]
        if not text.strip():
            first = line
        if piece.startswith("#"):
            comments.append((line, piece))
        elif piece in ("\n", ";") and depth == 0 and not re.search(r"(<-|=|,|\|)\s*$", text):
            if piece == "\n" or text.strip():
                if text.strip():
                    yield _Statement(first, text.strip(), tuple(comments))
                if piece == "\n" or text.strip():
                    comments = []
                text = ""
        else:
            depth += 1 if piece in "[({" else -1 if piece in "])}" else 0
            text += piece
        line += piece.count("\n")


class _Parser:
    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.grammar = grammar
        self.position = 0

    def value(self) -> Literal:
        string = self.match(_STRING)
        if string is not None:
            return self.unquoted(string)
        number = self.match(self.grammar.number.pattern)
        if number is not None:
            return _number(number)
        if self.match(self.grammar.vector) is not None:
            return self.unnamed(list(self.items()))
        if self.grammar.mapping and self.match(self.grammar.mapping) is not None:
            items = list(self.items())
            if items and all(name is not None for name, _ in items):
                return {str(name): value for name, value in items}
            return self.unnamed(items)
        word = self.match(r"[A-Za-z_.][\w.]*")
        if word is None or word not in self.grammar.words:
            raise _NotLiteralError
        return self.grammar.words[word]

    def unnamed(self, items: list[tuple[str | None, Literal]]) -> Literal:
        if any(name is not None for name, _ in items):
            raise _NotLiteralError
        return [value for _, value in items]

    def items(self) -> Iterator[tuple[str | None, Literal]]:
        while self.match(r"[\])]") is None:
            name = self.match(rf"(?:[A-Za-z.][\w.]*(?=\s*=)|(?:{_STRING})(?=\s*=))")
            if name is not None:
                arrow = self.match(r"=>?")
                name = name.strip("\"'")
                if arrow is None:
                    raise _NotLiteralError
            yield name, self.value()
            if self.match(",") is None:
                if self.match(r"[\])]") is None:
                    raise _NotLiteralError
                return

    def match(self, pattern: str) -> str | None:
        found = re.compile(rf"\s*({pattern})", re.DOTALL).match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found[1]

    def end(self) -> None:
        if self.text[self.position :].strip():
            raise _NotLiteralError

    def unquoted(self, quoted: str) -> str:
        inner = quoted[1:-1]
        mark = self.grammar.escapes_interpolate
        if mark and re.search(rf"(?<!\\){re.escape(mark)}", inner):
            raise _NotLiteralError
        known = "".join(re.escape(c) for c in _ESCAPES)
        if re.search(rf"\\[^{known}]", inner):
            raise _NotLiteralError
        return re.sub(r"\\(.)", lambda m: _ESCAPES[m[1]], inner)


def _number(text: str) -> int | float:
    plain = text.replace("_", "").rstrip("L")
    if text.endswith("L") or re.fullmatch(r"-?\d+", plain):
        return int(float(plain))
    return float(plain)
