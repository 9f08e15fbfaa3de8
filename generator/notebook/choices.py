"""What a request chooses instead of what a notebook states: its kernel, its language, its parameters cell."""

from __future__ import annotations

import json
from dataclasses import dataclass

from generator.notebook.kernel_names import language_of_kernel
from generator.notebook.notebook import decode_notebook, read_notebook
from generator.notebook.requested_cell import tag_parameters_cell


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """The kernel, the language, and the number of the parameters cell, from 1; None leaves it to the notebook."""

    kernel: str | None = None
    language: str | None = None
    parameters_cell: int | None = None

    def apply(self, data: bytes, name: str) -> bytes:
        """Return the notebook as if it stated the choices; unchanged without any.

        Raises:
            NotebookError: data is not a valid notebook, or the cell is not a code cell of it.
        """
        return name_kernel(tag_parameters_cell(data, self.parameters_cell, name), self.kernel, self.language, name)


no_choices = Choices()


def name_kernel(data: bytes, kernel: str | None, language: str | None, name: str) -> bytes:
    """Return the notebook with this kernel and language in its metadata; unchanged if both are missing.

    A kernel's name gives its language if it is a known one. A language replaces a kernel whose name is of another.

    Raises:
        NotebookError: data is not a valid notebook.
    """
    if not kernel and not language:
        return data
    notebook = read_notebook(data, name)
    if kernel:
        language = language or language_of_kernel(kernel) or notebook.language
    elif language_of_kernel(notebook.kernel or "") in ("", language):
        kernel = notebook.kernel
    document = json.loads(decode_notebook(data, name))
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    spec = {"name": kernel, "display_name": kernel, "language": language}
    metadata["kernelspec"] = {key: value for key, value in spec.items() if value}
    return json.dumps({**document, "metadata": metadata}, ensure_ascii=True).encode()
