"""The fields of a notebook's form: the control for each type, its text, and what the user should know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator.notebook.bounds import range_text
from generator.notebook.interface import Input, label
from generator.notebook.parameters import CwlType, Format, Literal, Missing
from generator.notebook.schemas import is_file, is_needed
from generator.runner.packaged.earth_values import has_dynamic_default
from generator.runner.server.pages.typed_controls import format_names, limits, local_text, typed_control
from generator.runner.server.values.strict_json import read_json

_RADIOS = 4
"""Choices that are shown at once; more become a list to select from."""
_LONG_TEXT = 70
_names = {
    CwlType.INT: "whole number",
    CwlType.LONG: "whole number",
    CwlType.FLOAT: "number",
    CwlType.DOUBLE: "number",
    CwlType.STRING: "text",
    CwlType.BOOLEAN: "yes or no",
    CwlType.ENUM: "choice",
    CwlType.FILE: "file",
    CwlType.DIRECTORY: "folder: its files, or a ZIP file",
    CwlType.ANY: "JSON or text",
}
_plurals = {
    CwlType.INT: "whole numbers",
    CwlType.LONG: "whole numbers",
    CwlType.FLOAT: "numbers",
    CwlType.DOUBLE: "numbers",
    CwlType.STRING: "texts",
    CwlType.BOOLEAN: "true or false",
    CwlType.FILE: "files",
    CwlType.DIRECTORY: "folders, each as a ZIP file",
    CwlType.ANY: "values",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One input in a form.

    ``control`` is text, number, date, datetime-local, area, lines, checkbox, radios, select, checks, secret or file;
    ``texts`` are the values that it shows, one for each item of a list.
    """

    id: str
    label: str
    control: str
    kind: str
    """The type in words."""
    doc: str
    texts: tuple[str, ...]
    options: tuple[str, ...] = ()
    keyboard: str = "text"
    """The keyboard of a phone: the attribute ``inputmode``."""
    required: bool = False
    empty: str = ""
    """What an empty field means, if that is not obvious."""
    many: bool = False
    """Whether several files may be chosen."""
    limits: tuple[tuple[str, str], ...] = ()
    """The attributes ``min``, ``max``, ``step``, ``minlength`` and ``maxlength`` with their values."""
    error: str = ""

    @property
    def rows(self) -> int:
        """The height of a text area."""
        lines = len(self.texts) if self.control == "lines" else "\n".join(self.texts).count("\n") + 1
        return max(2, min(12, lines + (self.control == "lines")))


def form_fields(
    inputs: Sequence[Input], given: Mapping[str, Sequence[str]], errors: Mapping[str, str]
) -> tuple[Field, ...]:
    """Return the fields of inputs, with the texts that were ``given`` by id, or their defaults."""
    return tuple(_field(one, given.get(one.id), errors.get(one.id, "")) for one in inputs)


def _field(one: Input, given: Sequence[str] | None, error: str) -> Field:
    texts = tuple(default_texts(one)) if given is None else tuple(given)
    control = _control(one, texts)
    if control == "datetime-local":
        texts = tuple(map(local_text, texts))
    return Field(
        id=one.id,
        label=label(one.name),
        control=control,
        kind=_kind(one, control),
        doc="\n".join(filter(None, (one.doc, range_text(one.hint, one.doc)))),
        texts=() if control in ("secret", "file") else texts,
        options=_options(one, control),
        keyboard=_keyboard(one),
        required=is_required(one),
        empty=_meaning_of_empty(one, control),
        many=one.hint.array or one.hint.type is CwlType.DIRECTORY,
        limits=tuple(limits(one, control).items()),
        error=error,
    )


def is_required(one: Input) -> bool:
    """Whether a run without a value is refused."""
    return is_needed(one, with_files=True)


def default_texts(one: Input) -> list[str]:
    """Return the default as the texts of a field; none for files, whose paths are the notebook's own, and secrets."""
    if isinstance(one.default, Missing) or is_file(one) or one.hint.secret or has_dynamic_default(one):
        return []
    return texts_of(one.default, one)


def texts_of(value: Literal, one: Input) -> list[str]:
    """Return a value as the texts of a field, which `generator.runner.server.values.texts` reads as the same value."""
    if one.hint.format is Format.BBOX and isinstance(value, list | tuple):
        return [", ".join(map(str, value))]
    if one.hint.array and isinstance(value, list | tuple):
        texts = [_text(item, one) for item in value]
        one_a_line = all(text and text.strip() == text and "\n" not in text for text in texts)
        is_like_json = bool(texts) and texts[0].startswith("[")
        return texts if one_a_line and not is_like_json else [json.dumps(value, ensure_ascii=False)]
    return [] if value is None else [_text(value, one)]


def _text(value: Literal, one: Input) -> str:
    if isinstance(value, str):
        return json.dumps(value) if one.hint.type is CwlType.ANY and _reads_as_json(value) else value
    return json.dumps(value, ensure_ascii=False)


def _reads_as_json(text: str) -> bool:
    try:
        read_json(text)
    except ValueError:
        return text in ("True", "False", "None")
    return True


def _control(one: Input, texts: Sequence[str]) -> str:
    hint = one.hint
    if is_file(one):
        return "file"
    if hint.secret:
        return "secret"
    if hint.symbols:
        return "checks" if hint.array else "radios" if len(hint.symbols) <= _RADIOS else "select"
    if hint.format or hint.bounds:
        return typed_control(one, texts)
    if hint.array:
        return "lines"
    if hint.type is CwlType.BOOLEAN:
        return "radios" if isinstance(one.default, Missing) else "checkbox"
    is_long = any(len(text) > _LONG_TEXT or "\n" in text for text in texts)
    return "area" if is_long and hint.type in (CwlType.STRING, CwlType.ANY) else "text"


def _kind(one: Input, control: str) -> str:
    if control == "checks":
        return "any number of these"
    if one.hint.format and not is_file(one):
        return f"{format_names[one.hint.format]}{', one per line' if control == 'lines' else ''}"
    if control == "lines":
        return f"list of {_plurals.get(one.hint.type, 'values')}, one per line"
    if one.hint.secret:
        return "secret text"
    name = (_plurals if one.hint.array else _names)[one.hint.type]
    return f"{name}, {one.hint.unit}" if one.hint.unit else name


def _options(one: Input, control: str) -> tuple[str, ...]:
    if control not in ("radios", "select", "checks"):
        return ()
    options = one.hint.symbols or ("true", "false")
    is_optional = control != "checks" and isinstance(one.default, Missing) and one.hint.optional
    return ("", *options) if is_optional else options


def _keyboard(one: Input) -> str:
    if one.hint.array:
        return "text"
    return {CwlType.FLOAT: "decimal", CwlType.DOUBLE: "decimal"}.get(one.hint.type, "text")


def _meaning_of_empty(one: Input, control: str) -> str:
    if control == "file" and isinstance(one.default, str) and one.default:
        return f"Without a file, the notebook uses {one.default}."
    if has_dynamic_default(one):
        return f"Without a value, the run uses {one.default} (UTC)."
    if is_required(one) or control in ("checkbox", "radios", "select", "checks"):
        return ""
    if isinstance(one.default, Missing):
        return "May be empty: the notebook has its own value." if one.default is Missing.COMPUTED else "May be empty."
    return ""
