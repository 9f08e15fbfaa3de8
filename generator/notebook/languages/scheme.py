"""Read a Scheme parameters cell: ``(define x 1)``, ``"text"``, ``#t``, ``'(1 2)``, ``(list "a" "b")``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from generator.notebook.languages.grammar import NotLiteralError, escaping
from generator.notebook.languages.scanner import hint_and_doc
from generator.notebook.parameters import Literal, Missing, Parameter, Reading, Remark
from generator.shared.errors import Mistake

_STRING = escaping('"', escapes={"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "a": "\a"})
_PIECE = re.compile(
    rf"(?P<string>{_STRING.pattern})|(?P<open>\".*)|(?P<block>#\|(?:.*?\|#|.*))|(?P<comment>;[^\n]*)"
    r"|(?P<opening>[(\[])|(?P<closing>[)\]])|(?P<quote>['`])|(?P<space>\s+)|(?P<atom>[^\s()\[\]\";'`]+)|.",
    re.DOTALL,
)
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}|(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d+)?)")
_NAME = re.compile(r"(?!\.+$)[\w!$%&*.:<=>?@^~+-]+")
"""Names that can be inputs: they become names of files, and words in documents. Scheme has others, such as ``a/b``."""
_WORDS: dict[str, Literal] = {"#t": True, "#f": False, "#true": True, "#false": False}


@dataclass(slots=True)
class _Form:
    """A form at the top level: its pieces with their kinds, and the comments of its lines."""

    line: int
    pieces: list[tuple[str, str]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    depth: int = 0
    last: int = 0

    @property
    def is_complete(self) -> bool:
        return self.depth == 0 and bool(self.pieces) and self.pieces[-1][0] != "quote"


def read(source: str) -> Reading:
    """Read the literal definitions at the top level of a Scheme cell."""
    lines = re.split(r"\r\n|\r|\n", source)
    parameters: dict[str, Parameter] = {}
    remarks: list[Remark] = []
    mistakes: list[Mistake] = []
    for form in _forms("\n".join(lines)):
        text = lines[form.line - 1]
        if not form.is_complete:
            message = "the cell is not valid Scheme: a bracket or a string that begins here is never closed"
            mistakes.append(Mistake(line=form.line, text=text, message=message))
            continue
        words = [piece for _, piece in form.pieces]
        if words[:1] == ["("] and words[1:2] in (["define"], ["set!"]) and form.pieces[2][0] == "atom":
            name = words[2]
            if not _NAME.fullmatch(name):
                rule = "the name of an input has letters, digits and !$%&*.:<=>?@^~+-_"
                message = f"{name[:60]!r} cannot be set by a run: {rule}"
                remarks.append(Remark(line=form.line, message=message))
                continue
            hint, doc = hint_and_doc(form.comments, lines, mistakes)
            if name in parameters:
                message = f"{name} is assigned again in line {form.line}; the last value counts"
                remarks.append(Remark(line=form.line, message=message))
            default = _literal(form.pieces[3:-1])
            parameters[name] = Parameter(name=name, line=form.line, text=text, default=default, hint=hint, doc=doc)
        else:
            message = f"ignored, not a literal definition of Scheme: {text[:300].strip()[:60]}"
            remarks.append(Remark(line=form.line, message=message))
            for call, name in pairwise(words):
                if call.endswith("!") and name in parameters:  # set! within another form, set-car!
                    parameters[name] = replace(parameters[name], default=Missing.COMPUTED)
    return Reading(parameters=tuple(parameters.values()), remarks=tuple(remarks), mistakes=tuple(mistakes))


def _forms(source: str) -> Iterator[_Form]:
    """Split a cell into its forms; a comment belongs to the form that ends in its line, or is still open."""
    form, done, line = _Form(1), None, 1
    for match in _PIECE.finditer(source):
        kind, piece = match.lastgroup or "atom", match[0]
        if kind == "comment":
            owner = form if form.pieces else done if done and done.last == line else None
            if owner:
                owner.comments.append((line, "#" + piece.lstrip(";")))
        elif kind not in ("space", "block"):
            if not form.pieces:
                form.line = line
            form.depth += (kind == "opening") - (kind == "closing")
            form.pieces.append((kind, piece))
            if form.is_complete or form.depth < 0 or kind == "open":
                if done:
                    yield done
                form.last = line
                done, form = form, _Form(line)
                done.depth += kind == "open"
        line += piece.count("\n")
    yield from (one for one in (done, form) if one and one.pieces)


def _literal(pieces: list[tuple[str, str]]) -> Literal | Missing:
    rest = pieces[::-1]
    try:
        value = _value(rest, quoted=False)
    except (NotLiteralError, RecursionError, IndexError):
        return Missing.COMPUTED
    return Missing.COMPUTED if rest else value


def _value(rest: list[tuple[str, str]], *, quoted: bool) -> Literal:
    """Take a value from the end of ``rest``."""
    kind, piece = rest.pop()
    if kind == "string":
        return _STRING.decode(piece)
    if kind == "quote" and piece == "'" and not quoted and rest[-1][0] == "opening":
        return _value(rest, quoted=True)
    if kind == "opening" and (quoted or rest.pop() == ("atom", "list")):
        items = []
        while rest[-1][0] != "closing":
            items.append(_value(rest, quoted=quoted))
        rest.pop()
        return items
    if kind == "atom" and piece in _WORDS:
        return _WORDS[piece]
    if kind == "atom" and _NUMBER.fullmatch(piece):
        return float(piece) if re.search(r"[.eE]", piece) else int(piece)
    raise NotLiteralError
