"""Convert Quarto (``.qmd``) and R Markdown (``.Rmd``): the chunks of one language become cells.

jupytext reads ``.qmd`` only through the program Quarto, and knows no ``#|`` options, no ``eval``, and no ``params``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from generator.notebook.kernel_names import language_of_kernel
from generator.notebook.notebook import LINE_KEY, REMARKS_KEY
from generator.notebook.text_formats import ending_of
from generator.notebook.text_formats.chunks import Chunk, Text, split
from generator.notebook.text_formats.header import Header, read_header
from generator.notebook.text_formats.knitr_params import PARAMS_TAG, params_cell, read_params
from generator.shared.errors import NotebookError

_DISPLAYED = frozenset(
    "asis block block2 cat comment css dot embed html javascript js latex markdown mermaid ojs svg verbatim".split()
)
"""Chunks that a document shows or styles, and that compute nothing for other chunks."""
_CELL_MAGICS = frozenset(("bash", "sh", "perl", "ruby"))
"""Languages of which IPython runs cells."""
_ELSEWHERE = ("child", "file", "code", "ref.label")
"""Options of knitr that take the code from somewhere else."""

_LONGEST_OPTION = 60
"""Characters of an option that a remark repeats."""


def convert(text: str, name: str) -> dict[str, Any]:
    """Return the document as a dictionary of nbformat 4.

    Raises:
        NotebookError: the header or a chunk is not valid, or chunks need another kernel.
    """
    header = read_header(text, name)
    parts = tuple(split(text, name, before=header.end))
    chunks = tuple(part for part in parts if isinstance(part, Chunk))
    language, by_knitr = _choose_language(header, chunks, is_quarto=ending_of(name) == ".qmd")
    if not any(chunk.language == language for chunk in chunks):
        raise NotebookError(f"{name}: has no code chunk of {language}, the language of its kernel")
    remarks: list[dict[str, Any]] = []
    _check_languages(chunks, language, name, remarks, by_knitr=by_knitr)
    defaults = _default_options(header)
    cells = [*_header_cells(header, name, language, remarks, by_knitr=by_knitr)]
    cells += [
        _markdown(part.source) if isinstance(part, Text) else _cell(part, language, defaults, remarks) for part in parts
    ]
    remarks += _remarks_on_text(parts)
    metadata: dict[str, Any] = {"language_info": {"name": language}, REMARKS_KEY: remarks}
    if kernel := header.kernel:
        metadata["kernelspec"] = {"language": language, **kernel}
    if isinstance(header.values.get("title"), str):
        metadata["title"] = header.values["title"]
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}


def _choose_language(header: Header, chunks: Iterable[Chunk], *, is_quarto: bool) -> tuple[str, bool]:
    """Return the language of the document, and whether knitr would run it (Quarto, "Engine Binding")."""
    kernel = header.kernel
    named = kernel.get("language", "").lower() or language_of_kernel(kernel.get("name", ""))
    used = [chunk.language for chunk in chunks if chunk.language not in _DISPLAYED]
    by_knitr = not is_quarto or "knitr" in header.values or header.values.get("engine") == "knitr"
    by_knitr = by_knitr or ("r" in used and not kernel and header.values.get("engine") != "jupyter")
    return named or ("r" if "r" in used else next(iter(used), "python")), by_knitr


def _check_languages(
    chunks: Iterable[Chunk], language: str, name: str, remarks: list[dict[str, Any]], *, by_knitr: bool
) -> None:
    """Refuse chunks that knitr would run and a kernel cannot; Quarto itself shows them if Jupyter runs the document.

    Raises:
        NotebookError: the document has such chunks.
    """
    others = [one for one in chunks if one.language != language and one.language not in _DISPLAYED]
    others = [one for one in others if not (language == "python" and one.language in _CELL_MAGICS)]
    others = [one for one in others if one.options.get("eval") is not False]
    if not others:
        return
    first = others[0]
    if by_knitr:
        raise NotebookError(
            f"{name}:{first.line}: a chunk of {first.language} in a document of {language}: one Jupyter kernel, of one "
            "language, runs a document\n  move the chunk to a process of its own, or let it not run: eval=FALSE"
        )
    listed = ", ".join(dict.fromkeys(one.language for one in others))
    message = f"chunks of {listed} do not run, as in Quarto: the kernel is of {language}"
    remarks.append({"line": first.line, "message": message})


def _default_options(header: Header) -> Mapping[str, Any]:
    """Return the options of the header that hold for all chunks (Quarto's ``execute`` and ``knitr: opts_chunk``)."""
    chunk = header.mapping("knitr").get("opts_chunk")
    return {**(chunk if isinstance(chunk, Mapping) else {}), **header.mapping("execute")}


def _header_cells(
    header: Header, name: str, language: str, remarks: list[dict[str, Any]], *, by_knitr: bool
) -> Iterator[dict[str, Any]]:
    """Yield the header as Quarto and jupytext write it to notebooks, and the cell that defines R's ``params``."""
    if header.text:
        cell = {"cell_type": "raw", "metadata": {LINE_KEY: header.before}, "source": header.text.rstrip("\n")}
        yield cell
    if "params" not in header.values:
        return
    if language != "r" or not by_knitr:
        message = "params in the header are for knitr: tag a chunk to have parameters, with #| tags: [parameters]"
        remarks.append({"line": 0, "message": message})
        return
    params = read_params(header.text, name, before=header.before)
    if params:
        yield _code(params_cell(params).source, {"tags": ["parameters", PARAMS_TAG]})


def _cell(chunk: Chunk, language: str, defaults: Mapping[str, Any], remarks: list[dict[str, Any]]) -> dict[str, Any]:
    if re.search(r"opts_chunk\$set\([^)]{0,500}\beval\s*=", chunk.source):
        message = "opts_chunk$set(eval = …) changes nothing in a run: write eval in the header or in the chunks"
        remarks.append({"line": chunk.line, "message": message})
    options = {**defaults, **chunk.options}
    runs = options.get("eval", True)
    magic = language == "python" and chunk.language in _CELL_MAGICS
    if runs is False or (chunk.language != language and not magic) or _is_setup(chunk):
        return _markdown(chunk.as_text())
    if runs is not True:
        written = "a list" if isinstance(runs, list | dict) else str(runs)[:_LONGEST_OPTION]
        message = f"the chunk's option eval is computed ({written}), so the chunk runs"
        remarks.append({"line": chunk.line, "message": message})
    for option in _ELSEWHERE:
        if option in chunk.options:
            message = f"the chunk's option {option} is not used: a run executes only the code in the chunk"
            remarks.append({"line": chunk.line, "message": message})
    tags = [*chunk.tags, *(["raises-exception"] if options.get("error") is True else [])]
    metadata: dict[str, Any] = {LINE_KEY: chunk.line - magic}
    if tags:
        metadata["tags"] = list(dict.fromkeys(tags))
    if isinstance(label := chunk.options.get("label"), str):
        metadata["name"] = label
    return _code(f"%%{chunk.language}\n{chunk.source}" if magic else chunk.source, metadata)


def _is_setup(chunk: Chunk) -> bool:
    """Return whether a chunk only sets options of knitr, which a kernel does not need and may not have."""
    code = re.sub(r"(?m)^[ \t]*#.*$", "", chunk.source).strip()
    return re.fullmatch(r"(?:knitr::)?opts_chunk\$set\([^()]*(?:\([^()]*\)[^()]*)*\)", code) is not None


def _remarks_on_text(parts: Iterable[Text | Chunk]) -> Iterator[dict[str, Any]]:
    texts = [part.source for part in parts if isinstance(part, Text)]
    included = [match[1] for text in texts for match in re.finditer(r"\{\{< *include +(\S+) *>\}\}", text)]
    if included:
        yield {"line": 0, "message": f"chunks of included files do not run: {', '.join(included[:5])}"}
    if any(re.search(r"`(?:r|\{(?:python|r|julia)\}) [^`\n]+`", text) for text in texts):
        yield {"line": 0, "message": "code within the text is shown, not computed: print it in a chunk"}


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": source}
