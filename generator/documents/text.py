"""YAML and JSON as a person would write them."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

_line = 90


def yaml_text(document: Any) -> str:
    """A document as YAML 1.2 that YAML 1.1 reads alike; long strings are not folded."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 2**20
    yaml.allow_unicode = True
    yaml.representer.ignore_aliases = lambda _: True
    yaml.representer.add_representer(str, _text_node)
    yaml.representer.add_representer(float, _float_node)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return str(stream.getvalue())


def _text_node(representer: Any, text: str) -> Any:
    """Many readers still follow YAML 1.1, where ``yes`` is true, ``1:30`` is 90 and ``1_000`` a number."""
    ambiguous = re.fullmatch(r"(?i)y|n|yes|no|on|off|=|[-+]?[\d_.:]*\d[\d_.:]*(e[-+]?\d+)?|0o?[0-7_]+", text)
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style="'" if ambiguous else None)


def _float_node(representer: Any, number: float) -> Any:
    """``1e-05`` is text in YAML 1.1, ``1.0e-05`` is a number everywhere."""
    text = re.sub(r"^(-?\d+)e", r"\1.0e", repr(number))
    return representer.represent_scalar("tag:yaml.org,2002:float", text)


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
    """A literal in the shapes that YAML has: tuples become lists, what is short stays on one line."""
    short = len(json.dumps(value, ensure_ascii=False)) <= _line
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return flow(items) if short else items
    if isinstance(value, dict):
        entries = {key: plain(item) for key, item in value.items()}
        return flow(entries) if short else entries
    return value
