"""Add types to the lines of a parameters cell, and read the cell again after each one: nothing else may change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from generator.notebook.hints import parse_hint
from generator.notebook.interface_reading import read_interface
from generator.notebook.languages import Reader, comment_mark
from generator.notebook.notebook import Cell, Notebook, with_cell
from generator.notebook.parameters import Hint, Parameter
from generator.process.annotation.guesses import FindFile, guess_type
from generator.process.annotation.insertions import Insertion, insert
from generator.process.annotation.written_files import written_names
from generator.shared.errors import ParametersError


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedType:
    """A type that a line of the cell gets."""

    name: str
    line: int
    type: str
    insertion: Insertion


def add_types(
    notebook: Notebook, cell: Cell, read: Reader, find_file: FindFile
) -> tuple[tuple[AddedType, ...], tuple[str, ...]]:
    """Return the types that the parameters without one get, and the names of those that get none."""
    language = notebook.parameters_language
    written = written_names(notebook.cells) if language.startswith("python") else frozenset()
    added: list[AddedType] = []
    untyped = []
    for parameter in (one for one in read(cell.source).parameters if one.hint is None):
        is_written = parameter.name in written
        guess = guess_type(parameter, language=language, is_written=is_written, find_file=find_file)
        for one in _attempts(cell.source, parameter, guess, comment_mark(language)) if guess else ():
            if _changes_only_the_type(notebook, cell, read, [*added, one]):
                added.append(one)
                break
        else:
            untyped.append(parameter.name)
    return tuple(added), tuple(untyped)


def _attempts(source: str, parameter: Parameter, guess: str, mark: str) -> Iterator[AddedType]:
    """Yield the places for a type: before the description in the line's comment, or at the end of the line."""
    start, text = _line(source, parameter.line)
    places = [(len(text.rstrip()), f"  {mark} type: {guess}")]
    if parameter.doc and parameter.doc in text:
        places.insert(0, (text.rindex(parameter.doc), f"type: {guess} "))
    for index, hint in places:
        insertion = Insertion(index=start + index, text=hint)
        yield AddedType(name=parameter.name, line=parameter.line, type=guess, insertion=insertion)


def _line(source: str, number: int) -> tuple[int, str]:
    """Return where a line begins, and its text."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", source))]
    start = starts[number - 1]
    return start, re.split(r"[\r\n]", source[start:], maxsplit=1)[0]


def _changes_only_the_type(notebook: Notebook, cell: Cell, read: Reader, added: Sequence[AddedType]) -> bool:
    """Whether the cell with these types has the same parameters, with exactly these types."""
    source = insert(cell.source, [one.insertion for one in added])
    types = {one.name: parse_hint(one.type)[0] for one in added}
    before, after = read(cell.source), read(source)
    expected = tuple(_typed(one, types) for one in before.parameters)
    if after.mistakes or expected != tuple(_without_text(one) for one in after.parameters):
        return False
    tagged = next(one for one in notebook.cells if one.number == cell.number)
    try:
        read_interface(with_cell(notebook, replace(tagged, source=source)))
    except ParametersError:
        return False
    return True


def _typed(parameter: Parameter, types: dict[str, Hint]) -> Parameter:
    return _without_text(replace(parameter, hint=types.get(parameter.name, parameter.hint)))


def _without_text(parameter: Parameter) -> Parameter:
    """Return a parameter without its line's text, and without the unit that its description may begin with."""
    hint = parameter.hint and replace(parameter.hint, unit="")
    return replace(parameter, text="", hint=hint)
