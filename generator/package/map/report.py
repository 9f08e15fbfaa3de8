"""``report.html``: a page with the table of results, thumbnails of pictures, and a plot of a result against an input.

The page is one file without foreign parts. What notebooks wrote is data in it: the script shows it as text alone.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import generator.shared
from generator.package.map.results import Result, replacing, tabulate
from generator.resources import data_folder, render
from generator.shared.json_text import spell_non_finite

report_file = "report.html"
_MOST_REASONS = 10
_LARGEST_EXACT = 2**53 - 1
"""Larger whole numbers are not all different in JavaScript (ECMAScript, Number.MAX_SAFE_INTEGER)."""
_OF_THE_RUN = ("attempts", "seconds", "peak_memory", "folder")
"""Columns that come last on the page: the results of a row are next to its values."""


def write_report(outdir: Path, results: Sequence[Result], *, package: str, tables: Sequence[Path]) -> Path:
    """Write the page next to the tables of results; return its path."""
    columns, records = tabulate(results)
    shown = [{name: _with_path(value, record) for name, value in record.items()} for record in records]
    names = _shown_columns(columns, shown)
    states = Counter(record["state"] for record in records)
    counted = ", ".join(f"{states[state]} {state}" for state in ("succeeded", "failed", "missing") if states[state])
    data = {
        "columns": names,
        "records": [[_exact(spell_non_finite(record.get(name))) for name in names] for record in shown],
        "hidden": len(columns) - len(names),
    }
    parts = data_folder("templates") / "package" / "map"
    page = render(
        "package/map/report.html",
        nonce=secrets.token_urlsafe(16),
        title=f"Results of {package}",
        lead=f"{len(records)} rows: {counted}",
        tables=[path.name for path in tables],
        reasons=_reasons(records),
        base=Path(generator.shared.__file__).with_name("pages").joinpath("base.css").read_text(encoding="utf-8"),
        style=(parts / "report.css").read_text(encoding="utf-8"),
        script=(parts / "report.js").read_text(encoding="utf-8"),
        data=_as_script(data),
    )
    path = outdir / report_file
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _with_path(value: Any, record: Mapping[str, Any]) -> Any:
    """Return the path of a scrap that is a file of its row, from the folder of the page; any other value as it is."""
    folder, path = record.get("folder"), value.get("path") if isinstance(value, dict) else None
    if not folder or not isinstance(path, str) or value.get("class") != "File":
        return value
    is_inside = not path.startswith("/") and ".." not in path.split("/")  # a notebook may glue any text
    return f"{folder}/{path}" if is_inside else value


def _shown_columns(columns: Sequence[str], records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns in the order of the page, without those that say nothing about any row."""
    nothing: dict[str, tuple[Any, ...]] = {"attempts": (None, 1)}
    filled = [name for name in columns if any(record.get(name) not in nothing.get(name, (None,)) for record in records)]
    return sorted(filled, key=lambda name: name in _OF_THE_RUN)


def _exact(value: Any) -> Any:
    """Return a value with whole numbers as text that numbers of JavaScript would round."""
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    is_rounded = isinstance(value, int) and abs(value) > _LARGEST_EXACT
    return str(value) if is_rounded else value


def _as_script(data: Any) -> str:
    """Return JSON that cannot end the script element (HTML, "Restrictions for contents of script elements")."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, default=str).replace("<", "\\u003c")


def _reasons(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, Mapping[str, Any]]]:
    """Return the most frequent reasons of failures, how often each occurs, and the first row with it."""
    failed = [record for record in records if record["state"] == "failed"]
    counts = Counter(str(record.get("reason")) for record in failed)
    first = {str(record.get("reason")): record for record in reversed(failed)}
    return [(reason, count, first[reason]) for reason, count in counts.most_common(_MOST_REASONS)]
