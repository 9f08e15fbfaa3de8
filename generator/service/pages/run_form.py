"""The form for a package's inputs: its fields, its values, and the texts that show the values of an earlier run.

A browser changes texts: `<input>` has no line breaks, and `<textarea>` has one kind of them. So a field that still has
the text of its default means the default, and no other value is shown that would come back as another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any

from generator.notebook.interface import cwl_id
from generator.service.pages.form_fields import (
    FILES,
    REAL,
    WHOLE,
    Field,
    WrongValueError,
    file_value,
    json_or_none,
    typed_value,
)


def fields(interface: Mapping[str, Any]) -> list[Field]:
    """Return the fields for an interface, as `generator.notebook.interface_json` writes it."""
    inputs = [_field(one) for one in interface.get("inputs", ())]
    return [*inputs, *(_stage_in_field(one) for one in interface.get("stage_in", ()))]


def _field(one: Mapping[str, Any]) -> Field:
    kind, array = str(one["type"]), bool(one.get("array"))
    options = tuple(map(str, one.get("symbols") or ())) or (("true", "false") if kind == "boolean" else ())
    if array or kind in FILES:
        control = "lines"
    elif options:
        control = "select"
    else:
        control = "number" if kind in (*WHOLE, *REAL) else "json" if kind == "Any" else "text"
    if control == "text" and one.get("format") == "date" and not one.get("dynamic"):
        control = "date"
    if one.get("secret") and control in ("text", "number", "date"):
        control = "password"
    default = None if one.get("secret") else one.get("default")
    field = Field(
        id=cwl_id(str(one["name"])),
        name=str(one["name"]),
        type=f"{kind}{'[]' if array else ''}",
        doc=_doc(one),
        control=control,
        options=options,
        default="",
        required=not one.get("optional") and default is None and not (one.get("secret") and one.get("default")),
        secret=bool(one.get("secret")),
        whole=kind in WHOLE,
        limits=tuple(_limits(one, control)),
        value=default,
    )
    field = replace(field, default=_format_default(default, field))
    return replace(field, control=_control_for(field.default, field))


def _control_for(text: str, field: Field) -> str:
    """Return the control that shows a text as it is: browsers remove line breaks, and what is not a date."""
    if field.control == "date" and text and not _is_date(text):
        return "text"
    return "area" if field.control == "text" and re.search(r"[\r\n]", text) else field.control


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def shown(known: Sequence[Field], given: Mapping[str, str]) -> list[Field]:
    """Return the fields with the controls that show the texts of a form."""
    return [replace(one, control=_control_for(given.get(f"input-{one.id}", ""), one)) for one in known]


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


def _format_default(value: Any, field: Field) -> str:
    if value is None:
        return ""
    text = _text(value, field)
    if text is not None:
        return text
    return value if isinstance(value, str) and field.control != "json" else json.dumps(value, ensure_ascii=False)


def values(
    form: Mapping[str, str],
    known: list[Field],
    files: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType({}),
    *,
    asked_again: Collection[str] = (),
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a form's values and its errors, both by field ID; an empty or unchanged field means the default.

    ``files`` are uploaded files by field ID, as CWL's File objects (`generator.service.store.run_files`).
    ``asked_again`` are names of fields that have to be filled in: the repeated run had values that were not shown.
    """
    found: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for field in known:
        text = _sent(form.get(f"input-{field.id}", ""))
        uploaded = files.get(field.id, ())
        if not text.strip() and not uploaded:
            if field.required:
                wrong[field.id] = "a value is required"
            elif field.name in asked_again:
                wrong[field.id] = "a value is required: that of the repeated run could not be shown"
            continue
        if text == _sent(field.default) and not uploaded:
            continue
        try:
            found[field.id] = file_value(text, field, uploaded) if uploaded else typed_value(text, field)
        except WrongValueError as error:
            wrong[field.id] = str(error)
    return found, wrong


def _sent(text: str) -> str:
    """Return a text as it comes back from a page: with one kind of line break, and no character that HTML lacks."""
    text = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def texts(given: Mapping[str, Any], known: list[Field]) -> dict[str, str]:
    """Return the texts of a form for values, by name of the control: the way back from `values`.

    Uploaded files are left out, and so are the fields of `not_shown`.
    """
    found = {}
    for field in known:
        if given.get(field.id) is not None and not field.secret:
            text = _text(given[field.id], field)
            if text is not None:
                found[f"input-{field.id}"] = text
    return found


def not_shown(given: Mapping[str, Any], known: list[Field]) -> list[str]:
    """Return the names of the fields whose value a form cannot show, such as an empty text or a stage-in's record."""
    is_given = (one for one in known if given.get(one.id) is not None)
    return [one.name for one in is_given if one.secret or _text(given[one.id], one) is None]


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
    """Return the text that means a value, empty for uploaded files; None if no text does.

    A text that is refused when it is sent is returned, too: nothing runs with another value.
    """
    items = value if isinstance(value, list) else [value]
    if items and field.takes_files and all(map(_is_upload, items)):
        return ""
    return next((text for text in _spellings(value, field) if _is_read_as(text, value, field)), None)


def _is_upload(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class") == "File" and "path" in value


def _without_uploads(items: list[Any], field: Field) -> list[Any]:
    return [one for one in items if not (field.takes_files and _is_upload(one))]


def _spellings(value: Any, field: Field) -> Iterator[str]:
    if field.control == "json":
        yield json.dumps(value, ensure_ascii=False)
    elif field.control == "lines":
        lines = [_line(one, field) for one in _without_uploads(value if isinstance(value, list) else [value], field)]
        if None not in lines:
            yield "\n".join(filter(None, lines))
        if isinstance(value, list):
            yield json.dumps(value, ensure_ascii=False)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float | dict):  # GeoJSON is an object or its text
        yield json.dumps(value, ensure_ascii=False)


def _line(value: Any, field: Field) -> str | None:
    """Return an item of a list in a line of its own, None if it does not fit."""
    if field.type.removesuffix("[]") in FILES and isinstance(value, dict):
        location = value.get("location")
        return location if value.get("class") in FILES and isinstance(location, str) else None
    if isinstance(value, str) and (field.type != "Any[]" or json_or_none(value) is None):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_read_as(text: str, value: Any, field: Field) -> bool:
    """Whether a form with this text has the value, or is refused."""
    if not text.strip() or _sent(text) == _sent(field.default):
        return field.value is not None and _is_same(field.value, value)
    if field.options and not field.is_list and text not in field.options:
        return False  # a browser chooses another one
    try:
        found = typed_value(_sent(text), field)
    except WrongValueError:
        return True
    if isinstance(value, dict) and isinstance(found, str):
        return True
    return _is_same(found, _without_uploads(value, field) if isinstance(value, list) else value)


def _is_same(found: Any, value: Any) -> bool:
    return bool(_plain(found) == _plain(value)) or str(found) == str(value)


def _plain(value: Any) -> Any:
    """Return a value in which a file that has only an address is this address."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    is_address = isinstance(value, dict) and value.keys() == {"class", "location"} and value["class"] in FILES
    return value["location"] if is_address else value
