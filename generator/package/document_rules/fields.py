"""Rules of single fields: names, texts, types, defaults, references."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Problems = Iterator[str]

_type_words = frozenset("null boolean int long float double string File Directory Any enum array record".split())
_acted_on = ("class", "location", "path", "__id", "<<")


def mapping(value: Any) -> dict[str, Any]:
    """Return the value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return the items of a list; for other values a single None, which every rule rejects."""
    return value if isinstance(value, list) else [None]


def unknown(found: dict[str, Any], known: set[str], where: str) -> Problems:
    """Report fields that packmill does not write."""
    for name in found:
        if name not in known:
            yield f"{where}: packmill writes no {name!r} here"


def name_rule(where: str, name: Any) -> Problems:
    """Check that a name resolves to nothing but itself."""
    if not isinstance(name, str) or not re.fullmatch(r"[\w.!-]+", name):
        yield f"{where}: {name!r} is not a plain name"


def source_rule(where: str, source: Any) -> Problems:
    """Check that a source is an input of the workflow, or an output of a step."""
    if not isinstance(source, str) or not re.fullmatch(r"[\w.!-]*(/[\w.!-]+)?", source):
        yield f"{where}: {source!r} is neither an input nor an output of a step"


def text_rule(where: str, value: Any) -> Problems:
    """Check that a value is text; any text is allowed."""
    if not isinstance(value, str):
        yield f"{where}: text is needed"


def about_rule(where: str, value: Any) -> Problems:
    """Check a property of schema.org: text, an object such as a person, or a list of these."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield from _object_rule(where, one)
        else:
            yield from text_rule(where, one)


def _object_rule(where: str, value: dict[str, Any], *, inner: bool = False) -> Problems:
    """Check an object of texts, which may hold further objects, such as a person's affiliation."""
    for name, part in value.items():
        if name != "class" and not re.fullmatch(r"s:\w+", str(name)):
            yield f"{where}: packmill writes no {name!r} here"
        if isinstance(part, dict) and not inner:
            yield from _object_rule(f"{where}/{name}", part, inner=True)
        else:
            yield from text_rule(f"{where}/{name}", part)


def has_expression(text: str) -> bool:
    """Whether CWL evaluates something in a text: ``$(`` or ``${`` after an even number of backslashes."""
    return re.search(r"(?<!\\)(?:\\\\)*\$[({]", text) is not None


def default_rule(where: str, value: Any) -> Problems:
    """Check that a default has no file, and no key that CWL's loader acts on."""
    if isinstance(value, list):
        for item in value:
            yield from default_rule(where, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in _acted_on or key.startswith("$") or ":" in key:
                yield f"{where}/default: packmill writes no default with the key {key!r}"
            yield from default_rule(where, item)


def type_rule(where: str, value: Any) -> Problems:
    """Check that a type is CWL's own, or a record of the same document (``#workflow/S3``)."""
    if isinstance(value, str):
        word = re.fullmatch(r"(\w+)(\[\])?\??", value)
        if not (word and word[1] in _type_words) and not re.fullmatch(r"#\w+/\w+", value):
            yield f"{where}: {value!r} is not one of packmill's types"
    elif isinstance(value, list):
        for item in value:
            yield from type_rule(where, item)
    elif isinstance(value, dict):
        yield from _composed_type(where, value)
    else:
        yield f"{where}: the type is missing"


def _composed_type(where: str, value: dict[str, Any]) -> Problems:
    """Check an array, an enum or a record."""
    yield from unknown(value, {"type", "items", "symbols", "name", "doc", "fields"}, where)
    yield from type_rule(where, value.get("type"))
    yield from name_rule(f"{where}/name", value.get("name", "none"))
    if "items" in value:
        yield from type_rule(where, value["items"])
    yield from text_rule(f"{where}/doc", value.get("doc", ""))
    for symbol in items(value.get("symbols", [])):
        yield from text_rule(f"{where}/symbols", symbol)
    fields = value.get("fields", {})
    if not isinstance(fields, dict):  # in a list, CWL's loader would act on each field
        yield f"{where}/fields: a mapping is needed"
    for name, field in mapping(fields).items():
        yield from name_rule(f"{where}/{name}", name)
        yield from unknown(mapping(field), {"type", "doc"}, f"{where}/{name}")
        yield from type_rule(f"{where}/{name}", mapping(field).get("type"))
        yield from text_rule(f"{where}/{name}/doc", mapping(field).get("doc", ""))
