"""The form for a package's inputs, and the conversion of its values to those of a job."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from generator.notebook.interface import cwl_id
from generator.notebook.literals import MisfitError
from generator.package.job_file import refuse_directives
from generator.shared.yaml_limits import YamlLimitError, check_depth, deepest

_WHOLE, _REAL = ("int", "long"), ("float", "double")
_BITS = {"int": 31, "long": 63}
"""Bits of the whole numbers of CWL, without the sign."""
_NOT_FINITE = ("inf", "infinity", "nan")
_FILES = ("File", "Directory")


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One input in a form; ``control`` is text, number, date, select, lines, json or password.

    ``limits`` are the attributes ``min``, ``max`` and the like of the control, with their values.
    """

    id: str
    name: str
    type: str
    doc: str
    control: str
    options: tuple[str, ...]
    default: str
    required: bool
    secret: bool
    whole: bool
    limits: tuple[tuple[str, str], ...] = ()

    @property
    def takes_files(self) -> bool:
        """Whether files can be uploaded for the input."""
        return self.type.removesuffix("[]") == "File"

    @property
    def is_list(self) -> bool:
        """Whether the input has several values."""
        return self.type.endswith("[]")


class WrongValueError(Exception):
    """A field's value is invalid."""


def fields(interface: Mapping[str, Any]) -> list[Field]:
    """Return the fields for an interface, as `generator.notebook.interface_json` writes it."""
    inputs = [_field(one) for one in interface.get("inputs", ())]
    return [*inputs, *(_stage_in_field(one) for one in interface.get("stage_in", ()))]


def _field(one: Mapping[str, Any]) -> Field:
    kind, array = str(one["type"]), bool(one.get("array"))
    options = tuple(map(str, one.get("symbols") or ())) or (("true", "false") if kind == "boolean" else ())
    if array or kind in _FILES:
        control = "lines"
    elif options:
        control = "select"
    else:
        control = "number" if kind in (*_WHOLE, *_REAL) else "json" if kind == "Any" else "text"
    if control == "text" and one.get("format") == "date" and not one.get("dynamic"):
        control = "date"
    if one.get("secret") and control in ("text", "number", "date"):
        control = "password"
    default = None if one.get("secret") else one.get("default")
    return Field(
        id=cwl_id(str(one["name"])),
        name=str(one["name"]),
        type=f"{kind}{'[]' if array else ''}",
        doc=_doc(one),
        control=control,
        options=options,
        default=_format_default(default, control) if default is not None else "",
        required=not one.get("optional") and default is None and not (one.get("secret") and one.get("default")),
        secret=bool(one.get("secret")),
        whole=kind in _WHOLE,
        limits=tuple(_limits(one, control)),
    )


def _doc(one: Mapping[str, Any]) -> str:
    """Return the description of an input with its form, its range and its unit."""
    form = {"date-time": "date and time", "bbox": "west, south, east, north", "geojson": "GeoJSON"}
    words = [form.get(str(one.get("format")), "")]
    words += [f"{word} {one[key]}" for key, word in _RANGE.items() if key in one]
    words += [f"in {one['unit']}"] if one.get("unit") else []
    return "; ".join(filter(None, (str(one.get("doc") or ""), ", ".join(filter(None, words)))))


_RANGE = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "minLength": "characters at least",
    "maxLength": "characters at most",
}


def _limits(one: Mapping[str, Any], control: str) -> Iterator[tuple[str, str]]:
    """Yield the attributes of a date; a number's field is of text, for infinite ones."""
    for name, key in (("min", "minimum"), ("max", "maximum")):
        if control == "date" and re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(one.get(key))):
            yield name, str(one[key])


def _stage_in_field(one: Mapping[str, Any]) -> Field:
    return Field(
        id=cwl_id(str(one["name"])),
        name=str(one["name"]),
        type=str(one["type"]),
        doc=str(one.get("doc") or ""),
        control="lines",
        options=(),
        default="",
        required=False,
        secret=False,
        whole=False,
    )


def _format_default(value: Any, control: str) -> str:
    if control == "lines" and isinstance(value, list):
        return "\n".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in value)
    if isinstance(value, str) and control != "json":
        return value
    return json.dumps(value, ensure_ascii=False)


def values(
    form: Mapping[str, str], known: list[Field], files: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType({})
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a form's values and its errors, both by field ID; an empty field means the default.

    ``files`` are uploaded files by field ID, as CWL's File objects (`generator.service.store.run_files`).
    """
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in known:
        text = form.get(f"input-{field.id}", "").replace("\r\n", "\n").strip("\n")
        uploaded = files.get(field.id, ())
        if not text.strip() and not uploaded:
            if field.required:
                wrong[field.id] = "a value is required"
            continue
        try:
            found[field.id] = _file_value(text, field, uploaded) if uploaded else _value(text, field)
        except WrongValueError as error:
            wrong[field.id] = str(error)
    return found, wrong


def texts(given: Mapping[str, Any], known: list[Field]) -> dict[str, str]:
    """Return the texts of a form for values, by name of the control: the way back from `values`.

    Uploaded files are left out, and so are fields whose value a form cannot show, such as a record of a stage-in.
    """
    shown = {}
    for field in known:
        if field.id in given and not field.secret:
            text = _text(given[field.id], field)
            if text is not None:
                shown[f"input-{field.id}"] = text
    return shown


def uploads(given: Mapping[str, Any], known: list[Field]) -> dict[str, list[str]]:
    """Return the paths of the uploaded files among values, by field ID."""
    found = {}
    for field in known:
        value = given.get(field.id)
        items = value if isinstance(value, list) else [value]
        paths = [str(one["path"]) for one in items if isinstance(one, dict) and "path" in one]
        if field.takes_files and paths:
            found[field.id] = paths
    return found


def _text(value: Any, field: Field) -> str | None:
    if field.control == "json":
        return json.dumps(value, ensure_ascii=False)
    if field.control == "lines":
        items = [_line(one) for one in (value if isinstance(value, list) else [value])]
        return None if None in items else "\n".join(one for one in items if one)
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value) if isinstance(value, str | int | float) else None


def _line(value: Any) -> str | None:
    """Return a value in a line of its own, an empty text for an uploaded file, None if it does not fit."""
    if isinstance(value, dict):
        if value.get("class") not in _FILES:
            return None
        return "" if "path" in value else str(value.get("location", ""))
    return value if isinstance(value, str) and "\n" not in value else json.dumps(value, ensure_ascii=False)


def _file_value(text: str, field: Field, uploaded: Sequence[Mapping[str, Any]]) -> Any:
    items = [_scalar(line.strip(), "File", field) for line in text.split("\n") if line.strip()]
    items += uploaded
    if field.is_list:
        return items
    if len(items) != 1:
        raise WrongValueError("give one file: by its URL or as an upload")
    return items[0]


def _value(text: str, field: Field) -> Any:
    kind = field.type.removesuffix("[]")
    if field.control == "json":
        return _json_value(text)
    if field.control == "lines":
        items = [_scalar(line.strip(), kind, field) for line in text.split("\n") if line.strip()]
        if field.type.endswith("[]"):
            return items
        if len(items) != 1:
            raise WrongValueError("exactly one value is required")
        return items[0]
    return _scalar(text.strip() if kind != "string" else text, kind, field)


def _json_value(text: str) -> Any:
    """Parse JSON; return any other text as it is."""
    try:
        value = json.loads(text)
        check_depth(value)
    except (YamlLimitError, RecursionError):
        raise WrongValueError(f"lists and objects can be nested at most {deepest} levels deep") from None
    except ValueError:
        return text
    try:
        refuse_directives(value)
    except MisfitError as error:
        raise WrongValueError(f"the value {error}") from None
    return value


def _scalar(text: str, kind: str, field: Field) -> Any:
    if kind in _FILES:
        if not text.startswith(("https://", "http://")):
            raise WrongValueError(f"{text} is not an http or https URL")
        return {"class": kind, "location": text}
    if kind in _REAL and text.lower().lstrip("+-").lstrip(".") in _NOT_FINITE:
        return text  # JSON has no such number; the run reads it from text
    if kind in (*_WHOLE, *_REAL):
        try:
            number = int(text) if kind in _WHOLE else float(text)
        except ValueError:
            raise WrongValueError(f"{text} is not a {'whole ' if kind in _WHOLE else ''}number") from None
        if isinstance(number, int) and not -(2 ** _BITS[kind]) <= number < 2 ** _BITS[kind]:
            raise WrongValueError(f"{text} is too large for a whole number of {_BITS[kind] + 1} bits")
        if isinstance(number, float) and not math.isfinite(number):
            raise WrongValueError(f"{text} is too large for a number")
        return number
    if field.options and text not in field.options:
        raise WrongValueError(f"{text} is not one of {', '.join(field.options)}")
    return text == "true" if kind == "boolean" else text
