"""YAML that packmill writes, as readers of YAML 1.1 and 1.2 read it."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from generator.documents.text import block, plain, yaml_text

_characters = ":?-#,*&!|>%@`'{}[]=~a1 .$"
_texts = [
    *("".join(pair) for pair in product(_characters, repeat=2) if pair[0] != " "),
    *("a:b", "?-a", "??_*.nc", "http://x/y?z=1#q", "12:30", "\x85", "a\x85b", "a:\x85b", "?\u2028", "on", "1e3", ""),
]


def _in_yaml_1_1(text: str) -> Any:
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 1)
    return reader.load(text)


@pytest.mark.parametrize(
    "read", [yaml.safe_load, _in_yaml_1_1, YAML(typ="safe", pure=True).load], ids=["PyYAML", "1.1", "1.2"]
)
def test_every_text_is_read_as_it_is_in_lists_and_mappings(read: Any) -> None:
    document = {f"x{number}": text for number, text in enumerate(_texts)}
    in_lists = {name: [text] for name, text in document.items()}
    in_mappings = {name: {text: text} for name, text in document.items()}

    for one in (document, in_lists, in_mappings):
        assert read(yaml_text(block(**{name: plain(value) for name, value in one.items()}))) == one
