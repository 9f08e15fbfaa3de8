"""Read assignments with literal values in languages that Python's own parser cannot read.

R and Julia have similar literals: numbers, quoted strings, words such as ``TRUE`` or ``nothing``, and calls or
brackets that make vectors. A `Grammar` defines a language's syntax for them; `read_assignments` reports everything else
as a computed value or a remark, never as a guess.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from generator.notebook.hints import TYPE_COMMENT, UnknownHintError, parse_hint
from generator.notebook.parameters import Hint, Literal, Missing, Parameter, Reading, Remark
from generator.shared.errors import Mistake

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
    """The syntax of a language's assignments and literals.

    ``assignment`` matches a whole statement with the groups ``name``, ``value`` and possibly ``type``; ``block`` the
    beginning of a statement that continues until its ``end``; ``scope`` a statement whose assignments are local.
    """

    name: str
    assignment: re.Pattern[str]
    words: Mapping[str, Literal]
    vector: str
    mapping: str | None
    number: re.Pattern[str]
    escapes_interpolate: str = ""
    empty_mapping: bool = False
    block: re.Pattern[str] | None = None
    scope: str = r"function\b|\w+\s*\("


class _NotLiteralError(Exception):
    """The value is not a literal: it is known only when the cell runs."""


@dataclass(frozen=True, slots=True)
class _Statement:
    line: int
    text: str
    comments: tuple[tuple[int, str], ...]
    open: bool = False


def read_assignments(source: str, grammar: Grammar) -> Reading:
    """Read the literal assignments at the top level of ``source``."""
    parameters: dict[str, Parameter] = {}
    remarks: list[Remark] = []
    mistakes: list[Mistake] = []
    lines = source.splitlines()
    for statement in _statements(source, grammar):
        match = grammar.assignment.fullmatch(statement.text)
        line_text = lines[statement.line - 1]
        if statement.open:
            message = (
                f"the cell is not valid {grammar.name}: a bracket, a string or a block that begins here is never closed"
            )
            mistakes.append(Mistake(line=statement.line, text=line_text, message=message))
            continue
        if match is None or (grammar.block and grammar.block.match(statement.text)):
            _pass_over(statement, grammar, parameters, remarks)
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


def _pass_over(
    statement: _Statement, grammar: Grammar, parameters: dict[str, Parameter], remarks: list[Remark]
) -> None:
    """Add a remark for a statement that is not a literal assignment, and drop the values of names that it assigns."""
    first = statement.text.splitlines()[0]
    message = f"ignored, not a literal assignment of {grammar.name}: {first[:60]}"
    remarks.append(Remark(line=statement.line, message=message))
    if re.match(grammar.scope, statement.text):
        return
    for name in dict.fromkeys(re.findall(r"(?<![\w.$])([^\W\d][\w.]*)\s*(?:<<?-|=(?![=>]))", statement.text)):
        if name in parameters:
            parameters[name] = replace(parameters[name], default=Missing.COMPUTED)
            message = f"{name} is assigned again in line {statement.line}: its default is known only when the cell runs"
            remarks.append(Remark(line=statement.line, message=message))


def literal(text: str, grammar: Grammar) -> Literal | Missing:
    """Return the value of a literal, or COMPUTED."""
    parser = _Parser(text.strip(), grammar)
    try:
        value = parser.value()
        parser.end()
    except (_NotLiteralError, RecursionError):
        return Missing.COMPUTED
    return value


def _comment(
    statement: _Statement, declared: str | None, lines: list[str], mistakes: list[Mistake], remarks: list[Remark]
) -> tuple[Hint | None, str]:
    hint, doc = hint_and_doc(statement.comments, lines, mistakes)
    if declared and hint is None:
        try:
            return parse_hint(_declared(declared))[0], doc
        except UnknownHintError:
            message = f"the declared type {declared!r} has no counterpart in CWL; the type comes from the value"
            remarks.append(Remark(line=statement.line, message=message))
    return hint, doc


def hint_and_doc(
    comments: Sequence[tuple[int, str]], lines: Sequence[str], mistakes: list[Mistake]
) -> tuple[Hint | None, str]:
    """Read the type and the doc text from the comments of a statement."""
    doc = ""
    for line, comment in comments:
        typed = TYPE_COMMENT.search(comment)
        if typed:
            try:
                return parse_hint(typed["hint"].strip())
            except UnknownHintError as error:
                mistakes.append(Mistake(line=line, text=lines[line - 1], message=str(error)))
                return None, ""
        doc = doc or comment.lstrip("#").strip()
    return None, doc


def _declared(name: str) -> str:
    return re.sub(r"(?i)^(u?int|float)\d*$", r"\1", name.strip()).removeprefix("U").replace("AbstractString", "string")


def _statements(source: str, grammar: Grammar) -> Iterator[_Statement]:
    """Split at newlines and ``;``, unless a bracket or block is open or the line ends with an operator."""
    quoted = rf'"""(?:[^\\]|\\.)*?"""|{_STRING}'
    piece_of = re.compile(rf"{quoted}|#=.*?=#|#[^\n]*|[\[({{]|[\])}}]|\n|;|[^\"'#\[({{\])}}\n;]+|.", re.DOTALL)
    text, comments, depth, line, first = "", [], 0, 1, 1
    words = ""  # the text without its strings, in which blocks are counted
    for match in piece_of.finditer(source + "\n"):
        piece = match[0]
        if not text.strip():
            first = line
        if piece.startswith("#"):
            if not piece.startswith("#="):
                comments.append((line, piece))
        elif piece in ("\n", ";") and depth <= 0 and not _goes_on(words, grammar):
            if text.strip():
                yield _Statement(first, text.strip(), tuple(comments), open=depth < 0)
            if piece == "\n" or text.strip():
                comments = []
            text, words, depth = "", "", 0
        else:
            depth += 1 if piece in "[({" else -1 if piece in "])}" else 0
            text += piece
            words += '""' if piece[0] in "\"'" and len(piece) > 1 else piece
        line += piece.count("\n")
    if text.strip():
        yield _Statement(first, text.strip(), tuple(comments), open=True)


def _goes_on(words: str, grammar: Grammar) -> bool:
    if re.search(r"(<-|=|,|\|)\s*$", words):
        return True
    if grammar.block is None or not grammar.block.match(words.lstrip()):
        return False
    opened = re.findall(r"(?<![\w.:])(?:function|if|for|while|let|begin|struct|module|macro|try|quote|do)\b", words)
    return len(re.findall(r"(?<![\w.:])end\b", words)) < len(opened)


class _Parser:
    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.grammar = grammar
        self.position = 0

    def value(self) -> Literal:
        string = self.match(_STRING)
        if string is not None:
            return self.unquote(string)
        number = self.match(self.grammar.number.pattern)
        if number is not None:
            value = _number(number)
            if isinstance(value, float) and not math.isfinite(value):
                raise _NotLiteralError
            return value
        if self.match(self.grammar.vector) is not None:
            return self.unnamed(list(self.items()))
        if self.grammar.mapping and self.match(self.grammar.mapping) is not None:
            items = list(self.items())
            if not items and self.grammar.empty_mapping:
                return {}
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

    def unquote(self, quoted: str) -> str:
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
    if re.fullmatch(r"-?\d{1,40}", plain):
        return int(plain)
    number = float(plain)
    return int(number) if text.endswith("L") and math.isfinite(number) else number
