"""Read notebooks that are text files as notebooks of nbformat 4: jupytext's ``.py`` and ``.md``, Quarto and R Markdown.

A text notebook is converted whenever it is read, so an image has the file of the repository. What reads notebooks sees
nbformat alone. Nothing is imported for an ``.ipynb``.
"""

from __future__ import annotations

import json
import posixpath

from generator.notebook.notebook import decode_notebook
from generator.shared.errors import NotebookError

NOTEBOOK = ".ipynb"
_CHUNKS = (".qmd", ".rmd")
_JUPYTEXT = (".py", ".md")
_LARGEST = 1024**2
"""Characters of a text notebook, which has no outputs."""

TEXT_ENDINGS = (*_JUPYTEXT, *_CHUNKS)
"""Endings of text notebooks, in lower case; not every ``.py`` and ``.md`` is one."""
ENDINGS_IN_WORDS = ".ipynb, or a text notebook: .py, .md, .qmd, .Rmd"


def ending_of(name: str) -> str:
    """Return the ending of a path or an address, in lower case; R Markdown is ``.Rmd`` or ``.rmd``."""
    return posixpath.splitext(name.partition("?")[0])[1].lower()


def is_notebook_name(name: str) -> bool:
    """Return whether a file with this name may be a notebook."""
    return name.endswith(NOTEBOOK) or is_text_name(name)


def is_text_name(name: str) -> bool:
    """Return whether a file with this name may be a text notebook."""
    return ending_of(name) in TEXT_ENDINGS


def notebook_stem(name: str) -> str:
    """Return a name or a path without the ending of a notebook."""
    return posixpath.splitext(name)[0] if is_notebook_name(name) else name


def executed_name(path: str) -> str:
    """Return the file name of the executed notebook: that of the notebook, with ``.ipynb``."""
    return notebook_stem(posixpath.basename(path)) + NOTEBOOK


def as_notebook(data: bytes, name: str) -> bytes:
    """Return a text notebook as nbformat 4, and other files unchanged; ``name`` decides, and is for messages.

    Raises:
        NotebookError: the file is not a text notebook, or cannot be converted.
    """
    if not is_text_name(name):
        return data
    from generator.notebook.text_formats.recognition import check_is_notebook

    text = decode_notebook(data, name).replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > _LARGEST:
        raise NotebookError(f"{name}: a text notebook of {len(text)} characters; at most {_LARGEST} are read")
    check_is_notebook(text, name)
    if ending_of(name) in _CHUNKS:
        from generator.notebook.text_formats.chunk_notebooks import convert
    else:
        from generator.notebook.text_formats.jupytext_files import convert
    document = convert(text, name)
    try:
        return json.dumps(document, ensure_ascii=True).encode()
    except (TypeError, ValueError, RecursionError) as error:  # such as the set in: # %% sizes={1, 2}
        raise NotebookError(f"{name}: a value of its header or of a cell's options is not of JSON: {error}") from None
