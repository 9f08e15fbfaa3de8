"""Summarize the results of a run for a terminal: where the notebook, pictures, tables and scraps are."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from generator.shared import contract
from generator.shared.safe_text import printable
from generator.shared.size_text import size_text

_ENDINGS = {
    "notebook": (".ipynb",),
    "page": (".html",),
    "pictures": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"),
    "tables": (".csv", ".tsv", ".parquet", ".xlsx"),
}
"""The kinds of files in the order of the summary; all others are ``files``."""
_MOST_FILES, _MOST_SCRAPS, _LONGEST, _LARGEST = 8, 12, 80, 1 << 20


def summarize(outputs: Mapping[str, Any], *, folder: Path) -> str:
    """Return a summary of CWL's output object; paths are relative to ``folder`` where they are in it."""
    files = {path: size for path, size in _files(outputs) if Path(path).name != contract.result_file}
    listed: dict[str, list[str]] = {kind: [] for kind in (*_ENDINGS, "scraps", "files")}
    for path, size in sorted(files.items()):
        if Path(path).name == contract.scraps_file:
            listed["scraps"] += _scraps(Path(path))
        else:
            listed[_kind(path)].append(f"{_shown(path, folder)} ({size_text(size)})")
    values = {
        name: value for name, value in outputs.items() if not isinstance(value, dict | list) and value is not None
    }
    listed["scraps"] += [f"{printable(name)} = {_text(value)}" for name, value in values.items()]
    lines = [line for kind, entries in listed.items() for line in _section(kind, entries)]
    return "\n".join(["Results:", *lines] if lines else ["The run has no results."])


def _files(value: Any) -> Iterator[tuple[str, int]]:
    """Yield path and size of all files in an output, and those in its folders."""
    if isinstance(value, list):
        for one in value:
            yield from _files(one)
    elif isinstance(value, dict) and value.get("class") == "File":
        yield value.get("path") or unquote(urlsplit(value.get("location") or "").path), value.get("size") or 0
        yield from _files(value.get("secondaryFiles"))
    elif isinstance(value, dict):
        for one in [value.get("listing")] if value.get("class") == "Directory" else value.values():
            yield from _files(one)


def _kind(path: str) -> str:
    ending = Path(path).suffix.lower()
    return next((kind for kind, endings in _ENDINGS.items() if ending in endings), "files")


def _section(kind: str, entries: list[str]) -> Iterator[str]:
    most = _MOST_SCRAPS if kind == "scraps" else _MOST_FILES
    shown = entries[:most]
    if left := len(entries) - len(shown):
        shown.append(f"and {left} more")
    for number, entry in enumerate(shown):
        yield f"  {'' if number else kind:<10}{entry}"


def _shown(path: str, folder: Path) -> str:
    relative = os.path.relpath(path, folder)
    return printable(path if relative.startswith("..") else relative)


def _scraps(path: Path) -> list[str]:
    """Return the values that the notebook glued; of a file that is large or not valid, its path."""
    try:
        found = json.loads(path.read_bytes()) if path.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return [printable(str(path))]
    return [f"{printable(str(name))} = {_text(value)}" for name, value in found.items()]


def _text(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."
