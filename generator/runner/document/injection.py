"""papermill's part of a run: parameters written in the notebook's language.

papermill's translators write the injected text. They need only the standard library, while ``import papermill`` loads
its whole stack, so they are loaded separately, which saves a third of a second per run.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generator.notebook.parameters import Literal
from generator.runner.document.document import Document

_papermill_languages = {"r": "R", "c#": ".net-csharp", "f#": ".net-fsharp", "powershell": ".net-powershell"}
PARAMETERS_TAG = "parameters"
INJECTED_TAG = "injected-parameters"


def papermill_module(name: str) -> Any:
    """Import a module of papermill without running papermill's ``__init__``."""
    if "papermill" in sys.modules:
        return importlib.import_module(f"papermill.{name}")
    spec = importlib.util.find_spec("papermill")
    if spec is None:
        raise ModuleNotFoundError("papermill")
    package = types.ModuleType("papermill")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["papermill"] = package
    try:
        return importlib.import_module(f"papermill.{name}")
    finally:
        del sys.modules["papermill"]


def papermill_language(language: str) -> str:
    """Return papermill's name of a language."""
    return _papermill_languages.get(language.lower(), language.lower())


@dataclass(frozen=True, slots=True)
class Translator:
    """A language's syntax for parameters."""

    of_papermill: Any

    def cell(self, parameters: Mapping[str, Any]) -> str:
        """Return the text of an injected cell."""
        return str(self.of_papermill.codify(parameters))

    def literal(self, value: Literal) -> str:
        """Return a value as a literal of the language."""
        return str(self.of_papermill.translate(value))


def find_translator(kernel: str, language: str) -> Translator | None:
    """Return papermill's translator for a kernel or its language, or None."""
    translators = papermill_module("translators").papermill_translators
    known = translators._translators  # noqa: SLF001 - a lookup that raises papermill's error costs the same
    found = known.get(kernel) or known.get(language) or known.get(papermill_language(language))
    return Translator(found) if found else None


def inject(document: Document, parameters: Mapping[str, Any], translator: Translator, *, report_mode: bool) -> int:
    """Insert the injected cell where papermill does and return its index."""
    cells = [document.cell(index) for index in range(len(document))]
    tags = [cell["metadata"].get("tags") or () for cell in cells]
    metadata: dict[str, Any] = {"tags": [INJECTED_TAG]}
    if report_mode:
        metadata["jupyter"] = {"source_hidden": True}
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "id": document.new_id(INJECTED_TAG),
        "metadata": metadata,
        "outputs": [],
        "source": translator.cell(parameters),
    }
    injected = next((index for index, words in enumerate(tags) if INJECTED_TAG in words), None)
    document.metadata["papermill"]["parameters"] = dict(parameters)
    if injected is not None:
        document.replace(injected, cell)
        return injected
    tagged = [index for index, words in enumerate(tags) if PARAMETERS_TAG in words]
    code = [index for index in tagged if cells[index].get("cell_type") == "code"]
    place = next(iter((*code, *tagged)), -1) + 1
    document.insert(place, cell)
    return place
