"""Read assignments with literal values in languages that Python's own parser cannot read.

These languages have similar literals: numbers, quoted strings, words such as ``TRUE`` or ``nothing``, and calls or
brackets that make lists. A `Grammar` defines a language's syntax for them; `read_assignments` reports everything else
as a computed value or a remark, never as a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from generator.notebook.hints import TYPE_COMMENT, UnknownHintError, parse_hint
from generator.notebook.languages.changes import changed_names, names_changed_by_value
from generator.notebook.languages.grammar import Grammar
from generator.notebook.languages.literal_text import literal
from generator.notebook.languages.statements import Statement, statements
from generator.notebook.literals import fits
from generator.notebook.parameters import Format, Hint, Literal, Missing, Parameter, Reading, Remark
from generator.shared.errors import Mistake

_LINE_ENDS = re.compile(r"\r\n|\r|\n")


def declarations(source: str, grammar: Grammar) -> dict[str, tuple[str, str]]:
    """Return the keyword and the type, or '', with which each name is declared at the top level."""
    found = {}
    for statement in statements("\n".join(_LINE_ENDS.split(source)), grammar):
        match = grammar.assignment.fullmatch(statement.text)
        if match and not statement.open:
            found[match["name"]] = (statement.keyword, (match.groupdict().get("type") or "").strip())
    return found


def read_assignments(source: str, grammar: Grammar) -> Reading:
    """Read the literal assignments at the top level of ``source``."""
    parameters: dict[str, Parameter] = {}
    remarks: list[Remark] = []
    mistakes: list[Mistake] = []
    lines = _LINE_ENDS.split(source)
    for statement in statements("\n".join(lines), grammar):
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
        name, default = match["name"], literal(match["value"], grammar)
        if default is Missing.COMPUTED:
            for other in names_changed_by_value(match["value"], grammar):
                _drop_value(other, statement.line, parameters, remarks)
        hint, doc = hint_and_doc(statement.comments, lines, mistakes)
        hint = hint or _declared(statement, match.groupdict().get("type"), default, grammar, remarks)
        if name in parameters:
            message = f"{name} is assigned again in line {statement.line}; the last value counts"
            remarks.append(Remark(line=statement.line, message=message))
        native = False
        if default is Missing.COMPUTED and grammar.date and hint and hint.format in (Format.DATE, Format.DATETIME):
            default, native = _date(match["value"], grammar.date)
        parameters[name] = Parameter(
            name=name, line=statement.line, text=line_text, default=default, hint=hint, doc=doc, native=native
        )
    return Reading(parameters=tuple(parameters.values()), remarks=tuple(remarks), mistakes=tuple(mistakes))


def _pass_over(statement: Statement, grammar: Grammar, parameters: dict[str, Parameter], remarks: list[Remark]) -> None:
    """Add a remark for a statement that is not a literal assignment, and drop the values of names that it changes."""
    first = statement.text.splitlines()[0]
    message = f"ignored, not a literal assignment of {grammar.name}: {first[:60]}"
    remarks.append(Remark(line=statement.line, message=message))
    for name in changed_names(statement.text, grammar):
        _drop_value(name, statement.line, parameters, remarks)


def _drop_value(name: str, line: int, parameters: dict[str, Parameter], remarks: list[Remark]) -> None:
    """Count the value of a parameter as computed, because a line assigns it in another way."""
    if name in parameters:
        parameters[name] = replace(parameters[name], default=Missing.COMPUTED)
        message = f"{name} is assigned again or changed in line {line}: its default is known only when the cell runs"
        remarks.append(Remark(line=line, message=message))


def _date(value: str, pattern: re.Pattern[str]) -> tuple[Literal | Missing, bool]:
    """Return a literal date as text, and whether the value is a date of the language."""
    match = pattern.match(value.strip())
    if match is None:
        return Missing.COMPUTED, False
    found = match.groupdict()
    if parts := found.get("parts"):
        year, *others = (int(part) for part in parts.split(","))
        month, day = (*others, 1, 1)[:2]
        return f"{year:04}-{month:02}-{day:02}", True
    return found.get("text") or Missing.COMPUTED, True


def _declared(
    statement: Statement, declared: str | None, default: Literal | Missing, grammar: Grammar, remarks: list[Remark]
) -> Hint | None:
    """Read the type of a declaration."""
    if not declared or not declared.strip():
        return None
    try:
        hint = parse_hint(grammar.declared(declared.strip()))[0]
        is_fit = default is None or isinstance(default, Missing) or fits(default, hint)
        return hint if is_fit or not hint.format else replace(hint, format=None)
    except UnknownHintError:
        message = f"the declared type {declared.strip()!r} has no counterpart in CWL; the type comes from the value"
        remarks.append(Remark(line=statement.line, message=message))
        return None


def hint_and_doc(
    comments: Sequence[tuple[int, str]], lines: Sequence[str], mistakes: list[Mistake]
) -> tuple[Hint | None, str]:
    """Read the type and the doc text from the comments of a statement, which begin with ``#`` in every language."""
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
