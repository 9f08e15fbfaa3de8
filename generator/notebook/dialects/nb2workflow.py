"""nb2workflow: a parameters cell with ontology comments such as ``# oda:Integer``, and a cell tagged ``outputs``.

nb2workflow asks the ontology on the web for the type of a term. The general terms are known here; with all others, the
type is that of the value. As in nb2workflow, the variables of the outputs cells are recorded as scraps, and a variable
with the name of a file delivers the file.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.literal_hints import fits, hint_of_scalar, with_limits
from generator.notebook.dialects.python_cells import PythonCell, python_cells
from generator.notebook.languages.python import literal_of
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import CwlType, Format, Hint, Parameter, Reading, Remark, Role
from generator.notebook.placement import Placement

_TAG = "outputs"
_TERM = re.compile(r"(?:\boda:|odahub\.io/ontology#)(\w+)")
_types = {
    "Integer": CwlType.INT,
    "Float": CwlType.FLOAT,
    "Double": CwlType.FLOAT,
    "Boolean": CwlType.BOOLEAN,
    "String": CwlType.STRING,
    "LongString": CwlType.STRING,
    "FileURL": CwlType.STRING,
    "FileReference": CwlType.FILE,
    "POSIXPath": CwlType.FILE,
}
_TIMES = ("StartTimeISOT", "EndTimeISOT", "TimeInstantISOT")
"""Times as text in ISO 8601; other times of the ontology are numbers or texts in several forms."""
_QUOTED = r"""(?:"([^"]*)"|'([^']*)')"""
"""A text in Turtle, which has both quotes."""
_TEXT = re.compile(rf"(?:rdfs:comment|rdfs:label|oda:description|oda:label)\s+{_QUOTED}")
_LIMIT = re.compile(r"oda:(lower|upper)_limit\s+([-+.\deE]+)")
_UNIT = re.compile(r"oda:unit\s+(?:unit:)?(\w+)")
_ALLOWED = re.compile(rf"oda:allowed_value\s+(?P<list>{_QUOTED}(?:\s*,\s*{_QUOTED})*)")
_FILE_NAME = re.compile(r"[^\s/:]+(/[^\s/:]+)*\.[A-Za-z]\w{0,9}")

_GLUE = """\
try:
    glue({name!r}, {name})
except TypeError:
    glue({name!r}, {name}.encode() if hasattr({name}, "encode") else str({name}))
"""


def refine(notebook: Notebook, cell: Cell, reading: Reading) -> Dialect:
    """Return what the parameters cell means with the comments, and the outputs."""
    remarks = list(reading.remarks)
    parameters = reading.parameters
    if _TERM.search(cell.source):
        parameters = tuple(map(_refined, parameters))
        remarks += _unused_comments(cell)
    names: list[str] = []
    outputs: list[Parameter] = []
    tagged = {cell.number for cell in notebook.cells_with_tag(_TAG)}
    for one in python_cells(notebook, "", remarks, numbers=tagged):
        for statement in one.tree.body:
            name, value = _output(statement)
            if name:
                names.append(name)
                outputs += _file(one, statement, name, value)
    outputs = [one for one in outputs if one.name not in {known.name for known in parameters}]
    closing = ["from packmill import glue\n", *(_GLUE.format(name=name) for name in dict.fromkeys(names))]
    return Dialect(
        name="nb2workflow's comments and outputs cell",
        reading=replace(reading, parameters=(*parameters, *outputs), remarks=tuple(remarks)),
        placement=Placement(closing="\n".join(closing)) if names else None,
    )


def _refined(one: Parameter) -> Parameter:
    """Return a parameter with the type and the description that its comment gives."""
    terms = _TERM.findall(one.doc)
    if not terms:
        return replace(one, hint=one.hint or hint_of_scalar(one.default))
    kind = next((_types[term] for term in terms if term in _types), None)
    hint = Hint(type=kind) if kind else hint_of_scalar(one.default)
    time = Hint(type=CwlType.STRING, format=Format.DATETIME)
    if hint == Hint(type=CwlType.STRING) and any(term in _TIMES for term in terms) and fits(time, one.default):
        hint = time
    allowed = _ALLOWED.search(one.doc)
    quoted = re.findall(_QUOTED, allowed["list"]) if allowed else []
    choices = tuple(dict.fromkeys(double or single for double, single in quoted))
    if choices and isinstance(one.default, str) and one.default in choices:
        hint = Hint(type=CwlType.ENUM, symbols=choices)
    text = _TEXT.search(one.doc)
    limited = _limited(hint, one) if hint else None
    return replace(one, hint=one.hint or limited, doc=(text[1] or text[2] or "") if text else "")


def _limited(hint: Hint, one: Parameter) -> Hint:
    """Return a type with the limits and the unit in the comment of a parameter."""
    limits, unit = dict(_LIMIT.findall(one.doc)), _UNIT.search(one.doc)
    if unit and hint.type in (CwlType.INT, CwlType.FLOAT):
        hint = replace(hint, unit=unit[1])
    return with_limits(hint, one.default, minimum=limits.get("lower"), maximum=limits.get("upper"))


def _unused_comments(cell: Cell) -> list[Remark]:
    """Name the comments on lines of their own, which describe the workflow."""
    lines = enumerate(cell.source.split("\n"), start=1)
    return [
        Remark(line=number, message=f"ignored, describes the workflow: {line.strip('# ')}")
        for number, line in lines
        if line.lstrip().startswith("#") and _TERM.search(line)
    ]


def _output(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    """Return the name that a statement of the outputs cell declares, and its value if it is assigned there."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case ast.Expr(value=ast.Name(id=name)):
            return name, None
    return "", None


def _file(cell: PythonCell, statement: ast.stmt, name: str, value: ast.expr | None) -> list[Parameter]:
    """Return an output for a text that looks like a relative path; the file may be missing, as in nb2workflow."""
    path = literal_of(value) if value is not None else None
    if not isinstance(path, str) or not _FILE_NAME.fullmatch(path):
        return []
    hint = Hint(type=CwlType.FILE, role=Role.STAGE_OUT, optional=True)
    return [Parameter(name=name, line=statement.lineno, text=cell.text(statement), default=path, hint=hint)]
