"""Derive the type that a parameter's value, its name and its uses show; nothing is run.

Only what is certain enough to be proposed: the author sees every type before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal as OneOf

from generator.notebook.bbox import fit_bbox
from generator.notebook.dates import date_text
from generator.notebook.parameters import Format, Literal, Missing, Parameter

FileKind = OneOf["file", "directory", ""]
FindFile = Callable[[str], FileKind]
"""What a path, relative to the notebook, is in its repository."""

_SECRET = re.compile(r"(?i)(?:^|_)(?:password|passwd|secret|token|api_?key|(?:access|private|secret)_key)$")
_BBOX = re.compile(r"(?i)(?:^|_)(?:bbox|bounding_?box)(?:$|_)")
_INT_32 = 2**31
_WITH_INTEGERS = ("python", "julia", "bash", "zsh", "powershell", "scheme")
"""Languages in which 86 is a whole number; in the others every number may have a fraction."""


def guess_type(parameter: Parameter, *, language: str, is_written: bool, find_file: FindFile) -> str:
    """Return the type of a parameter without one, as a ``# type:`` comment has it; empty if nothing shows it.

    ``is_written`` is whether the notebook writes a file to the value.
    """
    value = parameter.default
    if isinstance(value, Missing) or value is None or isinstance(value, dict):
        return ""
    if isinstance(value, list | tuple):
        if _BBOX.search(parameter.name) and not fit_bbox(value)[1]:
            return "bbox"
        kinds = {_of_scalar(item, language) for item in value}
        kind = "float" if kinds in ({"int", "float"}, {"long", "float"}) else kinds.pop() if len(kinds) == 1 else ""
        return f"{kind}[]" if kind else ""
    if isinstance(value, str):
        return _of_text(parameter.name, value, is_written=is_written, find_file=find_file)
    return _of_scalar(value, language)


def _of_text(name: str, value: str, *, is_written: bool, find_file: FindFile) -> str:
    if _SECRET.search(name):
        return "secret"
    if is_written and value.strip():
        return "stage-out"
    return find_file(value) or _of_scalar(value, "")


def _of_scalar(value: Literal, language: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        if not any(language.startswith(one) for one in _WITH_INTEGERS):
            return "float"
        return "int" if -_INT_32 <= value < _INT_32 else "long"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        is_iso = value[:1].isdigit()  # words such as "today" may mean something else to the notebook
        is_date, is_time = date_text(value, Format.DATE), date_text(value, Format.DATETIME)
        return "date" if is_iso and is_date else "datetime" if is_iso and is_time else "string"
    return ""
