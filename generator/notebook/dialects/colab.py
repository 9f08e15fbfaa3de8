"""Colab's forms: assignments of any cell with a comment such as ``#@param {type:"integer"}`` or ``#@param ["a", "b"]``.

As in Colab, a run replaces the value where it is assigned. In a parameters cell the comments give types alone.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.literal_hints import fits, hint_of_scalar, with_limits
from generator.notebook.dialects.python_cells import PythonCell, python_cells
from generator.notebook.languages.python import literal_of
from generator.notebook.languages.python_trees import parse_expression
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import CwlType, Format, Hint, Literal, Missing, Parameter, Reading, Remark
from generator.notebook.placement import Edit, Placement

_NAME = "Colab's forms (#@param)"
_FIELD = re.compile(r"#\s*@param\b\s*(?P<choices>\[.*\])?\s*(?P<options>\{.*\})?")
_OPTION = re.compile(r"""["']?([\w-]+)["']?\s*:\s*("[^"]*"|'[^']*'|[^,}\s]+)""")
_types = {
    "string": CwlType.STRING,
    "date": CwlType.STRING,
    "integer": CwlType.INT,
    "number": CwlType.FLOAT,
    "boolean": CwlType.BOOLEAN,
}


def read(notebook: Notebook) -> Dialect:
    """Read the fields of all cells."""
    remarks: list[Remark] = []
    parameters: dict[str, Parameter] = {}
    edits: list[Edit] = []
    for cell in python_cells(notebook, "@param", remarks):
        fields = {line: match for line, text in cell.comments.items() if (match := _FIELD.match(text))}
        for statement in ast.walk(cell.tree):
            if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
                continue
            field = fields.get(statement.end_lineno or 0)
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if field is None or len(targets) != 1 or not isinstance(targets[0], ast.Name):
                continue
            del fields[statement.end_lineno or 0]
            one = _parameter(cell, statement, targets[0].id, field)
            parameters.setdefault(one.name, one)
            start, end = cell.span(statement.value)
            edits.append(Edit(cell=cell.number, start=start, end=end, parameter=one.name))
        for line in fields:
            message = f"cell {cell.number}, line {line}: '#@param' is not after an assignment to a name; it is ignored"
            remarks.append(Remark(line=0, message=message))
    return Dialect(
        name=_NAME,
        reading=Reading(parameters=tuple(parameters.values()), remarks=tuple(remarks)),
        placement=Placement(edits=tuple(edits)),
    )


def refine(_notebook: Notebook, _cell: Cell, reading: Reading) -> Dialect | None:
    """Return a parameters cell with the types that its comments state; None if they state none."""
    parameters = tuple(map(_refined, reading.parameters))
    if parameters == reading.parameters:
        return None
    return Dialect(name=_NAME, reading=replace(reading, parameters=parameters), placement=None)


def _refined(one: Parameter) -> Parameter:
    """Return a parameter with the type in its comment; the type of its value where that differs."""
    field = _FIELD.match(f"#{one.doc}")
    if field is None:
        return one
    hint = _hint_of_field(field, one.default)
    return replace(one, hint=hint if hint and fits(hint, one.default) else hint_of_scalar(one.default), doc="")


def _parameter(cell: PythonCell, statement: ast.Assign | ast.AnnAssign, name: str, field: re.Match[str]) -> Parameter:
    default = literal_of(statement.value) if statement.value else Missing.UNSET
    hint = _hint_of_field(field, default)
    return Parameter(name=name, line=statement.lineno, text=cell.text(statement), default=default, hint=hint)


def _hint_of_field(field: re.Match[str], default: Literal | Missing) -> Hint | None:
    options = {key: value.strip("\"'") for key, value in _OPTION.findall(field["options"] or "")}
    return _hint(options, _choices(field["choices"]), default)


def _hint(options: dict[str, str], choices: list[Literal], default: Literal | Missing) -> Hint | None:
    kind = options.get("type", "")
    if choices and kind != "raw":
        return _enum(options, choices, default)
    if kind == "slider":
        steps = [options.get(key, "1") for key in ("min", "max", "step")]
        whole = isinstance(default, int) and all(re.fullmatch(r"[+-]?\d+", step) for step in steps)
        hint = Hint(type=CwlType.INT if whole else CwlType.FLOAT)
        return with_limits(
            hint, default, minimum=options.get("min"), maximum=options.get("max"), step=options.get("step")
        )
    if kind in _types:
        hint = Hint(type=_types[kind], optional=default is None)
        date = replace(hint, format=Format.DATE)
        return date if kind == "date" and fits(date, default) else hint
    return hint_of_scalar(default)


def _enum(options: dict[str, str], choices: list[Literal], default: Literal | Missing) -> Hint | None:
    """Return the choices of a list as an enum, unless the form accepts other values as well."""
    texts = tuple(dict.fromkeys(one for one in choices if isinstance(one, str)))
    if options.get("allow-input") != "true" and len(texts) == len(set(map(repr, choices))) and default in texts:
        return Hint(type=CwlType.ENUM, symbols=texts)
    return Hint(type=_types[options["type"]]) if options.get("type") in _types else hint_of_scalar(default)


def _choices(text: str | None) -> list[Literal]:
    """Return the values of a list such as ``["a", "b"]``."""
    try:
        choices = ast.literal_eval(parse_expression((text or "[]").strip()))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return choices if isinstance(choices, list) else []
