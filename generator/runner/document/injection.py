"""papermill's part of a run: parameters written in the notebook's language.

packmill's own translators or papermill's write the injected text. papermill's need only the standard library, while
``import papermill`` loads its whole stack, so they are loaded separately, which saves a third of a second per run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from generator.notebook.sos import is_sos, kernel_of_cell, language_of_cell
from generator.runner.document import translators
from generator.runner.document.document import Document
from generator.runner.document.translators.papermill_languages import correct
from generator.shared.json_text import spell_non_finite
from generator.shared.lean_imports import import_lean

_papermill_languages = {
    "r": "R",
    "sos": "python",
    "c#": ".net-csharp",
    "f#": ".net-fsharp",
    "powershell": ".net-powershell",
}
PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"


@cache
def papermill_module(name: str) -> Any:
    """Import a module of papermill without running papermill's ``__init__``."""
    return import_lean("papermill", name)


def papermill_language(language: str) -> str:
    """Return papermill's name of a language."""
    return _papermill_languages.get(language.lower(), language.lower())


@dataclass(frozen=True, slots=True)
class Translator:
    """A language's syntax for parameters, from papermill or packmill."""

    of_papermill: Any
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the injected cell, in addition to its tag."""

    def after(self, source: str, metadata: Mapping[str, str]) -> Translator:
        """Return the translator for a cell after the parameters cell with this source."""
        own = isinstance(self.of_papermill, translators.Translator)
        return Translator(self.of_papermill.after(source) if own else self.of_papermill, metadata)

    def cell(self, parameters: Mapping[str, Any]) -> str:
        """Return the text of an injected cell."""
        return str(self.of_papermill.codify(parameters))

    def literal(self, value: Any) -> str:
        """Return a value as a literal of the language."""
        return str(self.of_papermill.translate(value))


def find_translator(kernel: str, language: str) -> Translator | None:
    """Return the translator for a kernel or its language, packmill's own or papermill's, or None."""
    own = translators.find(kernel, language)
    if own:
        return Translator(own)
    registry = papermill_module("translators").papermill_translators
    known = registry._translators  # noqa: SLF001 - a lookup that raises papermill's error costs the same
    found = known.get(kernel) or known.get(language) or known.get(papermill_language(language))
    return Translator(correct(found)) if found else None


class Notebook(Protocol):
    """A notebook, from packmill or papermill."""

    metadata: Any

    def __len__(self) -> int: ...

    def cell(self, index: int) -> Any:
        """Return a cell."""


class ChangeableNotebook(Notebook, Protocol):
    """A notebook to which cells can be added."""

    def insert(self, index: int, cell: dict[str, Any]) -> None:
        """Insert a cell before the one at ``index``."""

    def replace(self, index: int, cell: dict[str, Any]) -> None:
        """Replace a cell."""

    def new_id(self, seed: str) -> str:
        """Return an unused cell id."""


def choose_translator(document: Notebook, kernel: str, language: str) -> Translator | None:
    """Return the translator for the notebook's injected cell, or None.

    It suits the parameters cell, which in a SoS notebook has a language of its own.
    """
    place = _parameters_cell(document)
    cell = document.cell(place) if place is not None else {"metadata": {}, "source": ""}
    more = {}
    if is_sos(language):
        more = {"kernel": kernel_of_cell(cell["metadata"], document.metadata)}
        kernel, language = "", language_of_cell(cell["metadata"], document.metadata)
    found = find_translator(kernel, language)
    return found.after(str(cell["source"]), more) if found else None


def inject(
    document: ChangeableNotebook,
    parameters: Mapping[str, Any],
    translator: Translator,
    *,
    report_mode: bool,
    after: int | None = None,
    source: str | None = None,
) -> int:
    """Insert the injected cell and return its index.

    The cell goes where papermill puts it, or after the cell with the number ``after``, from 1. It assigns the
    parameters unless it has another ``source``.
    """
    metadata: dict[str, Any] = {"tags": [INJECTED_TAG], **translator.metadata}
    if report_mode:
        metadata["jupyter"] = {"source_hidden": True}
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": document.new_id(INJECTED_TAG),
        "metadata": metadata,
        "outputs": [],
        "source": translator.cell(parameters) if source is None else source,
    }
    injected = find_injected(document)
    if injected is not None:
        document.replace(injected, cell)
        return injected
    before = _parameters_cell(document) if after is None else after - 1
    place = 0 if before is None else before + 1
    document.insert(place, cell)
    return place


def record_parameters(document: Document, parameters: Mapping[str, Any]) -> None:
    """Write the values of a run into the notebook's metadata, as papermill does."""
    document.metadata["papermill"]["parameters"] = spell_non_finite(dict(parameters))


def reinject(document: Notebook, kernel: str, language: str) -> None:
    """Write papermill's injected cell again where it has to suit the parameters cell, which papermill ignores."""
    parameters = (document.metadata.get("papermill") or {}).get("parameters")
    injected = find_injected(document)
    translator = choose_translator(document, kernel, language)
    if not parameters or injected is None or translator is None:
        return
    own = isinstance(translator.of_papermill, translators.Translator)
    if translator.metadata or own or getattr(translator.of_papermill, "is_corrected", False):
        cell = document.cell(injected)
        cell["source"] = translator.cell(parameters)
        cell["metadata"].update(translator.metadata)


def find_injected(document: Notebook) -> int | None:
    """Return the index of the injected cell."""
    return next(iter(_tagged(document, INJECTED_TAG)), None)


def _tagged(document: Notebook, tag: str) -> list[int]:
    return [index for index in range(len(document)) if tag in (document.cell(index)["metadata"].get("tags") or ())]


def _parameters_cell(document: Notebook) -> int | None:
    """Return the index of the parameters cell, preferably of code."""
    tagged = _tagged(document, PARAMETERS_TAG)
    code = [index for index in tagged if document.cell(index).get("cell_type") == "code"]
    return next(iter((*code, *tagged)), None)
