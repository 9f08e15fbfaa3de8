"""Split a cell into statements: text, line and comments of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from generator.notebook.languages.grammar import Grammar

_UNFINISHED = ("<-", "=", ",", "|")
"""A line that ends with one of these goes on in the next."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement with its first line, from 1; its comments, by line, begin with ``#`` in every language."""

    line: int
    text: str
    comments: tuple[tuple[int, str], ...]
    open: bool = False
    """Whether a bracket, a string or a block in it is never closed."""
    keyword: str = ""
    """The keyword of a declaration, written only before its first name."""
    is_separate: bool = True
    """Whether a mark such as ``;`` is before it, so that it cannot belong to the statement of the line before."""


def statements(source: str, grammar: Grammar) -> Iterator[Statement]:
    """Split at newlines and ``;``, unless a bracket or a block is open or an operator is at either side of the newline.

    Several declarations with one keyword are a statement each.
    """
    parts: list[Statement] = []
    for statement in _statements_of_lines(source, grammar):
        if parts and not statement.is_separate and grammar.continues.match(statement.text):
            parts.append(statement)
            continue
        if parts:
            yield _joined(parts)
            parts = []
        if grammar.assignment.fullmatch(statement.text):
            parts = [statement]
        else:
            yield statement
    if parts:
        yield _joined(parts)


def _joined(parts: list[Statement]) -> Statement:
    comments = tuple(comment for part in parts for comment in part.comments)
    text = "\n".join(part.text for part in parts)
    return replace(parts[0], text=text, comments=comments, open=any(part.open for part in parts))


def _statements_of_lines(source: str, grammar: Grammar) -> Iterator[Statement]:
    splitter, line = _Splitter(grammar), 1
    for kind, piece in _pieces(source, grammar):
        splitter.begin(line)
        if kind == "comment":
            splitter.comments.append((line, "#" + re.sub(rf"^(?:{grammar.comment})+", "", piece)))
        elif kind == "unclosed":
            splitter.begun.add(kind, piece)
            break
        elif splitter.ends(kind):
            yield from splitter.end(piece)
        elif kind != "block":
            splitter.begun.add(kind, " " if kind == "continuation" else piece)
        line += piece.count("\n")
    yield from splitter.rest()


def _pieces(source: str, grammar: Grammar) -> Iterator[tuple[str, str]]:
    """Split source into pieces with their kinds: a string, a comment, a bracket, the end of a statement, other text.

    A string or a block comment that is never closed goes to the end, so that nothing is searched twice.
    """
    begin, end = grammar.block_comment
    kinds = {
        "string": grammar.string,
        "unclosed": _unclosed(grammar, one_line=False),
        "rest": _unclosed(grammar, one_line=True),
        "block": f"{begin}(?:.*?{end}|.*)" if begin else "(?!)",
        "comment": rf"(?:{grammar.comment})[^\n]*",
        "continuation": grammar.continuation,
        "opening": r"[\[({]",
        "closing": r"[\])}]",
        "end": r"[\n;]",
        "comma": ",",
    }
    pattern = "|".join(f"(?P<{kind}>{one})" for kind, one in kinds.items())
    for match in re.compile(rf"{pattern}|[\w \t=]+|.", re.DOTALL | re.MULTILINE).finditer(source + "\n"):
        yield match.lastgroup or "text", match[0]


def _unclosed(grammar: Grammar, *, one_line: bool) -> str:
    found = [quote.unclosed for quote in grammar.quotes if quote.unclosed and quote.one_line is one_line]
    return "|".join(f"(?:{pattern})" for pattern in found) or "(?!)"


@dataclass(slots=True)
class _Begun:
    """A statement of which more may follow."""

    grammar: Grammar
    inherited: str = ""
    """The keyword of the declaration before a comma."""
    line: int = 0
    parts: list[str] = field(default_factory=list)
    is_blank: bool = True
    depth: int = 0
    words: list[str] = field(default_factory=list)
    """The text of the current line outside of strings and brackets."""
    blocks: int = 0
    is_block: bool | None = None
    is_unfinished: bool = False
    is_separate: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts).strip()

    @property
    def has_value(self) -> bool:
        """Whether a declaration has its value; a comma before it is part of a type."""
        return any("=" in part for part in self.parts[:50])

    @property
    def keyword(self) -> str:
        """The keyword of a declaration, or ''."""
        match = self.grammar.keyword.match("".join(self.parts[:10]).lstrip())
        return match[1] if match else self.inherited

    def statement(self, comments: tuple[tuple[int, str], ...]) -> Statement:
        return Statement(
            self.line,
            self.text,
            comments,
            open=self.depth < 0,
            keyword=self.keyword,
            is_separate=self.is_separate,
        )

    def add(self, kind: str, piece: str) -> None:
        self.depth += (kind == "opening") - (kind == "closing")
        self.parts.append(piece)
        self.is_blank = self.is_blank and not piece.strip()
        if self.depth <= 0:
            self.words.append('""' if kind == "string" else piece)

    def goes_on(self) -> bool:
        """Check at the end of a line whether the statement does not end with it."""
        grammar, words = self.grammar, "".join(self.words).rstrip()
        if words:
            self.is_unfinished = words.endswith(_UNFINISHED)
        if self.is_block is None:
            self.is_block = grammar.block is not None and grammar.block.match(self.text) is not None
        if self.is_block:
            self.blocks += len(re.findall(grammar.opens, words)) - len(re.findall(grammar.closes, words))
        self.words = []
        return self.is_unfinished or self.blocks > 0


class _Splitter:
    """Collects pieces; a statement waits for the end of its line, since a comment may follow."""

    def __init__(self, grammar: Grammar) -> None:
        self.begun = _Begun(grammar)
        self.comments: list[tuple[int, str]] = []
        self._grammar = grammar
        self._waiting: _Begun | None = None
        self._declared = ""
        """The keyword of the declaration in the line before, which a comma may continue."""

    def begin(self, line: int) -> None:
        if self.begun.is_blank:
            self.begun.line = line

    def ends(self, kind: str) -> bool:
        """Check whether a piece ends the statement; a comma ends one of several declarations."""
        if self.begun.depth > 0:
            return False
        if kind == "comma":
            return self._declared != "" if self.begun.is_blank else self.begun.has_value and self.begun.keyword != ""
        return kind == "end" and not self.begun.goes_on()

    def end(self, piece: str) -> Iterator[Statement]:
        begun = self.begun
        if self._waiting and not begun.is_blank:
            yield self._waiting.statement(())
            self._waiting, self.comments = None, self.comments if piece == "\n" else []
        if not begun.is_blank:
            self._waiting = begun
        if piece == "\n":
            yield from self._end_line()
        keyword = self._declared if piece == "," and begun.is_blank else begun.keyword
        if not begun.is_blank and not self._grammar.continues.match(begun.text):
            self._declared = keyword
        goes_on = piece == "," or (begun.is_blank and piece == "\n")
        is_separate = piece != "\n" or (begun.is_blank and begun.is_separate)
        self.begun = _Begun(self._grammar, inherited=keyword if goes_on else "", is_separate=is_separate)

    def _end_line(self) -> Iterator[Statement]:
        if self._waiting:
            yield self._waiting.statement(tuple(self.comments))
        self._waiting, self.comments = None, []

    def rest(self) -> Iterator[Statement]:
        """Return the last statements; what is not blank was never closed."""
        yield from self._end_line()
        if not self.begun.is_blank:
            yield Statement(self.begun.line, self.begun.text, (), open=True)
