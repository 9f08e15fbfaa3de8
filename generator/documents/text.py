"""YAML and JSON as a person would write them."""

from __future__ import annotations

import io
import json
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString


def yaml_text(document: Any) -> str:
    """A document as YAML 1.2; long strings are not folded."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 2**20
    yaml.allow_unicode = True
    yaml.representer.ignore_aliases = lambda _: True
    stream = io.StringIO()
    yaml.dump(document, stream)
    return str(stream.getvalue())


def json_text(document: Any) -> str:
    """A document as indented JSON, keys in the order given."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def block(**items: Any) -> CommentedMap:
    """A mapping on lines of its own."""
    return CommentedMap(items)


def flow(items: list[Any] | dict[str, Any]) -> CommentedSeq | CommentedMap:
    """A list or mapping on one line."""
    node = CommentedMap(items) if isinstance(items, dict) else CommentedSeq(items)
    node.fa.set_flow_style()
    return node


def prose(text: str) -> Any:
    """Text for people: several lines become a literal block when YAML can write them so."""
    plain = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return LiteralScalarString(plain + "\n") if "\n" in plain else plain


def quoted(text: str) -> Any:
    """A string that YAML could take for a number or a date."""
    return DoubleQuotedScalarString(text)


def plain(value: Any) -> Any:
    """A literal in the shapes that YAML has: tuples become lists, short lists stay on a line."""
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        short = all(
            not isinstance(item, list | dict | str) or (isinstance(item, str) and len(item) < 30) for item in items
        )
        return flow(items) if short and len(items) <= 12 else items
    if isinstance(value, dict):
        return flow({}) if not value else {key: plain(item) for key, item in value.items()}
    return value
