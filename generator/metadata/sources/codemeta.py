"""``codemeta.json`` (CodeMeta 2 and 3, https://codemeta.github.io/terms)."""

from __future__ import annotations

import json
from typing import Any

from generator.metadata.licenses import canonical_license
from generator.metadata.metadata import Metadata, Person, state
from generator.metadata.words import read_people, text_of, texts_of
from generator.shared.yaml_limits import check_depth, check_size

NAME = "codemeta.json"


def read(text: str, source: str) -> Metadata:
    """Return the metadata of the software.

    Raises:
        ValueError: the text is not a JSON object.
    """
    document = _parse(text)

    def first(*names: str) -> str:
        return next(filter(None, (_text(document.get(name)) for name in names)), "")

    identifier = first("identifier")
    return state(
        source,
        name=first("name"),
        description=first("description"),
        version=first("softwareVersion", "version"),
        author=_people(document, "author"),
        contributor=_people(document, "contributor"),
        publisher=_people(document, "publisher"),
        license=canonical_license(first("license")),
        citation=identifier if "doi.org/" in identifier else "",
        keywords=_keywords(document.get("keywords")),
        code_repository=first("codeRepository"),
        date_created=first("dateCreated"),
        release_notes=first("releaseNotes"),
        software_help=first("softwareHelp"),
        others=[("datePublished", first("datePublished"))],
    )


def _parse(text: str) -> dict[str, Any]:
    check_size(text)
    try:
        document = json.loads(text)
        check_depth(document)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a fault of the file
    return document


def _people(document: dict[str, Any], name: str) -> tuple[Person, ...]:
    return read_people(document.get(name)) or ()


def _keywords(value: Any) -> tuple[str, ...]:
    return texts_of(value) or tuple(_text(value).split(","))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("url") or value.get("@id") or value.get("name")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return text_of(value)
