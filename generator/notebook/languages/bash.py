"""Read a bash parameters cell: ``name=value``, ``name="a b"``, ``names=(a b)``, ``true``; quoting, but no expansion."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace

from generator.notebook.languages.scanner import hint_and_doc
from generator.notebook.languages.shell_changes import changed_names
from generator.notebook.languages.shell_words import QUOTED, is_followed, literal
from generator.notebook.parameters import Missing, Parameter, Reading, Remark, Role
from generator.shared.errors import Mistake

_PIECE = re.compile(
    r"""'[^']*'|\$'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\\.|[^\S\n]+|\n|;|[()]|#|(?:[^'"\\\s;()#$]|\$(?!'))+|.""",
    re.DOTALL,
)
_HERE_DOCUMENT = re.compile(
    r"(?<!<)<<(?!<)(?P<tab>-?)[^\S\n]*(?:\\?(?P<word>[\w.-]+)|(?P<quote>['\"])(?P<quoted>[^'\"\n]+)(?P=quote))"
)
_LONGEST_WORD = 200
"""Characters of a line that ends a here-document."""
_ASSIGNMENT = re.compile(
    r"(?:(?:export|readonly|declare|typeset)\s+(?P<flags>(?:-\w+\s+)*))?(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL
)
_OPENS, _CLOSES = {"if", "for", "while", "until", "case", "{", "select"}, {"fi", "done", "esac", "}"}
_DECLARES = {"readonly", "declare", "typeset", "export", "integer", "float"}
_FUNCTION = re.compile(r"\s*(?:function\s+[\w:.-]+\s*(?:\(\s*\))?|[\w:.-]+\s*\(\s*\))\s*(?=\{|$)")
"""The beginning of a function, whose body may begin in the next statement."""
_PRECEDES = {";", "then", "do", "else", "{", "!", "&&", "||", "builtin", "command"}
"""Words after which a command begins."""


@dataclass(frozen=True, slots=True)
class _Statement:
    line: int
    text: str
    comments: tuple[tuple[int, str], ...]
    open: bool = False


def read(source: str, *, name: str = "bash") -> Reading:
    """Read the literal assignments at the top level of a cell of bash, or of a shell with this name.

    A variable that the cell makes read-only is left out, because the shell ignores the value of a run.
    """
    parameters: dict[str, Parameter] = {}
    remarks: list[Remark] = []
    mistakes: list[Mistake] = []
    read_only: set[str] = set()
    lines = source.split("\n")
    depth, function = 0, _FunctionBodies()
    for statement in _statements(source):
        if statement.open:
            message = f"the cell is not valid {name}: a quote or bracket that begins here is never closed"
            mistakes.append(Mistake(line=statement.line, text=lines[statement.line - 1], message=message))
            continue
        read_only.update(_names_made_read_only(statement.text, local=function.has(statement.text)))
        words = re.findall(r"(?:^|(?<=\s))(?:\w+|[{}])(?=\s|$)", statement.text)
        match = _ASSIGNMENT.fullmatch(statement.text)
        if match is None or depth or is_followed(match["value"]):
            if not depth:
                message = f"ignored, not a plain assignment of {name}: {statement.text.splitlines()[0][:60]}"
                remarks.append(Remark(line=statement.line, message=message))
            _forget(statement.text, parameters)
            depth = max(0, depth + sum(word in _OPENS for word in words) - sum(word in _CLOSES for word in words))
            continue
        variable, value = match["name"], literal(match["value"])
        if value is Missing.COMPUTED:
            _forget(match["value"], parameters)
        if _is_converted(match["flags"] or "", value):
            value = Missing.COMPUTED
        hint, doc = hint_and_doc(statement.comments, lines, mistakes)
        if variable in parameters:
            message = f"{variable} is assigned again in line {statement.line}; the last value counts"
            remarks.append(Remark(line=statement.line, message=message))
        text = lines[statement.line - 1]
        parameters[variable] = Parameter(
            name=variable, line=statement.line, text=text, default=value, hint=hint, doc=doc
        )
    settable = []
    for one in parameters.values():
        if one.name not in read_only or _is_output(one):
            settable.append(one)
            continue
        message = f"{one.name} is not an input: it is read-only, so a run cannot set it; assign it without readonly"
        remarks.append(Remark(line=one.line, message=message))
    return Reading(parameters=tuple(settable), remarks=tuple(remarks), mistakes=tuple(mistakes))


def _is_output(parameter: Parameter) -> bool:
    return parameter.hint is not None and parameter.hint.role is Role.STAGE_OUT


class _FunctionBodies:
    """Which statements, read in order, are in the body of a function."""

    def __init__(self) -> None:
        self._depth: int | None = None
        """Braces that are open in the body, 0 before its first one; None outside of a function."""

    def has(self, text: str) -> bool:
        """Whether the next statement is in a body, also one that begins or ends there."""
        if self._depth is None and _FUNCTION.match(text):
            self._depth = 0
        if self._depth is None:
            return False
        braces = re.findall(r"(?:^|(?<=[\s)]))[{}](?=\s|$)", QUOTED.sub("", text))
        self._depth += sum(1 if brace == "{" else -1 for brace in braces)
        if self._depth <= 0 and (braces or not _FUNCTION.match(text)):
            self._depth = None
        return True


def _names_made_read_only(text: str, *, local: bool) -> list[str]:
    """Return the names that a statement makes read-only: ``readonly a=1 b``, ``declare -r c=2``.

    In a function, ``declare`` and ``typeset`` are ``local`` to it, unless they have ``-g``.
    """
    words = re.sub(r"\([^()]*\)", "", QUOTED.sub("", text)).split()
    names: list[str] = []
    command, flags, previous = "", "", ";"
    for word in words:
        if previous in _PRECEDES:
            command, flags = word, ""
        elif word.startswith("-"):
            flags += word
        elif (
            command in _DECLARES
            and (command == "readonly" or "r" in flags)
            and "f" not in flags  # functions
            and (not local or command == "readonly" or "g" in flags)
        ):
            names += re.findall(r"^[A-Za-z_]\w*(?=\+?=|$)", word)
        previous = word
    return names


def _is_converted(flags: str, value: object) -> bool:
    """Return whether flags of ``declare`` make another value of it: an associative array, a number, upper case."""
    others = set(flags) - set("- agrtx") - (set("i") if type(value) is int else set())
    return bool(others)


def _forget(text: str, parameters: dict[str, Parameter]) -> None:
    """Drop the literal values of names that a statement assigns or changes in another way."""
    for name in changed_names(text):
        if name in parameters:
            parameters[name] = replace(parameters[name], default=Missing.COMPUTED)


def _statements(source: str) -> Iterator[_Statement]:
    """Split a cell at newlines and semicolons outside of quotes, brackets and here-documents."""
    parts, is_blank, comments, depth, line, first, last = list[str](), True, [], 0, 1, 1, ""
    whole = source + "\n"
    documents = _HereDocuments(whole)
    pieces = _PIECE.finditer(whole)
    while match := next(pieces, None):
        piece, end = match[0], match.end()
        if is_blank:
            first = line
        if piece == "#" and (not parts or parts[-1].isspace() or last == "("):
            comment = source[match.start() : whole.index("\n", match.start())]
            comments.append((line, comment))
            pieces = _PIECE.finditer(whole, match.start() + len(comment))  # its quotes are text
            continue
        if "<<" in piece and not piece.startswith(("'", '"', "$'")):
            documents.note(match.start(), end)
        if piece == "\n":
            end = documents.end_of_those_noted(end)
            pieces = _PIECE.finditer(whole, end) if end > match.end() else pieces
        if piece in ("\n", ";") and depth == 0:
            if not is_blank:
                yield _Statement(first, _text(parts), tuple(comments))
            if piece == "\n" or not is_blank:
                comments = []
            parts, is_blank = [], True
        elif piece != "\\\n":
            depth += (piece == "(") - (piece == ")" and depth > 0)
            parts.append(piece)
            is_blank = is_blank and piece.isspace()
        line += whole.count("\n", match.start(), end)
        last = piece
        if piece in "'\"" and piece:  # a quote that no piece closes
            yield _Statement(first, _text(parts), (), open=True)
            return
    if text := _text(parts):
        yield _Statement(first, text, tuple(comments), open=True)


def _text(parts: list[str]) -> str:
    """Join the parts of a statement without the spaces around it, except for one that a backslash keeps."""
    end = len(parts)
    while end and parts[end - 1].isspace():
        end -= 1
    return "".join(parts[:end]).lstrip()


class _HereDocuments:
    """The here-documents of a cell (bash, "Here Documents"), whose lines are the input of a command."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._noted: list[str] = []
        self._starts: dict[str, list[int]] = {}
        """Positions of each line that may end one, with a tab in front for those after ``<<-``."""

    def note(self, start: int, end: int) -> None:
        """Note the here-documents whose ``<<`` is in a part of the cell that is not quoted."""
        for match in _HERE_DOCUMENT.finditer(self._source, start, end + _LONGEST_WORD):
            if match.start() >= end:
                return
            self._noted.append(match["tab"].replace("-", "\t") + (match["word"] or match["quoted"]))

    def end_of_those_noted(self, end: int) -> int:
        """Return the end of the here-documents of a line that ends at ``end``, which is the answer without any.

        What only looks like one, such as a shift by ``<<``, usually has no line that ends it.
        """
        noted, self._noted = self._noted, []
        for word in noted:
            end = self._find_end(word, end)
        return end

    def _find_end(self, word: str, start: int) -> int:
        if not self._starts:
            position = 0
            for line in self._source.split("\n"):
                for key in (line, "\t" + line.lstrip("\t")):
                    self._starts.setdefault(key, []).append(position)
                position += len(line) + 1
        starts = self._starts.get(word, [])
        first = bisect_left(starts, start)
        return self._source.index("\n", starts[first]) + 1 if first < len(starts) else start
