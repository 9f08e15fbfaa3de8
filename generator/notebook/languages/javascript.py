"""Read a JavaScript parameters cell, with TypeScript's types: ``const n: number = 3``, ``["a"]``, ``{key: 1}``."""

from __future__ import annotations

import re
from dataclasses import replace

from generator.notebook.languages.escapes import JAVASCRIPT
from generator.notebook.languages.grammar import ESCAPES, Grammar, escaping
from generator.notebook.languages.scanner import declarations, read_assignments
from generator.notebook.parameters import Reading

_TYPES = {
    "number": "float",
    "bigint": "long",
    "null": "None",
    "undefined": "None",
    "unknown": "any",
    "Array": "list",
    "ReadonlyArray": "list",
}


def _hint(declared: str) -> str:
    """Translate a type; a union of strings is an enum, and every other object is any value."""
    text = re.sub(r"\breadonly\s+", "", declared)
    parts = [part.strip() for part in text.split("|")]
    words = [part for part in parts if part[:1] in ("'", '"')]
    if words:
        others = [part for part in parts if part not in words]
        return " | ".join([f"Literal[{', '.join(words)}]", *map(_hint, others)])
    if re.match(r"\{|\[|Record\b|Map\b|\(", text):
        return "any"
    return re.sub(r"[A-Za-z]+", lambda match: _TYPES.get(match[0], match[0]), text).replace("<", "[").replace(">", "]")


_VARIABLE = r"(?<![\w.$])([^\W\d][\w$]*)"
_escapes = {key: value for key, value in ESCAPES.items() if key != "a"} | {"v": "\v", "f": "\f", "/": "/"}
_GRAMMAR = Grammar(
    name="JavaScript",
    assignment=re.compile(
        r"(?:export\s+)?(?:(?:const|let|var)\s+)?(?P<name>[\w$]+)\s*(?::(?P<type>[^=]+))?=(?![=>])\s*(?P<value>.+)",
        re.DOTALL,
    ),
    words={"true": True, "false": False, "null": None, "undefined": None},
    quotes=(
        escaping('"', one_line=True, escapes=_escapes, numbered=JAVASCRIPT),
        escaping("'", one_line=True, escapes=_escapes, numbered=JAVASCRIPT),
        escaping("`", interpolation=r"\$\{", escapes=_escapes, numbered=JAVASCRIPT),
    ),
    vector=r"\[",
    mapping=r"\{",
    empty_mapping=True,
    key=r"[^\W\d][\w$]*|\$[\w$]*|(?:0|[1-9]\d{0,14})",
    arrow=":",
    is_certain=lambda _opening, value: not isinstance(value, dict) or "__proto__" not in value,
    largest=2**53,
    number=re.compile(r"(?!-?0[\d_])-?(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])"),
    date=re.compile(r"""new\s+Date\s*\(\s*["'](?P<text>\d{4}-\d\d-\d\d)["']\s*\)$|new\s+Date\s*\("""),
    comment="//",
    block_comment=(r"/\*", r"\*/"),
    continues=re.compile(r"[*/%<>=&|^?,.(\[`]|\+(?!\+)|-(?!-)|!=|(?:in|instanceof)\b"),
    keyword=re.compile(r"(?:export\s+)?(const|let|var)\b"),
    scope=r"(?:async\s+)?function\b|(?!if\b|for\b|while\b|switch\b)[\w.$]+\s*\(|class\b",
    variable=_VARIABLE,
    changes=(
        rf"{_VARIABLE}(?:[.?\[][\w.?\[\]\"]{{0,100}})?\s{{0,100}}\??\.(?:push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin)\(",
        rf"\bObject\.(?:assign|defineProperty|defineProperties|setPrototypeOf)\(\s*{_VARIABLE}",
        rf"\bfor\s*(?:await\s*)?\(\s*{_VARIABLE}\s+(?:of|in)\b",
        rf"\bdelete\s+{_VARIABLE}",
    ),
    declared=_hint,
)


def read(source: str, *, name: str = "JavaScript") -> Reading:
    """Read the literal assignments of a cell of JavaScript, or of a language that adds types to it."""
    return read_assignments(source, replace(_GRAMMAR, name=name))


def read_declarations(source: str) -> dict[str, tuple[str, str]]:
    """Return the keyword and the type, or '', of each name that a cell declares."""
    return {name: found for name, found in declarations(source, _GRAMMAR).items() if found[0]}
