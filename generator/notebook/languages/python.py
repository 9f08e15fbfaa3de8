"""Read a Python parameters cell with ``ast`` and ``tokenize``.

A plain or annotated assignment to a name is a parameter; its value is the default if it is a literal. A name that is
assigned under a condition, changed afterwards or computed is a parameter whose default is known only when the cell
runs. Everything else is ignored with a remark.
"""

from __future__ import annotations

import ast
import math
import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from generator.notebook.hints import TYPE_COMMENT, UnknownHintError, parse_hint
from generator.notebook.languages.python_magics import magic_remarks
from generator.notebook.languages.python_statements import assignments_in, kind_of, names_in, rebound_names, targets_of
from generator.notebook.languages.python_text import blank_magics, comments_in, lines_of, syntax_mistake
from generator.notebook.languages.python_trees import parse_statements
from generator.notebook.literals import describe, fits, hint_of
from generator.notebook.parameters import Format, Hint, Literal, Missing, Parameter, Reading, Remark
from generator.shared.errors import Mistake

_TOOL_COMMENT = re.compile(
    r"#\s*(noqa|type\s*:\s*ignore|pylint|pragma|fmt|mypy|ruff|isort|pyright|nosec)\b", re.IGNORECASE
)
_MOST_REPEATED = 1_000_000
"""Names of an assignment times its characters: each is an input with a copy of value, type and description."""
_SHOWN, _LONGEST_NAME = 5, 60
"""Names in a remark, and characters of each: each target of a value has a remark."""
_PYTHON_CELL_MAGICS = {"time", "timeit", "capture", "prun"}


def read(source: str) -> Reading:
    """Read a Python parameters cell; a cell that cannot be parsed is reported as a mistake."""
    cell_magic = re.match(r"\s*%%(\w+)", source)
    if cell_magic and cell_magic[1] not in _PYTHON_CELL_MAGICS:
        message = f"the cell is not Python but '%%{cell_magic[1]}'; it gives no parameters"
        return Reading(remarks=(Remark(line=1, message=message),))
    source = textwrap.dedent(source)
    plain, passed_over = blank_magics(source)
    try:
        tree = parse_statements(plain)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Reading(mistakes=(syntax_mistake(source, error),))
    cell = _Cell(source, tree, comments_in(plain), passed_over)
    try:
        for statement in tree.body:
            cell.visit(statement)
    except RecursionError as error:
        return Reading(mistakes=(syntax_mistake(source, error),))
    cell.remarks += magic_remarks(source, tree)
    return cell.reading()


class _Cell:
    def __init__(self, source: str, tree: ast.Module, comments: dict[int, str], passed_over: dict[int, str]) -> None:
        self.lines = lines_of(source)
        self.last_on_line = {statement.end_lineno: statement for statement in tree.body}
        self.comments = comments
        self.passed_over = passed_over
        self.parameters: dict[str, Parameter] = {}
        self.remarks: list[Remark] = []
        self.mistakes: list[Mistake] = []
        self.values: dict[int, tuple[Literal | Missing, dict[str, None]]] = {}
        """By the ids of expressions, as one may have many targets: their values, and parameters in computed ones."""
        self.found_comments: dict[int, tuple[Hint | None, str]] = {}
        """The same for the comments of statements."""

    def reading(self) -> Reading:
        if self.passed_over:
            listed = ", ".join(f"{what} (line {line})" for line, what in sorted(self.passed_over.items()))
            self.remarks.append(
                Remark(line=min(self.passed_over), message=f"ignored, does not set a parameter: {listed}")
            )
        self.remarks.sort(key=lambda remark: remark.line)
        return Reading(
            parameters=tuple(self.parameters.values()), remarks=tuple(self.remarks), mistakes=tuple(self.mistakes)
        )

    def visit(self, statement: ast.stmt) -> None:
        self.read(statement)
        for name in sorted(rebound_names(statement) & self.parameters.keys()):
            self.mark_changed(name, statement, "is bound again or changed")

    def read(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Assign(value=ast.Lambda()):
                self.passed_over[statement.lineno] = "lambda"
            case ast.Assign():
                self.assign_all(statement)
            case ast.AnnAssign(target=ast.Name() as target):
                self.assign_annotated(target.id, statement)
            case ast.AnnAssign():
                self.cannot_set(statement.target, statement)
            case ast.AugAssign(target=ast.Name() as target):
                self.mark_changed(target.id, statement, "is changed in place")
            case ast.AugAssign():
                self.cannot_set(statement.target, statement)
            case ast.Delete():
                for gone in names_in(statement.targets):
                    self.delete(gone, statement)
            case (
                ast.If()
                | ast.For()
                | ast.AsyncFor()
                | ast.While()
                | ast.With()
                | ast.AsyncWith()
                | ast.Try()
                | ast.Match()
            ):
                self.block(statement)
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                pass
            case _:
                self.passed_over[statement.lineno] = kind_of(statement)

    def assign_all(self, statement: ast.Assign) -> None:
        for target in () if self.has_too_many_names(statement) else statement.targets:
            self.assign(target, statement.value, statement)

    def has_too_many_names(self, statement: ast.stmt) -> bool:
        """Return whether an assignment has so many names that its value and its comment would multiply; report it."""
        count = len(names_in(targets_of(statement)))
        size = sum(map(len, self.lines[statement.lineno - 1 : statement.end_lineno]))
        is_refused = count > 1 and count * size > _MOST_REPEATED
        if is_refused:
            message = f"{count} names are assigned at once in {size} characters, too many: use several lines"
            self.mistakes.append(Mistake(line=statement.lineno, text=self.text(statement), message=message))
        return is_refused

    def assign(self, target: ast.expr, value: ast.expr, statement: ast.stmt) -> None:
        match target:
            case ast.Name():
                self.add(target.id, self.value_of(value, target.id, statement), statement)
            case ast.Tuple() | ast.List():
                values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
                starred = any(isinstance(item, ast.Starred) for item in [*target.elts, *values])
                paired = len(values) == len(target.elts) and not starred
                for index, item in enumerate(target.elts):
                    self.assign(item, values[index] if paired else _COMPUTED_VALUE, statement)
            case ast.Starred():
                self.assign(target.value, _COMPUTED_VALUE, statement)
            case _:
                self.cannot_set(target, statement)

    def assign_annotated(self, name: str, statement: ast.AnnAssign) -> None:
        earlier = self.parameters.get(name)
        default: Literal | Missing = Missing.UNSET
        if statement.value is not None:
            default = self.value_of(statement.value, name, statement)
        elif earlier is not None:  # an annotation alone changes no value
            default = earlier.default
        annotation = ast.unparse(statement.annotation)
        try:
            hint = parse_hint(annotation)[0]
        except UnknownHintError:
            hint = None
            message = _explain_annotation(name, statement.annotation, has_value=default is not Missing.UNSET)
            self.remarks.append(Remark(line=statement.lineno, message=message))
        self.add(name, default, statement, annotated=hint)

    def add(self, name: str, default: Literal | Missing, statement: ast.stmt, annotated: Hint | None = None) -> None:
        hint, doc = self.comment_of(statement)
        earlier = self.parameters.get(name)
        if earlier:
            kept = earlier.default is Missing.UNSET
            message = f"{name} is assigned again in line {statement.lineno}; the last value counts"
            if not kept and not (isinstance(statement, ast.AnnAssign) and statement.value is None):
                self.remarks.append(Remark(line=statement.lineno, message=message))
        if annotated is not None and hint is None:
            annotated = self.without_misfit(annotated, default, name, statement)
        chosen = hint or annotated or (earlier.hint if earlier else None)
        native = False
        if chosen is not None and chosen.format in (Format.DATE, Format.DATETIME):
            default, native = _date_default(default, statement, is_annotated=annotated is not None)
        self.parameters[name] = Parameter(
            name=name,
            line=statement.lineno,
            text=self.text(statement),
            default=default,
            hint=chosen,
            doc=doc or (earlier.doc if earlier else ""),
            native=native,
        )

    def without_misfit(self, hint: Hint, default: Literal | Missing, name: str, statement: ast.stmt) -> Hint:
        """Return an annotation without a form and bounds that the default lacks: type checkers do not know them."""
        plain = replace(hint, format=None, bounds=None)
        if plain == hint or default is None or isinstance(default, Missing) or fits(default, hint):
            return hint
        message = f"{name}: its value is not {describe(hint)}, as its annotation has it; values are not checked for it"
        self.remarks.append(Remark(line=statement.lineno, message=message))
        return plain

    def comment_of(self, statement: ast.stmt) -> tuple[Hint | None, str]:
        """Read the hint and the doc from the comments on the statement's lines, once for all of its names."""
        if id(statement) not in self.found_comments:
            self.found_comments[id(statement)] = self.read_comments(statement)
        return self.found_comments[id(statement)]

    def read_comments(self, statement: ast.stmt) -> tuple[Hint | None, str]:
        doc = ""
        for line, comment in self.comments_of(statement):
            typed = TYPE_COMMENT.search(comment)
            if typed:
                try:
                    return parse_hint(typed["hint"].strip())
                except UnknownHintError as error:
                    self.mistakes.append(Mistake(line=line, text=self.lines[line - 1], message=str(error)))
                    return None, ""
            if not _TOOL_COMMENT.match(comment):
                doc = doc or comment.lstrip("#").strip()
        return None, doc

    def comments_of(self, statement: ast.stmt) -> Iterator[tuple[int, str]]:
        """Yield the comments on a statement's lines; a comment belongs to the last statement on its line."""
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        for line in (last, *range(first, last)):
            owner = self.last_on_line.get(line, statement)
            is_outer = owner.lineno < statement.lineno
            if line in self.comments and (owner is statement or is_outer):
                yield line, self.comments[line]

    def value_of(self, value: ast.expr, name: str, statement: ast.stmt) -> Literal | Missing:
        if id(value) not in self.values:
            literal = literal_of(value)
            named = ast.walk(value) if literal is Missing.COMPUTED else ()
            used = {one.id for one in named if isinstance(one, ast.Name)} & self.parameters.keys()
            self.values[id(value)] = literal, dict.fromkeys(sorted(used))
        literal, sources = self.values[id(value)]
        shown = [_shorten(one) for one in islice(sources, _SHOWN + 1) if one != name][:_SHOWN]
        if shown:
            more = len(sources) - (name in sources) - len(shown)
            listed = ", ".join(shown) + (f" and {more} more" if more else "")
            message = f"{name} is computed from {listed} in the cell: setting {shown[0]} does not change {name}"
            self.remarks.append(Remark(line=statement.lineno, message=message))
        return literal

    def block(self, statement: ast.stmt) -> None:
        """Add the names that a compound statement assigns; their default is known only when the cell runs."""
        read = [inner for inner in assignments_in(statement) if not self.has_too_many_names(inner)]
        assigned = [(name, inner) for inner in read for name in names_in(targets_of(inner))]
        for name, inner in assigned:
            self.mark_changed(name, inner, f"is assigned under {kind_of(statement)!r} (line {statement.lineno})")
        if not assigned:
            self.passed_over[statement.lineno] = kind_of(statement)

    def mark_changed(self, name: str, statement: ast.stmt, how: str) -> None:
        earlier = self.parameters.get(name)
        hint, doc = self.comment_of(statement)
        fallback = Parameter(name=name, line=statement.lineno, text=self.text(statement), default=Missing.COMPUTED)
        known = earlier or fallback
        hint = known.hint or hint or _hint_of_literal(known.default)
        self.parameters[name] = replace(known, default=Missing.COMPUTED, hint=hint, doc=known.doc or doc)
        message = f"{name} {how} in line {statement.lineno}: its default is known only when the cell runs"
        self.remarks.append(Remark(line=statement.lineno, message=message))

    def delete(self, name: str, statement: ast.stmt) -> None:
        self.parameters.pop(name, None)
        self.remarks.append(Remark(line=statement.lineno, message=f"{name} is deleted in the cell and is not an input"))

    def cannot_set(self, target: ast.expr, statement: ast.stmt) -> None:
        message = f"{ast.unparse(target)} cannot be set by a run: only plain names can"
        self.remarks.append(Remark(line=statement.lineno, message=message))
        root = target
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        if isinstance(root, ast.Name) and root.id in self.parameters:
            self.mark_changed(root.id, statement, "is changed in place")

    def text(self, statement: ast.stmt) -> str:
        return self.lines[statement.lineno - 1]


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


_COMPUTED_VALUE = ast.Call(func=ast.Name(id="unpacked", ctx=ast.Load()), args=[], keywords=[])


def literal_of(value: ast.expr) -> Literal | Missing:
    """Return the value of a literal; COMPUTED if JSON cannot represent it (sets, bytes, complex numbers)."""
    try:
        literal = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Missing.COMPUTED
    return literal if _is_json(literal) else Missing.COMPUTED


def _date_default(
    default: Literal | Missing, statement: ast.stmt, *, is_annotated: bool
) -> tuple[Literal | Missing, bool]:
    """Return the default of a date, and whether the cell has a date object: by its value, else by the annotation."""
    from generator.notebook.dates import is_dynamic
    from generator.notebook.languages.python_dates import date_literal, gives_date

    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if isinstance(default, str):
        return default, is_annotated and is_dynamic(default)
    if default is Missing.COMPUTED and value is not None:
        literal = date_literal(value)
        is_date = literal is not None or gives_date(value) or is_annotated
        return default if literal is None else literal, is_date
    return default, is_annotated and not isinstance(default, list | tuple)


def _explain_annotation(name: str, annotation: ast.expr, *, has_value: bool) -> str:
    """Explain what an annotation that is not a type of CWL means for the parameter."""
    text = ast.unparse(annotation)
    if not has_value and isinstance(annotation, ast.Constant | ast.List | ast.Dict | ast.UnaryOp):
        return f"{name}: after a colon, {text} is a type annotation and sets no value; write {name} = {text}"
    effect = "the type comes from the value" if has_value else "without a value, the type is Any"
    return f"{name}: the annotation {text!r} has no counterpart in CWL; {effect}"


def _is_json(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(_is_json(item) for item in value.values())
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)
    return value is None or isinstance(value, bool | int)


def _hint_of_literal(default: Literal | Missing) -> Hint | None:
    """Infer a type from a literal that is no longer the default."""
    return None if isinstance(default, Missing) or default is None else hint_of(default)
