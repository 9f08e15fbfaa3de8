"""Tell text notebooks from scripts and pages, and name marimo's notebooks, which are programs."""

from __future__ import annotations

import re

from generator.notebook.text_formats import ending_of
from generator.shared.errors import NotebookError

_MARIMO = re.compile(
    r"(?m)^(?:(?:import|from) marimo\b|app = marimo\.App\(|marimo-version:|`{3,} *\{?python\b[^\n]{0,200}\bmarimo\b)"
)
_HEADERS = {
    ".py": re.compile(r"(?m)\A(?:#.*\n|[ \t]*\n)*?# ---[ \t]*\n(?:#.*\n)*?# *(?:jupyter|jupytext|kernelspec) *:"),
    ".md": re.compile(r"\A(?:[ \t]*\n)*---[ \t]*\n(?:(?!---).*\n)*?(?:jupyter|jupytext|kernelspec) *:"),
}
_CHUNK = re.compile(r"(?m)^[ \t>]{0,40}`{3,}[ \t]{0,9}\{[A-Za-z]")
_CELLS = {
    ".py": re.compile(r"(?m)^# ?%%(?:[ \t]|$)|^# \+ (?:\[|\{|tags=)"),
    ".md": re.compile(r"(?m)^ {0,3}[`:]{3,} {0,9}\{code-cell\}"),
}
HEAD = 16 * 1024
"""Characters in which a text notebook shows that it is one."""


def is_notebook_text(text: str, ending: str) -> bool:
    """Return whether a text with this ending, or its first `HEAD` characters, is that of a notebook."""
    if _MARIMO.search(text[:HEAD]):
        return False
    header = _HEADERS.get(ending)
    return bool(_CELLS.get(ending, _CHUNK).search(text) or (header and header.match(text[:HEAD])))


def check_is_notebook(text: str, name: str) -> None:
    """Refuse a text that is not a notebook.

    Raises:
        NotebookError: it is a marimo notebook, a script, or a page; the message describes how to make it one.
    """
    if _MARIMO.search(text[:HEAD]):
        raise NotebookError(
            f"{name}: a marimo notebook, which has no Jupyter kernel and no parameters cell\n"
            f"  convert it with: marimo export ipynb {name} -o NOTEBOOK.ipynb\n"
            "  tag its cell with the values of a run 'parameters', and use NOTEBOOK.ipynb as the process"
        )
    ending = ending_of(name)
    if is_notebook_text(text, ending):
        return
    raise NotebookError(f"{name}: {_advice[ending]}")


_advice = {
    ".py": (
        "a Python script, not a notebook\n"
        "  to make it one, begin every cell with a line '# %%', and that of the parameters with\n"
        '    # %% tags=["parameters"]\n'
        "  or run the script from a shell script (.sh), which can be a process too"
    ),
    ".md": (
        "a Markdown page, not a notebook\n"
        "  to make it one, begin the file with the header that jupytext writes:\n"
        "    ---\n    jupyter:\n      kernelspec: {name: python3, display_name: Python 3, language: python}\n    ---\n"
        '  and the code of the parameters with: ```python tags=["parameters"]'
    ),
    ".qmd": "has no code chunk that a run could execute; one begins with: ```{python}",
    ".rmd": "has no code chunk that a run could execute; one begins with: ```{r}",
}
