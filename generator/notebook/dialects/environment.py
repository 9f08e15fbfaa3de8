"""CLAIMED and Elyra: environment variables that a notebook reads, such as ``os.environ.get("name", "default")``.

A run sets the variables in a cell at the top. As both tools pass text, a boolean is read by ``bool()`` of the text.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from generator.notebook.dialects.dialect import Dialect
from generator.notebook.dialects.python_cells import PythonCell, python_cells
from generator.notebook.languages.python import literal_of
from generator.notebook.notebook import Notebook
from generator.notebook.parameters import CwlType, Hint, Literal, Missing, Parameter, Reading, Remark
from generator.notebook.placement import Placement

_casts = {"int": CwlType.INT, "float": CwlType.FLOAT, "bool": CwlType.BOOLEAN, "str": CwlType.STRING}
_SECRET = re.compile(r"(?i)passw(or)?d|secret|token|api_?key|access_?key|credential")
_SYSTEM = re.compile(
    r"(PACKMILL|JUPYTER|JPY|LC|XDG|SLURM|CONDA|CUDA|OMP|PYTHON|LD|KUBERNETES|GITLAB|GITHUB|CI)_\w+|PYTHONPATH"
    r"|PATH|HOME|USER|USERNAME|LOGNAME|SHELL|PWD|TMPDIR|TMP|TEMP|LANG|TERM|DISPLAY|EDITOR|HOSTNAME|CI"
)
"""Variables that describe the machine, not the task."""


def read(notebook: Notebook) -> Dialect:
    """Read the variables; without a default for any of them, the notebook does not follow the convention."""
    found = _Found()
    for word in ("environ", "getenv"):
        for cell in python_cells(notebook, word, found.remarks):
            if word == "environ" or "environ" not in cell.source:
                found.add_cell(cell)
    parameters = tuple(found.parameters.values()) if found.has_default else ()
    return Dialect(
        name="environment variables, as by CLAIMED and Elyra",
        reading=Reading(parameters=parameters, remarks=tuple(found.remarks)),
        placement=Placement(after=0, variables=tuple(found.parameters)),
    )


@dataclass(slots=True)
class _Found:
    parameters: dict[str, Parameter] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    has_default: bool = False

    def add_cell(self, cell: PythonCell) -> None:
        """Add the variables of a cell in the order of its lines."""
        casts = {id(argument): _cast(node) for node in ast.walk(cell.tree) for argument in _cast_arguments(node)}
        nodes = (node for node in ast.walk(cell.tree) if isinstance(node, ast.Call | ast.Subscript))
        for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
            name, default = _variable(node)
            if name and not _SYSTEM.fullmatch(name) and name not in self.parameters:
                self.add(cell, node, name, default, casts.get(id(node), CwlType.STRING))

    def add(self, cell: PythonCell, node: ast.expr, name: str, default: ast.expr | None, kind: CwlType) -> None:
        """Add a variable; the first place that reads it has its default."""
        value: Literal | Missing = Missing.COMPUTED if default is None else literal_of(default)
        self.has_default |= default is not None
        if value is None or isinstance(value, list | tuple | dict):
            value = Missing.COMPUTED
        elif kind is CwlType.BOOLEAN and isinstance(value, str):
            self.remark_on_truth(cell, name, value)
            value = bool(value)
        elif kind is CwlType.STRING and not isinstance(value, Missing | str):
            value = Missing.COMPUTED  # the cell has a number where a run gives it text
        hint = Hint(type=kind, secret=kind is CwlType.STRING and _SECRET.search(name) is not None)
        doc = _comment(cell, node.lineno)
        text = cell.text(node)
        self.parameters[name] = Parameter(name=name, line=node.lineno, text=text, default=value, hint=hint, doc=doc)

    def remark_on_truth(self, cell: PythonCell, name: str, value: str) -> None:
        """Warn of a default such as ``bool("False")``, which is True."""
        if value.lower() in ("false", "0", "no", "off"):
            message = f"cell {cell.number}: {name} is True by default, as bool({value!r}) is: write bool('')"
            self.remarks.append(Remark(line=0, message=message))


def _variable(node: ast.expr) -> tuple[str, ast.expr | None]:
    """Return the name of the variable that an expression reads, else '', and the expression of its default."""
    if isinstance(node, ast.Call) and _dotted(node.func) in _READERS and node.args:
        keywords = [word.value for word in node.keywords if word.arg == "default"]
        return _name(node.args[0]), next(iter([*node.args[1:], *keywords]), None)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _dotted(node.value) in _MAPPINGS:
        return _name(node.slice), None
    return "", None


_MAPPINGS = ("os.environ", "environ")
_READERS = ("os.environ.get", "environ.get", "os.getenv", "getenv")


def _dotted(node: ast.expr) -> str:
    """Return a name with its attributes, ``os.environ.get``, without calling itself for each of a thousand."""
    attributes = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(attributes)]) if isinstance(node, ast.Name) else ""


def _name(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*", value, re.ASCII) else ""


def _cast_arguments(node: ast.AST) -> list[ast.expr]:
    is_cast = isinstance(node, ast.Call) and _dotted(node.func) in _casts and len(node.args) == 1
    return node.args if is_cast and isinstance(node, ast.Call) else []


def _cast(node: ast.AST) -> CwlType:
    return _casts[_dotted(node.func)] if isinstance(node, ast.Call) else CwlType.STRING


def _comment(cell: PythonCell, line: int) -> str:
    """Return the comment on the line above, which CLAIMED takes as the description, or on the line itself."""
    above = cell.lines[line - 2].strip() if line > 1 else ""
    text = above if above.startswith("#") else cell.comments.get(line, "")
    return text.strip("# ").strip()
