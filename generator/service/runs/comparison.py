"""How two runs differ: rows with a value of each, and for numbers the difference."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generator.service.runs.results import OutputFile, RunResult
from generator.shared.size_text import size_text

_LONGEST, _LARGEST_SIZE = 2000, 10**18
ABSENT = ""
WITHHELD = "not shown"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A row: a name, the texts of both runs (empty if a run has none), whether they differ, and by how much."""

    name: str
    first: str
    second: str
    differs: bool
    change: str = ""


def compare_values(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Compare values or scraps by name, in the order of the first run."""
    return [_difference(name, first, second) for name in dict.fromkeys([*first, *second])]


def with_defaults(
    values: Mapping[str, Any], withheld: Sequence[str], inputs: Sequence[tuple[str, Any, bool]]
) -> dict[str, Any]:
    """Return the values of a run in the order of its inputs (ID, default, secret); a secret only if it was given."""
    found: dict[str, Any] = {}
    for name, default, secret in inputs:
        if name in withheld:
            found[name] = Withheld()
        elif name in values:
            found[name] = values[name]
        elif default is not None and not secret:
            found[name] = default
    return found


class Withheld:
    """A value that is not stored; two of them may differ or not."""


def compare_files(first: RunResult, second: RunResult) -> list[Difference]:
    """Compare output files by name: size and, where the runner wrote it, digest."""
    return [
        _file_difference(name, first.files.get(name), second.files.get(name))
        for name in dict.fromkeys([*first.files, *second.files])
    ]


def picture_pairs(first: RunResult, second: RunResult, *, most: int) -> Iterator[tuple[str, str, str]]:
    """Yield pictures that both runs have: the name, and the paths in the artifacts of each."""
    both = [name for name, file in first.files.items() if file.is_picture and name in second.files]
    for name in both[:most]:
        yield name, first.files[name].path, second.files[name].path


def number_change(first: float, second: float) -> str:
    """Return the difference of two numbers, and how many percent of the first it is."""
    change = second - first
    if not math.isfinite(change):
        return ""
    percent = percent_change(first, second)
    return f"{change:+.6g} ({percent})" if percent else f"{change:+.6g}"


def percent_change(first: float, second: float) -> str:
    """Return by how many percent of the first number the second one differs; empty for a change from zero."""
    return f"{100 * (second - first) / abs(first):+.3g} %" if first and second != first else ""


def _difference(name: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Difference:
    one, two = first.get(name), second.get(name)
    texts = [_text(values[name]) if name in values else ABSENT for values in (first, second)]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, two))
    differs = texts[0] != texts[1] and not (numbers and one == two)
    change = _safe_change(one, two) if numbers and differs else ""
    if isinstance(one, Withheld) and isinstance(two, Withheld):
        change = "not compared"
    return Difference(name=name, first=texts[0], second=texts[1], differs=differs, change=change)


def _safe_change(first: Any, second: Any) -> str:
    try:
        return number_change(float(first), float(second))
    except OverflowError:
        return ""


def _text(value: Any) -> str:
    if isinstance(value, Withheld):
        return WITHHELD
    text = value_text(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def value_text(value: Any) -> str:
    """Return a value as text: a file by its name and size or its address, text as it is, the rest as JSON."""
    if isinstance(value, dict) and value.get("class") in ("File", "Directory"):
        return str(value["location"]) if "location" in value else _upload_text(value)
    if isinstance(value, list) and value and all(isinstance(one, dict) and "class" in one for one in value):
        return "\n".join(map(value_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _upload_text(value: Mapping[str, Any]) -> str:
    name, size = str(value.get("path", "")).rpartition("/")[2], value.get("size")
    digest = str(value.get("checksum", "")).removeprefix("sha1$")[:12]
    is_size = isinstance(size, int) and 0 <= size < _LARGEST_SIZE
    return f"{name} ({size_text(size)}, sha1 {digest})" if is_size and digest else name


def _file_difference(name: str, first: OutputFile | None, second: OutputFile | None) -> Difference:
    known = bool(first and second and first.sha256 and second.sha256)
    same = bool(first and second and first.size == second.size and (not known or first.sha256 == second.sha256))
    change = _size_change(first.size, second.size) if first and second else ""
    texts = [_file_text(file) for file in (first, second)]
    return Difference(name=name, first=texts[0], second=texts[1], differs=not same, change=change)


def _size_change(first: int, second: int) -> str:
    if first == second:
        return ""
    percent = percent_change(first, second)
    return f"{second - first:+d} bytes ({percent})" if percent else f"{second - first:+d} bytes"


def _file_text(file: OutputFile | None) -> str:
    if file is None:
        return ABSENT
    return f"{size_text(file.size)}, sha256 {file.sha256[:12]}" if file.sha256 else size_text(file.size)
