"""Add types to the lines of a parameters cell, and read the cell again: nothing else may change."""

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

_MOST_READINGS = 300
"""Readings of a cell in search of the types that it can get; the parameters that are left get none."""


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
    parameters = [one for one in read(cell.source).parameters if one.hint is None]
    lines = _lines(cell.source)
    candidates = []
    for one in parameters:
        guess = guess_type(one, language=language, is_written=one.name in written, find_file=find_file)
        if guess:
            candidates.append(list(_attempts(lines[one.line - 1], one, guess, comment_mark(language))))
    added = _Trial(notebook, cell, read).accept(candidates, [])
    typed = {one.name for one in added}
    return tuple(added), tuple(one.name for one in parameters if one.name not in typed)


def _lines(source: str) -> list[tuple[int, str]]:
    """Return where each line begins, and its text."""
    starts = [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", source))]
    ends = [*starts[1:], len(source)]
    return [(start, source[start:end].rstrip("\r\n")) for start, end in zip(starts, ends, strict=True)]


def _attempts(line: tuple[int, str], parameter: Parameter, guess: str, mark: str) -> Iterator[AddedType]:
    """Yield the places for a type: before the description in the line's comment, or at the end of the line."""
    start, text = line
    places = [(len(text.rstrip()), f"  {mark} type: {guess}")]
    if parameter.doc and parameter.doc in text:
        places.insert(0, (text.rindex(parameter.doc), f"type: {guess} "))
    for index, hint in places:
        insertion = Insertion(index=start + index, text=hint)
        yield AddedType(name=parameter.name, line=parameter.line, type=guess, insertion=insertion)


class _Trial:
    """Tries types in a cell: each reading takes time in proportion to the cell, so types are tried together."""

    def __init__(self, notebook: Notebook, cell: Cell, read: Reader) -> None:
        self._notebook, self._cell, self._read = notebook, cell, read
        self._before = read(cell.source).parameters
        self._left = _MOST_READINGS

    def accept(self, candidates: Sequence[Sequence[AddedType]], added: Sequence[AddedType]) -> list[AddedType]:
        """Return a type for each parameter that can get one, in the first place in which it is read as expected.

        ``candidates`` has the places of each parameter, ``added`` the types that the cell has already.
        """
        if not candidates:
            return []
        first = [places[0] for places in candidates]
        misread = self._misread([*added, *first])
        if misread == frozenset():
            return first
        if misread and any(one.name in misread for one in first):
            left = [places[1:] if places[0].name in misread else places for places in candidates]
        elif len(candidates) == 1:
            left = [candidates[0][1:]]
        else:
            half = len(candidates) // 2
            accepted = self.accept(candidates[:half], added)
            return [*accepted, *self.accept(candidates[half:], [*added, *accepted])]
        return self.accept([places for places in left if places], added)

    def _misread(self, added: Sequence[AddedType]) -> frozenset[str] | None:
        """Return which of these types the cell would not have; None if anything else would be read differently."""
        if self._left == 0:
            return None
        self._left -= 1
        source = insert(self._cell.source, [one.insertion for one in added])
        types = {one.name: parse_hint(one.type)[0] for one in added}
        after = self._read(source)
        found = tuple(_without_text(one) for one in after.parameters)
        if after.mistakes or [one.name for one in found] != [one.name for one in self._before]:
            return None
        pairs = zip(self._before, found, strict=True)
        misread = frozenset(one.name for one, other in pairs if _typed(one, types) != other)
        if misread:
            return misread if misread <= types.keys() else None
        tagged = next(one for one in self._notebook.cells if one.number == self._cell.number)
        try:
            read_interface(with_cell(self._notebook, replace(tagged, source=source)))
        except ParametersError:
            return None
        return misread


def _typed(parameter: Parameter, types: dict[str, Hint]) -> Parameter:
    return _without_text(replace(parameter, hint=types.get(parameter.name, parameter.hint)))


def _without_text(parameter: Parameter) -> Parameter:
    """Return a parameter without its line's text, and without the unit that its description may begin with."""
    hint = parameter.hint and replace(parameter.hint, unit="")
    return replace(parameter, text="", hint=hint)
