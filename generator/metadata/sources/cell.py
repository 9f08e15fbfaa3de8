"""The cell with the tag ``metadata``, in Unity's dialect: assignments of words such as ``author = "Ada"``."""

from __future__ import annotations

import re

from generator.metadata.words import Word
from generator.notebook.languages import reader_of
from generator.notebook.notebook import LONGEST_READ_CELL, METADATA_TAG, Cell, Notebook
from generator.notebook.parameters import Missing, Parameter, Remark


def read(notebook: Notebook) -> tuple[str, tuple[Word, ...], tuple[Remark, ...]]:
    """Return the place of the cell, its words, and remarks on its other parts; empty without such a cell.

    The cell is parsed like a parameters cell, in any language that those may have. It is never run.
    """
    tagged = notebook.cells_with_tag(METADATA_TAG)
    if not tagged:
        return "", (), ()
    cell = tagged[0]
    place = f"{notebook.name} cell {cell.number} ({METADATA_TAG})"
    reader = reader_of(cell.language or notebook.language or "python")
    if reader is None:
        return place, (), (Remark(line=0, message=f"{place}: its language cannot be read"),)
    if len(cell.source) > LONGEST_READ_CELL:
        return (
            place,
            (),
            (Remark(line=0, message=f"{place}: longer than {LONGEST_READ_CELL:,} characters, and not read"),),
        )
    reading = reader(cell.source)
    words, computed = _words(reading.parameters)
    remarks = [Remark(line=0, message=f"{place} line {one.line}: {one.message}") for one in reading.mistakes]
    if computed:
        message = f"{place}: not used, because only running the cell gives them: {', '.join(computed)}"
        remarks.append(Remark(line=0, message=message))
    return place, words, (*remarks, *_later(notebook, tagged[1:]))


def _words(parameters: tuple[Parameter, ...]) -> tuple[tuple[Word, ...], list[str]]:
    words, computed = [], []
    for one in parameters:
        if isinstance(one.default, Missing):
            computed.append(one.name)
        else:
            words.append(Word(name=one.name, value=_as_written(one), line=one.line, text=one.text))
    return tuple(words), computed


def _as_written(one: Parameter) -> object:
    """Return a number as its author wrote it: the version 1.10 is not 1.1."""
    if isinstance(one.default, float):
        written = re.fullmatch(r"\W*\w+\W+?(\d+\.\d+)\s*(#.*)?", one.text)
        return written[1] if written else one.default
    return one.default


def _later(notebook: Notebook, cells: tuple[Cell, ...]) -> tuple[Remark, ...]:
    return tuple(
        Remark(
            line=0,
            message=f"{notebook.name} cell {cell.number}: a second cell with the tag {METADATA_TAG!r} is not used",
        )
        for cell in cells
    )
