"""R Markdown's ``params``: their declarations in the header, and the cell that defines them for a kernel.

knitr makes a list ``params`` of them before the first chunk ("R Markdown: The Definitive Guide", chapter 15). So does a
cell; a run writes its values into the list.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from generator.notebook.hints import TYPE_COMMENT, UnknownHintError, parse_hint
from generator.notebook.parameters import CwlType, Hint, Missing, Parameter
from generator.notebook.text_formats.header import RCode, read_header
from generator.shared.errors import Mistake

PARAMS_TAG = "knitr-params"
"""The tag of the cell that defines ``params``."""
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LARGEST_INTEGER = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Param:
    """One entry of ``params``, with its value in R's terms, and the type that it declares."""

    name: str
    value: Any
    line: int
    text: str
    hint: Hint | None = None
    doc: str = ""
    mistake: Mistake | None = None

    def as_parameter(self) -> Parameter:
        """Return it as a parameter of the notebook."""
        default = Missing.COMPUTED if _has_code(self.value) else self.value
        return Parameter(name=self.name, line=self.line, text=self.text, default=default, hint=self.hint, doc=self.doc)


@dataclass(frozen=True, kw_only=True, slots=True)
class ParamsCell:
    """The source of the cell, and the offsets of each value in it."""

    source: str
    spans: Mapping[str, tuple[int, int]]


def read_params(header: str, name: str, *, before: int) -> tuple[Param, ...]:
    """Read ``params`` from the text of a header that begins after the line ``before``.

    Raises:
        NotebookError: the header is not valid YAML.
    """
    values = read_header(header, name).mapping("params")
    lines = header.split("\n")
    places = _places(lines, values)
    return tuple(
        _param(str(key), value, places.get(str(key), 0), lines, before=before) for key, value in values.items()
    )


def _places(lines: list[str], values: Mapping[Any, Any]) -> dict[str, int]:
    """Return the index of the line on which each entry begins."""
    begin = next((at for at, line in enumerate(lines) if re.match(r"params\s*:", line)), 0)
    found: dict[str, int] = {}
    for at in range(begin + 1, len(lines)):
        match = re.match(r"""[ \t]{1,40}["']?(?P<name>[^"':\s][^"':]{0,200}?)["']?[ \t]{0,9}:""", lines[at])
        if match and match["name"] in values:
            found.setdefault(match["name"], at)
    return found


def _param(name: str, declared: Any, at: int, lines: list[str], *, before: int) -> Param:
    described = declared if isinstance(declared, Mapping) and "value" in declared else {}
    value = _with_text_names(described["value"] if described else declared)
    comment = re.search(r"(?:^|\s)(#.*)", lines[at]) if at else None
    hint, doc = _hint_of_widget(described, value), str(described.get("label", ""))
    line = before + at + 1 if at else 0
    mistake = None
    if comment and (typed := TYPE_COMMENT.search(comment[1])):
        try:
            hint, written = parse_hint(typed["hint"].strip())
            doc = written or doc
        except UnknownHintError as error:
            mistake = Mistake(line=line, text=lines[at], message=str(error))
    elif comment:
        doc = doc or comment[1].lstrip("#").strip()
    doc = " ".join([*([doc] if doc else []), *_limits(described)])
    return Param(name=name, value=value, line=line, text=lines[at], hint=hint, doc=doc, mistake=mistake)


def _with_text_names(value: Any) -> Any:
    """Return a value whose names are text, as those of lists in R are; YAML has numbers and others as names too."""
    if isinstance(value, Mapping):
        return {str(key): _with_text_names(one) for key, one in value.items()}
    return [_with_text_names(one) for one in value] if isinstance(value, list) else value


def _has_code(value: Any) -> bool:
    """Return whether R computes a part of the value."""
    if isinstance(value, Mapping):
        return any(map(_has_code, value.values()))
    return any(map(_has_code, value)) if isinstance(value, list) else isinstance(value, RCode)


def _hint_of_widget(described: Mapping[str, Any], value: Any) -> Hint | None:
    """Return the type that an input of Shiny implies ("Parameterized reports", section "The Shiny user interface")."""
    kind, choices = described.get("input"), described.get("choices")
    if kind == "password":
        return Hint(type=CwlType.STRING, secret=True)
    if kind == "file":
        return Hint(type=CwlType.FILE)
    listed = list(choices.values()) if isinstance(choices, Mapping) else choices
    if kind in ("select", "radio") and isinstance(listed, list) and listed:
        symbols = tuple(dict.fromkeys(one for one in listed if isinstance(one, str)))
        if len(symbols) == len(listed):
            return Hint(type=CwlType.ENUM, symbols=symbols, array=described.get("multiple") is True)
    return _hint_of_value(value)


def _hint_of_value(value: Any) -> Hint | None:
    """Return the type of a number: YAML and R tell whole numbers from others."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Hint(type=CwlType.INT if abs(value) <= _LARGEST_INTEGER else CwlType.LONG)
    return None


def _limits(described: Mapping[str, Any]) -> list[str]:
    words = (("min", "from"), ("max", "to"))
    return [f"{word} {described[key]}" for key, word in words if isinstance(described.get(key), int | float)]


def params_cell(params: Iterable[Param]) -> ParamsCell:
    """Return the cell that defines the list."""
    source = "params <- list("
    spans = {}
    for index, param in enumerate(params):
        source += f"{',' if index else ''}\n  {_name(param.name)} = "
        start, text = len(source), _literal(param.value)
        whole = _is_vector(param.value)
        source += f"unlist({text})" if whole else text
        start += len("unlist(") if whole else 0
        spans[param.name] = (start, start + len(text))
    return ParamsCell(source=source + "\n)", spans=spans)


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][\w.]*", name, re.ASCII) else "`" + re.sub(r"([\\`])", r"\\\1", name) + "`"


def _is_vector(value: Any) -> bool:
    """Return whether knitr makes a vector of a list: one of scalars; a run writes a list into ``unlist()``."""
    return isinstance(value, list) and all(isinstance(one, str | int | float) for one in value)


def _literal(value: Any) -> str:
    if isinstance(value, RCode):
        return f"({value.code.strip()})"
    if isinstance(value, Mapping):
        return "list(" + ", ".join(f"{_name(str(key))} = {_literal(one)}" for key, one in value.items()) + ")"
    if isinstance(value, list):
        return "list(" + ", ".join(map(_literal, value)) + ")"
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return _number(value) if isinstance(value, int | float) else _text(str(value))


def _number(value: float) -> str:
    if isinstance(value, int):
        return f"{value}L" if abs(value) <= _LARGEST_INTEGER else str(value)
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"


def _text(text: str) -> str:
    escaped = "".join(_ESCAPES.get(one) or (f"\\u{ord(one):04x}" if one < " " else one) for one in text)
    return f'"{escaped}"'
