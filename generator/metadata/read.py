"""Read the metadata of a process: from the first source that states a field, in the order of this module."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from generator.metadata.metadata import Metadata
from generator.metadata.resource_words import read_resources
from generator.metadata.sources import cell, heading
from generator.metadata.words import Word, read_words
from generator.notebook.notebook import Notebook
from generator.notebook.parameters import Remark
from generator.repository.checkout import is_file, read_text
from generator.request.resources import Resources
from generator.shared.errors import EnvironmentSpecError, ParametersError
from generator.shared.safe_text import printable, redacted

_CONFIGS = ("algorithm_config.yml", "algorithm_config.yaml")
_MOST_LICENSES = 20
"""License files that are read of a repository."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """What the sources state of a process, and remarks on their parts that are not used."""

    metadata: Metadata = field(default_factory=Metadata)
    resources: Resources = field(default_factory=Resources)
    remarks: tuple[Remark, ...] = ()

    def over(self, other: Stated) -> Stated:
        """Return these statements, with those of ``other`` that are missing here."""
        return Stated(
            metadata=self.metadata.over(other.metadata),
            resources=self.resources.over(other.resources),
            remarks=(*self.remarks, *other.remarks),
        )


def read_notebook_statements(folder: Path, notebook: Notebook) -> Stated:
    """Read the statements on a notebook, whose name is its path in the checkout at ``folder``.

    A title above all code precedes the files that describe the whole repository.

    Raises:
        ParametersError: a resource in the metadata cell or in the algorithm_config is not an amount.
    """
    place, words, remarks = cell.read(notebook)
    stated = read_statements(words, place).over(Stated(remarks=remarks)).over(_read_config(folder, notebook.name))
    if heading.is_title(notebook):
        stated = stated.over(Stated(metadata=heading.read(notebook)))
    return stated.over(read_repository_statements(folder, licensed=bool(stated.metadata.license)))


def read_statements(words: tuple[Word, ...], place: str) -> Stated:
    """Read the metadata and the resources among words.

    Raises:
        ParametersError: a resource is not an amount.
    """
    resources, others, mistakes = read_resources(words, place)
    if mistakes:
        raise ParametersError(where=place, mistakes=mistakes)
    metadata, unused = read_words(others, place)
    remarks = (*_unused(place, [word.name for word in unused]), *_unfit_identifier(place, metadata))
    return Stated(metadata=metadata, resources=resources, remarks=remarks)


def _read_config(folder: Path, process: str) -> Stated:
    """Read the algorithm_config next to a notebook, whose interface is in its cells."""
    places = (posixpath.join(posixpath.dirname(process), name) for name in _CONFIGS)
    path = next((path for path in places if os.path.lexists(folder / path)), "")
    text = read_text(folder, path) if path else None
    if text is None:
        return Stated()
    from generator.metadata.sources import algorithm_config

    try:
        words, unused = algorithm_config.read(text)
    except ValueError as error:
        return Stated(remarks=(_unreadable(path, error),))
    return read_statements(words, path).over(Stated(remarks=_unused(path, unused)))


def read_repository_statements(folder: Path, *, licensed: bool = False) -> Stated:
    """Read the files at the repository's top that describe all of it: citation, codemeta, project and license.

    License files are not read if the license is known: ``licensed``, or one of the other files states it.
    """
    stated = Stated()
    names = sorted(entry.name for entry in folder.iterdir() if is_file(entry))
    for name, read in _READERS.items():
        if name in names and (text := read_text(folder, name)) is not None:
            try:
                stated = stated.over(Stated(metadata=read(text, folder)))
            except (ValueError, EnvironmentSpecError) as error:
                stated = stated.over(Stated(remarks=(_unreadable(name, error),)))
    return stated if licensed or stated.metadata.license else stated.over(_read_licenses(folder, names))


def _citation(text: str, _: Path) -> Metadata:
    from generator.metadata.sources import citation

    return citation.read(text, citation.NAME)


def _codemeta(text: str, _: Path) -> Metadata:
    from generator.metadata.sources import codemeta

    return codemeta.read(text, codemeta.NAME)


def _pyproject(text: str, folder: Path) -> Metadata:
    from generator.metadata.sources import pyproject

    return pyproject.read(text, pyproject.NAME, lambda path: read_text(folder, path))


_READERS: dict[str, Callable[[str, Path], Metadata]] = {
    "CITATION.cff": _citation,
    "codemeta.json": _codemeta,
    "pyproject.toml": _pyproject,
}
"""The files at the top in their order; their modules are imported only for repositories that have them."""


def _read_licenses(folder: Path, names: list[str]) -> Stated:
    if not any("licen" in name.lower() or "copying" in name.lower() for name in names):
        return Stated()
    from generator.metadata.sources import license_file

    named = [name for name in names if license_file.NAME.fullmatch(name)]
    if len(named) > _MOST_LICENSES:
        return Stated(remarks=(Remark(line=0, message=f"{len(named)} license files, so that the license is unknown"),))
    texts = ((name, text) for name in named if (text := read_text(folder, name)) is not None)
    metadata, problem = license_file.read(texts)
    return Stated(metadata=metadata, remarks=(Remark(line=0, message=problem),) if problem else ())


def _unused(place: str, names: Sequence[str]) -> tuple[Remark, ...]:
    shown = printable(", ".join(names))
    return (Remark(line=0, message=f"{place}: not used: {shown}"),) if names else ()


def _unfit_identifier(place: str, metadata: Metadata) -> tuple[Remark, ...]:
    stated = metadata.identifier
    if not stated or metadata.process_id:
        return ()
    message = (
        f"{place}: the identifier {printable(stated)!r} is not the process's ID on platforms, which has ASCII letters, "
        "digits, '.', '_' and '-' only and starts with a letter or digit"
    )
    return (Remark(line=0, message=message),)


def _unreadable(file: str, error: Exception) -> Remark:
    problem = str(error).removeprefix(f"{file}: ")
    return Remark(line=0, message=f"{file}: its metadata cannot be read: {printable(redacted(problem))}")
