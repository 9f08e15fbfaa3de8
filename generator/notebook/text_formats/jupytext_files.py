"""Convert the text notebooks of jupytext: scripts with cells (``.py``) and Markdown (``.md``), MyST's included.

jupytext itself reads them. It is called with one of its own formats: for others, a header in the file would make it
start programs (pandoc, Quarto).
"""

from __future__ import annotations

import importlib
import re
from typing import Any, SupportsIndex

from generator.notebook.notebook import LINE_KEY
from generator.notebook.text_formats import ending_of
from generator.notebook.text_formats.header import Header, checked_loader, read_header
from generator.shared.errors import NotebookError
from generator.shared.lean_imports import import_lean

_FORMATS = {".py": ("percent", "light", "hydrogen", "nomarker", "sphinx"), ".md": ("markdown", "myst")}
_FARTHEST = 2000
"""Lines between two cells."""
_MOST_LINES = 10_000
"""jupytext takes about a millisecond for a cell, which may be a line, and more with the square of their number."""
_LONGEST_MARK = 4000
"""Characters of a line that begins a cell; jupytext reads options in time with their square."""
_MARK = re.compile(r"[ \t]{0,40}(?:# ?%%|# ?\+|`{3}|~{3}|:{3}|<!--|\+{3})")
_WITH_YAML = ("formats", "header", "myst")
"""Modules of jupytext that load YAML of a notebook."""
_OF_JUPYTEXT = ("lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_marker")


def convert(text: str, name: str) -> dict[str, Any]:
    """Return the notebook as a dictionary of nbformat 4.

    Raises:
        NotebookError: jupytext is missing, does not read the format, or cannot read the file, or not in time.
    """
    ending = ending_of(name)
    _check_size(text, name)
    header = read_header(text, name, script=ending == ".py")
    try:
        jupytext = _import_jupytext()
    except ImportError:
        raise NotebookError(f"{name}: jupytext is needed to read it; install it: pip install jupytext") from None
    lines = _Lines(text)
    form = {"extension": ending, "format_name": _format_name(text, name, header)}
    try:
        named = jupytext.read_format_from_metadata(lines, ending)  # it replaces the one of `form`
        if named is not None:
            form["format_name"] = _known(named, name)
        notebook = jupytext.reads(lines, form)
    except NotebookError:
        raise
    except Exception as error:  # noqa: BLE001 - jupytext and its parsers raise many kinds of errors
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        cause = cause.replace("'display_name' is a required property", "add a display_name to the header's kernelspec")
        raise NotebookError(f"{name}: jupytext cannot read it as {form['format_name']}: {cause}") from None
    return _as_document(notebook, text, ending, header)


def _import_jupytext() -> Any:
    """Import jupytext, which loads YAML with limits from then on: it reads more YAML than `read_header`."""
    jupytext = import_lean("jupytext", "jupytext")  # __init__ imports Jupyter's server
    for module in _WITH_YAML:
        importlib.import_module(f"jupytext.{module}").yaml = _CheckedYaml()  # type: ignore[attr-defined]
    return jupytext


class _CheckedYaml:
    """PyYAML as jupytext uses it, without aliases, deep values and long numbers; dates are text."""

    def __getattr__(self, name: str) -> Any:
        import yaml

        return getattr(yaml, name)

    def safe_load(self, text: str) -> Any:
        import yaml

        return yaml.load(text, Loader=checked_loader())  # noqa: S506 - a subclass of SafeLoader

    def safe_load_all(self, text: str) -> Any:
        import yaml

        return yaml.load_all(text, Loader=checked_loader())


class _Lines(str):
    """A text whose lines end at line feeds alone, as those of Python and Markdown; jupytext splits it into lines."""

    __slots__ = ()

    def splitlines(self, keepends: SupportsIndex = 0) -> list[str]:
        lines = self.split("\n")
        if not lines[-1]:
            del lines[-1]
        return [f"{line}\n" for line in lines] if keepends else lines


def _check_size(text: str, name: str) -> None:
    """Refuse what jupytext reads for minutes.

    Raises:
        NotebookError: the text has too many lines, or too long a line that begins a cell.
    """
    lines = text.splitlines()  # as jupytext does, at more characters than line breaks
    if len(lines) > _MOST_LINES:
        raise NotebookError(f"{name}: a text notebook of {len(lines)} lines; at most {_MOST_LINES} are read")
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST_MARK and _MARK.match(line):
            problem = f"the line that begins a cell has {len(line)} characters; at most {_LONGEST_MARK} are read"
            raise NotebookError(f"{name}:{number}: {problem}")


def _format_name(text: str, name: str, header: Header) -> str:
    ending = ending_of(name)
    own = header.mapping("jupyter").get("jupytext") or header.values.get("jupytext")
    representation = own.get("text_representation") if isinstance(own, dict) else None
    named = representation.get("format_name") if isinstance(representation, dict) else None
    if named is None:
        if ending == ".py":
            return "percent" if re.search(r"(?m)^# ?%%(?:[ \t]|$)", text) else "light"
        return "myst" if re.search(r"(?m)^ {0,3}[`:]{3,} *\{code-cell\}", text) else "markdown"
    return _known(named, name)


def _known(named: Any, name: str) -> str:
    """Return the name of a format.

    Raises:
        NotebookError: jupytext would start a program to read it, or does not know it.
    """
    formats = _FORMATS[ending_of(name)]
    if named not in formats:
        known = ", ".join(formats)
        raise NotebookError(
            f"{name}: the jupytext format {str(named)[:40]!r} is not read; convert it to one of: {known}"
        )
    return str(named)


def _as_document(notebook: Any, text: str, ending: str, header: Header) -> dict[str, Any]:
    """Return the notebook without what jupytext needs to write the file again."""
    own = notebook["metadata"].pop("jupytext", {})
    metadata = {**notebook["metadata"]}
    if not metadata.get("kernelspec"):
        metadata.pop("kernelspec", None)
        language = "python" if ending == ".py" else own.get("main_language") or "python"
        metadata["language_info"] = {"name": language}
    title = header.values.get("title")
    if isinstance(title, str):
        metadata.setdefault("title", title)
    cells = [_cell(cell) for cell in notebook["cells"]]
    _note_lines(cells, text)
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}


def _cell(cell: Any) -> dict[str, Any]:
    """Return a cell without the id, which jupytext draws at random."""
    metadata = {key: value for key, value in cell["metadata"].items() if key not in _OF_JUPYTEXT}
    return {key: value for key, value in cell.items() if key != "id"} | {"metadata": metadata}


def _note_lines(cells: list[dict[str, Any]], text: str) -> None:
    """Write how many lines of the file precede each code cell's source, if it is found there."""
    lines = [_bare(line) for line in text.split("\n")]
    position = 0
    for cell in cells:
        source = [_bare(line) for line in cell["source"].split("\n")]
        if cell["cell_type"] != "code" or not cell["source"].strip():
            continue
        places = range(position, min(len(lines), position + _FARTHEST))
        found = next((at for at in places if lines[at] == source[0] and lines[at : at + len(source)] == source), None)
        if found is not None:
            cell["metadata"][LINE_KEY] = found
            position = found + len(source)


def _bare(line: str) -> str:
    """Return a line without the comment sign that jupytext removes from magics."""
    return line.removeprefix("# ").rstrip()
