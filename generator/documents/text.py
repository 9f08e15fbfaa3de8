"""YAML and JSON as a person would write them."""

from __future__ import annotations

import io
import json
import re
from typing import Any, ClassVar

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.emitter import Emitter, ScalarAnalysis
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString, SingleQuotedScalarString
from ruamel.yaml.tag import Tag

from generator.shared.safe_text import json_for_terminal

_line = 90
_MOST_KNOWN = 10_000
"""Scalars whose analysis is kept; documents repeat keys, names and texts."""
_MISREAD = re.compile(r"(?i)y|n|yes|no|on|off|=|[-+]?(?=[_.:]*\d)[\d_.:]+(e[-+]?\d+)?|0o?[0-7_]+")
"""Texts that YAML 1.1 reads as truth values or numbers; each character is read once or twice."""
_TEXT, _FLOAT = Tag(suffix="tag:yaml.org,2002:str"), Tag(suffix="tag:yaml.org,2002:float")


def yaml_text(document: Any) -> str:
    """Format a document as YAML that versions 1.1 and 1.2 read alike; long strings are not folded."""
    yaml = YAML()
    yaml.Resolver, yaml.Emitter = _Resolver, _Emitter
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 2**20
    yaml.allow_unicode = True
    yaml.representer.ignore_aliases = lambda _: True
    yaml.representer.add_representer(str, _text_node)
    yaml.representer.add_representer(float, _float_node)
    stream = io.StringIO()
    yaml.dump(document, stream)
    return str(stream.getvalue())


class _Resolver(VersionedResolver):
    """Finds the tag of each scalar once."""

    known: ClassVar[dict[Any, Any]] = {}

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node."""
        if kind is not ScalarNode:
            return super().resolve(kind, value, implicit)
        if len(self.known) > _MOST_KNOWN:
            self.known.clear()
        key = (value, tuple(implicit))
        if key not in self.known:
            self.known[key] = super().resolve(kind, value, implicit)
        return self.known[key]


class _Emitter(Emitter):
    """Analyzes once in which styles a scalar can be written."""

    known: ClassVar[dict[str, ScalarAnalysis]] = {}

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Return the analysis of a scalar."""
        if len(self.known) > _MOST_KNOWN:
            self.known.clear()
        if scalar not in self.known:
            self.known[scalar] = super().analyze_scalar(scalar)
        return self.known[scalar]


def _text_node(representer: Any, text: str) -> Any:
    """Quote text that YAML 1.1 readers misread: ``yes`` is true, ``1:30`` is 90 and ``1_000`` a number.

    Its further line breaks, such as the next line character, are escaped in double quotes alone.
    """
    if re.search("[\x85\u2028\u2029]", text):
        return representer.represent_scalar(_TEXT, text, style='"')
    ambiguous = _MISREAD.fullmatch(text)
    style = '"' if "\x85" in text else "'" if ambiguous else None
    return representer.represent_scalar(_TEXT, text, style=style)


def _float_node(representer: Any, number: float) -> Any:
    """``1e-05`` is text in YAML 1.1, ``1.0e-05`` is a number everywhere."""
    text = re.sub(r"^(-?\d+)e", r"\1.0e", repr(number))
    return representer.represent_scalar(_FLOAT, text)


def json_text(document: Any) -> str:
    """Format a document as indented JSON, with keys in the given order."""
    return json_for_terminal(document, indent=2) + "\n"


def block(**items: Any) -> CommentedMap:
    """Return a mapping with one line per item."""
    return CommentedMap(items)


def flow(items: list[Any] | dict[str, Any]) -> CommentedSeq | CommentedMap:
    """Return a list or mapping on one line."""
    node: CommentedSeq | CommentedMap = CommentedSeq(map(_in_flow, items))
    if isinstance(items, dict):
        node = CommentedMap({_in_flow(key): _in_flow(value) for key, value in items.items()})
    node.fa.set_flow_style()
    return node


def _in_flow(item: Any) -> Any:
    """Quote text with ``:`` or ``?``: YAML 1.1 has no such plain text within brackets, and ``[?-]`` is a mapping.

    In single quotes, readers take the line breaks of YAML 1.1 for spaces.
    """
    if type(item) is not str or not re.search("[:?]", item):
        return item
    return quoted(item) if re.search("[\x85\u2028\u2029]", item) else SingleQuotedScalarString(item)


def prose(text: str) -> Any:
    """Return text for people: several lines become a literal block when YAML can write them so."""
    plain = "\n".join(line.rstrip() for line in text.strip().splitlines())
    return LiteralScalarString(plain + "\n") if "\n" in plain else plain


def quoted(text: str) -> Any:
    """Quote a string that YAML could read as a number or a date."""
    return DoubleQuotedScalarString(text)


def plain(value: Any) -> Any:
    """Convert a literal to YAML nodes: tuples become lists, short values stay on one line."""
    short = len(json.dumps(value, ensure_ascii=False)) <= _line
    if isinstance(value, list | tuple):
        items = [plain(item) for item in value]
        return flow(items) if short else items
    if isinstance(value, dict):
        entries = {key: plain(item) for key, item in value.items()}
        return flow(entries) if short else entries
    return value
