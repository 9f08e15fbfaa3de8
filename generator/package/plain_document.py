"""A CWL document read for its shape: mappings and lists of texts, as the parser of CWL engines delivers them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from generator.shared.errors import DocumentError
from generator.shared.yaml_limits import check_events, check_size, read_text
from generator.shared.yaml_problems import unfit_values


def read_document(path: Path) -> Any:
    """Read the first document of a file; every scalar is its text, so ``true`` is ``'true'``.

    The parser is that of cwltool and Toil, so that both see the same document. Anchors, aliases and tags, which
    packmill does not write, are refused.

    Raises:
        DocumentError: the file cannot be read, is not YAML, or uses one of these.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        text = read_text(path)
        check_size(text)
        events: list[Any] = []
        check_events(_kept(YAML(typ="rt", pure=True).parse(text), events))
        return _value(events)
    except (OSError, YAMLError, *unfit_values, _ForbiddenYamlError) as error:
        raise DocumentError(f"cannot be read as a CWL document: {str(error).splitlines()[0]}") from None


class _ForbiddenYamlError(Exception):
    """The document uses YAML that packmill does not write."""


def _kept(events: Iterable[Any], kept: list[Any]) -> Iterator[Any]:
    """Yield events, and keep them; a document beyond a limit is not parsed to its end."""
    for event in events:
        kept.append(event)
        yield event


def _value(events: Iterable[Any]) -> Any:
    """Build the value of one document from its events."""
    top: list[Any] = []
    open_values: list[list[Any]] = [top]
    documents = 0
    for event in events:
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            documents += 1
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            raise _ForbiddenYamlError("anchors and aliases are not allowed")
        if documents > 1 or getattr(event, "tags", None) or getattr(event, "version", None):
            raise _ForbiddenYamlError("several documents and YAML directives are not allowed")
        if kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent") and event.tag not in (None, "!"):
            raise _ForbiddenYamlError("tags are not allowed")
        if kind == "ScalarEvent":
            open_values[-1].append(str(event.value))
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            open_values.append([])
        elif kind == "SequenceEndEvent":
            items = open_values.pop()
            open_values[-1].append(items)
        elif kind == "MappingEndEvent":
            items = open_values.pop()
            open_values[-1].append(_mapping(items))
    return top[0] if top else None


def _mapping(items: list[Any]) -> dict[str, Any]:
    keys, values = items[::2], items[1::2]
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise _ForbiddenYamlError("a key is given twice, or is not text")
    return dict(zip(keys, values, strict=True))
