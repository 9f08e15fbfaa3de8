"""From the texts of a notebook's form to the fields of a request, with an error for each that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from generator.notebook.interface import Input, Interface
from generator.notebook.literals import MisfitError
from generator.notebook.parameters import CwlType, Format, Missing
from generator.notebook.schemas import is_file
from generator.runner.packaged.values import explain_misfit, notebook_value
from generator.runner.server.pages.fields import is_required
from generator.runner.server.values.caller_files import ReadValues

Texts = dict[str, list[str]]


def texts_by_id(interface: Interface, pairs: Iterable[tuple[str, str]]) -> Texts:
    """Return the texts of a form's fields, one for each item of a list; an unchecked checkbox is ``false``."""
    sent: Texts = {}
    for name, text in pairs:
        sent.setdefault(name, []).append(text.replace("\r\n", "\n"))
    return {one.id: _texts(one, sent.get(one.id)) for one in interface.inputs if not is_file(one)}


def _texts(one: Input, sent: list[str] | None) -> list[str]:
    if sent is None:  # browsers do not send what is not checked
        is_checkbox = one.hint.type is CwlType.BOOLEAN and not isinstance(one.default, Missing)
        return ["false"] if is_checkbox and not one.hint.array else []
    if one.hint.format is Format.BBOX:
        return sent[:1]
    if one.hint.array and not one.hint.symbols:
        return _lines(sent[0])
    return sent if one.hint.array else sent[:1]


def _lines(text: str) -> list[str]:
    """Return the items of a list that is written one per line, or as JSON."""
    if text.strip().startswith("["):
        return [text.strip()]
    return [line.strip() for line in text.split("\n") if line.strip()]


def form_pairs(interface: Interface, texts: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """Return the names and texts that give the values of a run; a field that is empty gives none if it may be."""
    pairs: list[tuple[str, str]] = []
    for one in interface.inputs:
        items = texts.get(one.id, [])
        is_list = one.hint.array and one.hint.format is not Format.BBOX
        if is_list and not items and not isinstance(one.default, Missing) and not is_file(one):
            items = [""]  # an emptied list is an empty list
        if items == [""] and not _takes_empty_text(one):
            continue
        pairs += [(one.id, text) for text in items]
    return pairs


def _takes_empty_text(one: Input) -> bool:
    if one.hint.secret or one.hint.format:
        return False
    return not isinstance(one.default, Missing) and (one.hint.array or one.hint.type is CwlType.STRING)


def field_errors(interface: Interface, read: ReadValues, folder: Path) -> dict[str, str]:
    """Check each value with the runner's own rules, and return errors by id; files are relative to ``folder``."""
    errors: dict[str, str] = {}
    for one in interface.inputs:
        value = read.inputs.get(one.id)
        if one.id in read.issues:
            errors[one.id] = _sentence(read.issues[one.id], one)
        elif value is None:
            if is_required(one):
                errors[one.id] = "This value is required."
        else:
            try:
                notebook_value(value, one, folder)
            except MisfitError as error:
                errors[one.id] = _sentence(explain_misfit(one, error), one)
    return errors


def _sentence(text: str, one: Input) -> str:
    text = text.removeprefix(one.name).lstrip(" :")
    return f"This value {text}." if text.startswith(("is ", "has ")) else f"{text[:1].upper()}{text[1:]}."
