"""Plan the changes to a notebook: the cell that gets the tag, and the types of its parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from generator.notebook.dialects import read_dialect, refine_reading
from generator.notebook.dialects.sidecar import Sidecar, no_sidecar
from generator.notebook.interface_reading import read_interface
from generator.notebook.languages import reader_of
from generator.notebook.notebook import Cell, Notebook, read_notebook, with_cell
from generator.notebook.tag_advice import likely_parameters_cell
from generator.process.annotation.added_types import AddedType, add_types
from generator.process.annotation.guesses import FindFile
from generator.process.annotation.insertions import change_cell, insert
from generator.shared.errors import NotebookError

_TAG = "parameters"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The changes to a notebook; ``data`` is its file afterwards.

    ``convention`` is the convention of another tool in which the notebook has its parameters; it gets no types then.
    ``untyped`` are the parameters whose type the notebook does not show, or whose line cannot have a comment.
    """

    notebook: str
    data: bytes
    cell: int = 0
    is_tagged: bool = False
    types: tuple[AddedType, ...] = ()
    untyped: tuple[str, ...] = ()
    convention: str = ""
    before: str = ""
    after: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to change."""
        return not self.is_tagged and not self.types


def plan_changes(
    data: bytes, name: str, *, number: int | None, find_file: FindFile, sidecar: Sidecar = no_sidecar
) -> Plan:
    """Plan the changes to the notebook in ``data``; ``number`` chooses the cell, from 1.

    Raises:
        NotebookError: the file is not a notebook of nbformat 4, or no cell can be its parameters cell.
        ParametersError: the cell has mistakes.
    """
    notebook = read_notebook(data, name)
    tagged = notebook.cells_with_tag(_TAG)
    dialect = None if tagged or number else read_dialect(notebook, sidecar)
    if dialect is not None:
        return Plan(notebook=name, data=data, convention=dialect.name)
    cell = _choose_cell(notebook, number)
    notebook = notebook if tagged else with_cell(notebook, replace(cell, tags=(*cell.tags, _TAG)))
    read = reader_of(notebook.parameters_language)
    read_interface(notebook)  # reports the author's mistakes before a type is proposed
    refined = refine_reading(notebook, cell, read(cell.source)) if read else None
    types, untyped = add_types(notebook, cell, read, find_file) if read and refined is None else ((), ())
    hints = [one.insertion for one in types]
    return Plan(
        notebook=name,
        data=change_cell(data, name, cell.number, tagged=not tagged, hints=hints) if hints or not tagged else data,
        cell=cell.number,
        is_tagged=not tagged,
        types=types,
        untyped=untyped,
        convention=refined.name if refined else "",
        before=cell.source,
        after=insert(cell.source, hints),
    )


def _choose_cell(notebook: Notebook, number: int | None) -> Cell:
    tagged = notebook.cells_with_tag(_TAG)
    chosen = next((cell for cell in notebook.cells if cell.number == number), None)
    if number is None:
        likely = tagged[0] if tagged else likely_parameters_cell(notebook)
        if likely is None:
            raise NotebookError(
                f"{notebook.name}: no cell looks like parameters: none sets a plain value; "
                "write one, or name the cell with --parameters-cell N"
            )
        return likely
    if chosen is None or chosen.kind != "code":
        problem = "is not a code cell" if chosen else f"does not exist, the notebook has {len(notebook.cells)}"
        raise NotebookError(f"{notebook.name}: --parameters-cell {number}: cell {number} {problem}")
    if tagged and tagged[0] != chosen:
        raise NotebookError(
            f"{notebook.name}: --parameters-cell {number}: cell {tagged[0].number} has the tag 'parameters'; "
            "remove it in Jupyter first"
        )
    return chosen
