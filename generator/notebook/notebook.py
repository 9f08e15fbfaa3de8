"""Read a notebook file: its kernel, its language and its cells.

Supports nbformat 4 and, as they are still in use, 2 and 3 (nbformat's own documentation of the formats), UTF-8 with or
without a byte order mark and UTF-16. Standard library only: this module also travels into the image.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from generator.notebook.kernel_names import language_of_kernel
from generator.notebook.parameters import Remark
from generator.notebook.sos import is_sos, language_of_cell
from generator.shared.errors import NotebookError
from generator.shared.safe_text import printable

METADATA_TAG = "metadata"
"""The tag of the cell with the metadata of the process, in Unity's dialect."""
LINE_KEY = "packmill_line"
"""In a cell's metadata: how many lines of a text notebook precede the cell's source."""
REMARKS_KEY = "packmill_remarks"
"""In a notebook's metadata: what the conversion of a text notebook does not take over."""
LONGEST_READ_CELL = 200_000
"""Characters of the longest cell that is parsed. A tree of Python takes some hundred times the size of its text."""
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell; ``number`` counts all cells from 1, as in Jupyter; ``language`` is '' if it is the notebook's.

    ``before`` is the number of lines before its source in the file of a text notebook.
    """

    number: int
    kind: str
    source: str
    tags: tuple[str, ...] = ()
    language: str = ""
    before: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Notebook:
    """The parts of a notebook that packmill uses.

    ``kernel`` is the kernelspec's name or None; ``language`` is in lower case, '' if the notebook names none.
    """

    name: str
    kernel: str | None
    language: str
    cells: tuple[Cell, ...]
    title: str = ""
    remarks: tuple[Remark, ...] = ()

    def cells_with_tag(self, tag: str) -> tuple[Cell, ...]:
        """Return the code cells with a tag."""
        return tuple(cell for cell in self.cells if cell.kind == "code" and tag in cell.tags)

    def without_long_cells(self) -> Notebook:
        """Return the notebook with an empty text in place of cells that are too long to be parsed."""
        if all(len(cell.source) <= LONGEST_READ_CELL for cell in self.cells):
            return self
        short = (cell if len(cell.source) <= LONGEST_READ_CELL else replace(cell, source="") for cell in self.cells)
        return replace(self, cells=tuple(short))

    @property
    def parameters_language(self) -> str:
        """The language of the parameters cell, or of the notebook; Python if it names none."""
        tagged = self.cells_with_tag("parameters")
        return (tagged[0].language if tagged else "") or self.language or "python"


def read_notebook(data: bytes, name: str) -> Notebook:
    """Parse the notebook in ``data``; ``name`` is for messages.

    Raises:
        NotebookError: the data is not a valid notebook; the message has line, column and cause.
    """
    document = _parse(decode_notebook(data, name), name)
    version = document.get("nbformat")
    if not isinstance(version, int):
        raise NotebookError(f"{name}: valid JSON, but not a notebook: 'nbformat' is missing")
    if version > 4:
        raise NotebookError(f"{name}: nbformat {version} is not supported; save it as nbformat 4")
    metadata = _mapping(document.get("metadata"))
    raw_cells = document.get("cells") if version == 4 else [*map(_with_source, worksheet_cells(document))]
    if not isinstance(raw_cells, list):
        raise NotebookError(f"{name}: not a notebook of nbformat {version}: 'cells' is missing or not a list")
    kernelspec = _mapping(metadata.get("kernelspec"))
    language = _language(kernelspec, metadata, raw_cells)
    cells = tuple(_cell(number, raw, name) for number, raw in enumerate(raw_cells, start=1))
    if is_sos(language):
        cells = tuple(
            replace(cell, language=language_of_cell(raw.get("metadata"), metadata))
            for cell, raw in zip(cells, raw_cells, strict=True)
        )
    kernel = kernelspec.get("name")
    remarks = _remarks(metadata)
    if version < 4:
        message = f"nbformat {version} is outdated: open the notebook in Jupyter and save it"
        remarks.append(Remark(line=0, message=message))
    return Notebook(
        name=name,
        kernel=kernel if isinstance(kernel, str) and kernel else None,
        language=language,
        cells=cells,
        title=_stated_title(metadata) or _title(cells),
        remarks=tuple(remarks),
    )


def with_cell(notebook: Notebook, changed: Cell) -> Notebook:
    """Return the notebook with another cell in the place of the one with its number."""
    cells = tuple(changed if cell.number == changed.number else cell for cell in notebook.cells)
    return replace(notebook, cells=cells)


def decode_notebook(data: bytes, name: str) -> str:
    """Decode a notebook file in any of Unicode's encodings.

    Raises:
        NotebookError: the file is empty, a Git LFS pointer, or not Unicode text.
    """
    if not data.strip():
        raise NotebookError(f"{name}: the file is empty; save the notebook and commit it")
    if data.startswith(b"version https://git-lfs"):
        raise NotebookError(f"{name}: a Git LFS pointer instead of the notebook; fetch the file with 'git lfs pull'")
    encoding = encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise NotebookError(
            f"{name}:{line}: byte {error.start} is not {encoding.upper()}; save the file as UTF-8"
        ) from None


def encoding_of(data: bytes) -> str:
    """Return the name of the encoding of Unicode that a notebook file has."""
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    return marked or ("utf-16-le" if data[1:2] == b"\0" else "utf-16-be" if data[:1] == b"\0" else "utf-8")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotebookError(f"{name}:{error.lineno}:{error.colno}: {_json_cause(text, error)}") from None
    except (RecursionError, ValueError):
        raise NotebookError(f"{name}: the JSON is nested too deeply or holds too long a number") from None
    if not isinstance(document, dict):
        raise NotebookError(f"{name}: valid JSON, but not a notebook: a {type(document).__name__} instead of an object")
    return document


def _json_cause(text: str, error: json.JSONDecodeError) -> str:
    conflict = re.search(r"^(<<<<<<<|=======|>>>>>>>)( |$)", text, re.MULTILINE)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        return f"merge-conflict marker {conflict[1]!r} in line {line}: resolve the conflict and commit again"
    if not text[error.pos :].strip() or error.msg.startswith("Unterminated string"):
        return f"the file is truncated ({error.msg})"
    if not text.lstrip().startswith("{"):
        return f"not a notebook: it does not begin with '{{' ({error.msg})"
    return f"not valid JSON: {error.msg}"


def worksheet_cells(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of nbformat 2 and 3, which are in worksheets; an empty one in place of another value."""
    sheets = document.get("worksheets")
    cells: list[Any] = []
    for sheet in sheets if isinstance(sheets, list) else []:
        raw_cells = _mapping(sheet).get("cells")
        cells += raw_cells if isinstance(raw_cells, list) else []
    return [_mapping(cell) for cell in cells]


def _with_source(cell: dict[str, Any]) -> dict[str, Any]:
    """Return a cell of nbformat 2 or 3, whose code is under ``input``, with its source."""
    return {**cell, "source": cell.get("source", cell.get("input", ""))}


def _cell(number: int, raw: Any, name: str) -> Cell:
    if not isinstance(raw, dict):
        raise NotebookError(f"{name}: cell {number} is a {type(raw).__name__} instead of an object")
    source = raw.get("source", "")
    if isinstance(source, list):
        source = "".join(map(str, source))
    if not isinstance(source, str):
        raise NotebookError(f"{name}: the source of cell {number} is a {type(source).__name__} instead of text")
    tags = _mapping(raw.get("metadata")).get("tags")
    words = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    before = _mapping(raw.get("metadata")).get(LINE_KEY)
    return Cell(
        number=number,
        kind=str(raw.get("cell_type", "")),
        source=source,
        tags=words,
        before=before if isinstance(before, int) else 0,
    )


def _remarks(metadata: dict[str, Any]) -> list[Remark]:
    """Return the remarks that the conversion of a text notebook left."""
    listed = metadata.get(REMARKS_KEY)
    found = [_mapping(one) for one in listed] if isinstance(listed, list) else []
    lines = [(one.get("line"), printable(str(one.get("message", "")))) for one in found]
    return [Remark(line=line, message=message) for line, message in lines if isinstance(line, int)]


def _stated_title(metadata: dict[str, Any]) -> str:
    """Return the title in the notebook's metadata (nbformat 4, "Top-level structure")."""
    title = metadata.get("title")
    return printable(" ".join(title[:300].split())) if isinstance(title, str) else ""


def _language(kernelspec: dict[str, Any], metadata: dict[str, Any], raw_cells: list[Any]) -> str:
    candidates = [kernelspec.get("language"), _mapping(metadata.get("language_info")).get("name")]
    candidates += [_mapping(cell).get("language") for cell in raw_cells if _mapping(cell).get("language")]
    language = next((word for word in candidates if isinstance(word, str) and word), None)
    if language is None:
        language = language_of_kernel(str(kernelspec.get("name", "")))
    return language.lower()


def _title(cells: tuple[Cell, ...]) -> str:
    """Return the first heading of the notebook, in plain text."""
    for cell in cells:
        if cell.kind == "markdown":
            heading = re.search(r"^#{1,3}[ \t]+(\S[^\n]*)", cell.source, re.MULTILINE)
            if heading:
                plain = re.sub(r"[*_`]|\[([^\]\[]*)\]\([^()\n]*\)", r"\1", heading[1][:300])
                return printable(plain.rstrip(" \t#"))
    return ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
