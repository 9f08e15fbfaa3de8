"""MAAP's ``algorithm_config.yml`` next to the process: its words, without those of the interface."""

from __future__ import annotations

from typing import Any

from generator.metadata.resource_words import is_resource
from generator.metadata.sources.yaml_document import read_mapping
from generator.metadata.words import Word

_METADATA = frozenset(
    "author contributor citation license release_notes keywords code_repository algorithm_version version "
    "algorithm_name algo_name algorithm_description description queue".split()
)


def read(text: str) -> tuple[tuple[Word, ...], tuple[str, ...]]:
    """Return the words of metadata and resources, and the other keys with a value.

    Raises:
        ValueError: the text is not a YAML mapping.
    """
    document = {key: value for key, value in read_mapping(text).items() if _has_value(value)}
    known = {key: value for key, value in document.items() if key in _METADATA or is_resource(key)}
    words = tuple(Word(name=key, value=value, line=1, text=f"{key}: {value}") for key, value in known.items())
    return words, tuple(sorted(document.keys() - known.keys()))


def _has_value(value: Any) -> bool:
    return value not in ("", "~", "null", None, [], {})
