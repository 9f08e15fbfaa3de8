"""Values that arrive as text, in a query or a form: converted to the types of the interface."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from generator.notebook.interface import Input, Interface
from generator.notebook.literals import MisfitError, fit
from generator.notebook.parameters import CwlType, Format, Hint
from generator.runner.server.values.strict_json import read_json

_TEXTS = (CwlType.STRING, CwlType.ENUM, CwlType.FILE, CwlType.DIRECTORY)
_booleans = {"1": True, "yes": True, "on": True, "0": False, "no": False, "off": False}
"""What forms and queries write for a boolean besides true and false."""
_words = {"True": True, "False": False, "None": None}


def typed_values(interface: Interface, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Convert the texts of a query or a form to the values of an input object.

    A list is a repeated name (``a=1&a=2``) or JSON (``a=[1,2]``); ``a=`` alone is an empty one. An optional parameter
    is not given by ``a=``, and by ``a=null`` unless it is a text. A parameter without a type takes JSON, and text that
    is not JSON as it is. Texts that do not fit, and names that the notebook lacks, stay as they are:
    `generator.runner.server.submission.check` then reports all of them together.
    """
    known = inputs_by_name(interface)
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        one = known.get(name)
        texts.setdefault(one.id if one else name, []).append(text)
    return {name: _value(given, known[name]) if name in known else given[-1] for name, given in texts.items()}


def inputs_by_name(interface: Interface) -> dict[str, Input]:
    """Return the inputs by id and, where no other input has it as its id, by the name in the notebook."""
    return {one.name: one for one in interface.inputs} | {one.id: one for one in interface.inputs}


def _value(texts: list[str], one: Input) -> Any:
    hint = one.hint
    if len(texts) == 1 and _is_null(texts[0], hint):
        return None
    if hint.format is Format.BBOX:
        return _bbox(texts, hint)
    if hint.array:
        return _items(texts, hint)
    return _scalar(texts[0], hint) if len(texts) == 1 else [_scalar(text, hint) for text in texts]


def _bbox(texts: list[Any], hint: Hint) -> Any:
    """Read ``bbox=1,2,3,4`` or a number for each time that the name is repeated; it stays as it is if it is wrong."""
    try:
        return fit(texts, hint)
    except MisfitError:
        return texts[0] if len(texts) == 1 else texts


def _is_null(text: str, hint: Hint) -> bool:
    if hint.type in (CwlType.FILE, CwlType.DIRECTORY) and not text:
        return True
    is_word = bool(hint.array or hint.format or hint.type not in _TEXTS)
    return hint.optional and (not text or (text == "null" and is_word))


def _items(texts: list[str], hint: Hint) -> list[Any]:
    if texts == [""]:
        return []
    if len(texts) == 1 and texts[0].lstrip().startswith("["):
        try:
            listed = read_json(texts[0])
        except ValueError:
            listed = None
        if isinstance(listed, list):
            return listed
    item = replace(hint, array=False, optional=False)
    return [_scalar(text, item) for text in texts]


def _scalar(text: str, hint: Hint) -> Any:
    """Convert one text; it stays as it is if it does not fit."""
    if hint.type in (CwlType.FILE, CwlType.DIRECTORY):
        return _file(text)
    if hint.type in _TEXTS:
        return text
    if hint.type is CwlType.ANY:
        return _any(text)
    if hint.type is CwlType.BOOLEAN and text.lower() in _booleans:
        return _booleans[text.lower()]
    try:
        value = fit(text, hint)
    except MisfitError:
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value  # JSON lacks NaN; check fits it


def _any(text: str) -> Any:
    if text in _words:
        return _words[text]
    try:
        return read_json(text)
    except ValueError:
        return text


def _file(text: str) -> Any:
    """Read the JSON of a File or Directory object; other text is a path."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return read_json(text)
    except ValueError:
        return text
