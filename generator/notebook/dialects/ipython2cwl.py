"""ipython2cwl: variables of any cell, annotated with an input, an output, or a value that is written to a file.

As in ipython2cwl, a run replaces the value of an annotated input where it is assigned, ``CWLDumpableFile`` and the like
write their file right after the assignment, and ``CWLDumpable.dump`` writes it at the end of the notebook. In a
parameters cell the annotations of inputs and files give types alone.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.python_cells import PythonCell, python_cells
from generator.notebook.languages.python import literal_of
from generator.notebook.languages.python_trees import parse_expression
from generator.notebook.notebook import Cell, Notebook
from generator.notebook.parameters import CwlType, Hint, Literal, Missing, Parameter, Reading, Remark, Role
from generator.notebook.placement import Edit, Placement

_NAME = "ipython2cwl's annotations"
_inputs = {
    "CWLFilePathInput": CwlType.FILE,
    "CWLBooleanInput": CwlType.BOOLEAN,
    "CWLStringInput": CwlType.STRING,
    "CWLIntInput": CwlType.INT,
}
_OUTPUT = "CWLFilePathOutput"
_DUMP = "CWLDumpable.dump"
_FIGURE = "CWLPNGFigure"
_save_figure = "{name}[-1].figure.savefig('{name}.png')"
_dumps = {
    "CWLDumpableFile": ("{name}", "__import__('pathlib').Path('{name}').write_text({name})"),
    "CWLDumpableBinaryFile": ("{name}", "__import__('pathlib').Path('{name}').write_bytes({name})"),
    "CWLPNGPlot": ("{name}.png", _save_figure),
    _FIGURE: ("{name}.png", _save_figure),
}
_INPUT_ANNOTATION = re.compile(r"(?:(?:typing\.)?(List|Optional)\[)?(?:\w+\.)*(CWL\w+)\]?")
_stage_out = Hint(type=CwlType.FILE, role=Role.STAGE_OUT)


def read(notebook: Notebook) -> Dialect:
    """Read the annotated variables of all cells."""
    found = _Found()
    for cell in python_cells(notebook, "CWL", found.remarks):
        annotated = (node for node in ast.walk(cell.tree) if isinstance(node, ast.AnnAssign))
        for node in sorted(annotated, key=lambda node: (node.lineno, node.col_offset)):
            if isinstance(node.target, ast.Name):
                found.add(cell, node, node.target.id)
    return Dialect(
        name=_NAME,
        reading=Reading(parameters=tuple(found.parameters.values()), remarks=tuple(found.remarks)),
        placement=Placement(edits=tuple(found.edits), closing="\n".join(found.closing)),
    )


def refine(notebook: Notebook, cell: Cell, reading: Reading) -> Dialect | None:
    """Return a parameters cell with the types that its annotations state; None if they state none."""
    cells = python_cells(notebook, "CWL", [], numbers={cell.number})
    hints = {
        statement.target.id: hint
        for one in cells
        for statement in one.tree.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if (hint := _hint(_expression(statement.annotation))) is not None
    }
    parameters = tuple(replace(one, hint=one.hint or hints.get(one.name)) for one in reading.parameters)
    if parameters == reading.parameters:
        return None
    starts = tuple(f"{name}: the annotation " for name in hints)
    remarks = tuple(one for one in reading.remarks if not one.message.startswith(starts))
    return Dialect(name=_NAME, reading=replace(reading, parameters=parameters, remarks=remarks), placement=None)


@dataclass(slots=True)
class _Found:
    parameters: dict[str, Parameter] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)

    def add(self, cell: PythonCell, node: ast.AnnAssign, name: str) -> None:
        """Add a variable if its annotation is one of ipython2cwl's."""
        annotation = _expression(node.annotation)
        if isinstance(annotation, ast.Call):
            self.add_dump(cell, node, annotation)
            return
        match = _match(annotation)
        if match is None:
            return
        form, word = match.groups()
        hint = _hint(annotation)
        if hint is not None and (node.value is not None or hint is not _stage_out):
            self.add_parameter(cell, node, hint, Missing.UNSET if node.value is None else literal_of(node.value))
            self.edits.append(_edit_of_value(cell, node, name))
        elif word in _dumps and node.value is not None and not form:
            self.add_dumped(cell, node, word)
        else:
            message = f"{name}: {ast.unparse(annotation)!r} is not an annotation of ipython2cwl with this value"
            self.remarks.append(Remark(line=0, message=f"cell {cell.number}: {message}; it is ignored"))

    def add_dumped(self, cell: PythonCell, node: ast.AnnAssign, word: str) -> None:
        """Add a variable that is written to a file named after it, right after the assignment."""
        name = ast.unparse(node.target)
        file, statement = (text.format(name=name) for text in _dumps[word])
        self.add_parameter(cell, node, _stage_out, file)
        start, end = cell.span(node)
        if word == _FIGURE:
            text = "__import__('matplotlib.pyplot').pyplot.figure(); "
            self.edits.append(Edit(cell=cell.number, start=start, end=start, text=text))
        self.edits.append(Edit(cell=cell.number, start=end, end=end, text=f"; {statement}"))

    def add_dump(self, cell: PythonCell, node: ast.AnnAssign, call: ast.Call) -> None:
        """Add ``CWLDumpable.dump(write, "file", …)``, whose call runs at the end of the notebook."""
        if not ast.unparse(call.func).endswith(_DUMP):
            return
        file = literal_of(call.args[1]) if len(call.args) > 1 else None
        if not isinstance(file, str):
            message = f"cell {cell.number}: {ast.unparse(call)}: give the file's name in quotes as the second argument"
            self.remarks.append(Remark(line=0, message=f"{message}; it is ignored"))
            return
        self.add_parameter(cell, node, _stage_out, file)
        write = ast.Call(func=call.args[0], args=call.args[1:], keywords=call.keywords)
        self.closing.append(ast.unparse(write))

    def add_parameter(self, cell: PythonCell, node: ast.AnnAssign, hint: Hint, default: Literal | Missing) -> None:
        """Add a parameter; the first of several assignments has its default."""
        name = ast.unparse(node.target)
        one = Parameter(name=name, line=node.lineno, text=cell.text(node), default=default, hint=hint)
        self.parameters.setdefault(name, one)


def _match(annotation: ast.expr) -> re.Match[str] | None:
    return _INPUT_ANNOTATION.fullmatch(re.sub(r"[\s'\"]", "", ast.unparse(annotation)))


def _hint(annotation: ast.expr) -> Hint | None:
    """Return the type of an annotation of an input, or of a file that is an output."""
    match = _match(annotation)
    form, word = match.groups() if match else (None, "")
    if word in _inputs:
        return Hint(type=_inputs[word], array=form == "List", optional=form == "Optional")
    return _stage_out if word == _OUTPUT and not form else None


def _expression(annotation: ast.expr) -> ast.expr:
    """Return the expression of an annotation, which may be in quotes."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return parse_expression(annotation.value.strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return annotation
    return annotation


def _edit_of_value(cell: PythonCell, node: ast.AnnAssign, name: str) -> Edit:
    if node.value is None:
        end = cell.span(node)[1]
        return Edit(cell=cell.number, start=end, end=end, parameter=name, text=" = ")
    start, end = cell.span(node.value)
    return Edit(cell=cell.number, start=start, end=end, parameter=name)
