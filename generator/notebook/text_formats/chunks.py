"""Split an R Markdown or Quarto document into text and chunks of code, with their options.

knitr's patterns for Markdown (``knitr::all_patterns$md``), and Quarto's ``#|`` lines, which knitr reads too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from generator.notebook.text_formats.header import load_yaml
from generator.shared.errors import NotebookError

_FENCE = re.compile(r"(?P<prefix>[ \t>]*)(?P<fence>`{3,}|~{3,}(?!~))(?P<info>[^`]*)")
_CHUNK = re.compile(r"\{(?P<language>[A-Za-z][\w+#-]*)(?:[ ,](?P<options>.*))?\}[ \t]*")
_OPTION = re.compile(
    r"""(?P<name>[A-Za-z][\w.-]*)\s*=\s*(?P<value>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|c\([^)]*\)|[^,\s]+)"""
)
_TEXT = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""")
_LONGEST_OPTIONS = 2000
"""Characters in which knitr's options are looked for."""
_WORDS: Mapping[str, Any] = {"TRUE": True, "T": True, "true": True, "FALSE": False, "F": False, "false": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """A part of the document between chunks."""

    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """A chunk of code; ``line`` is the number of its fence, from 1. ``options`` has no option that R computes."""

    language: str
    options: Mapping[str, Any]
    source: str
    line: int

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of the cell, without lists and mappings, which aliases can repeat in every chunk."""
        tags = self.options.get("tags")
        listed = tags if isinstance(tags, list) else [tags] if tags else []
        return tuple(dict.fromkeys(str(tag) for tag in listed if not isinstance(tag, list | dict)))

    def as_text(self) -> str:
        """Return the chunk as a code block of Markdown."""
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", self.source))])
        return f"{fence}{self.language}\n{self.source}\n{fence}"


def split(text: str, name: str, *, before: int) -> Iterator[Text | Chunk]:
    """Yield the parts of a document below its header, which has the lines up to ``before``.

    Raises:
        NotebookError: a chunk is not closed, or its options are not valid YAML.
    """
    lines = text.split("\n")[before:]
    passage: list[str] = []
    at = 0
    while at < len(lines):
        opening = _FENCE.fullmatch(lines[at])
        if opening is None:
            passage.append(lines[at])
            at += 1
            continue
        end = _closing(lines, at, opening)
        chunk = _CHUNK.fullmatch(opening["info"].lstrip(" \t")) if opening["fence"][0] == "`" else None
        if chunk is None:
            passage += lines[at : end + 1]
        elif end == len(lines):
            raise NotebookError(f"{name}:{before + at + 1}: the chunk that begins here is not closed; end it with ```")
        else:
            yield from _passage(passage)
            passage = []
            yield _read(lines[at + 1 : end], opening["prefix"], chunk, name, line=before + at + 1)
        at = end + 1
    yield from _passage(passage)


def _closing(lines: list[str], at: int, opening: re.Match[str]) -> int:
    """Return the index of the line that closes a fence, or the number of lines."""
    sign, least = re.escape(opening["fence"][0]), len(opening["fence"])
    closing = re.compile(rf"[ \t>]*{sign}{{{least},}}[ \t]*")
    return next((index for index in range(at + 1, len(lines)) if closing.fullmatch(lines[index])), len(lines))


def _passage(lines: list[str]) -> Iterator[Text]:
    source = "\n".join(lines).strip("\n")
    if source.strip():
        yield Text(source=source)


def _read(lines: list[str], prefix: str, chunk: re.Match[str], name: str, *, line: int) -> Chunk:
    code = [one.removeprefix(prefix) for one in lines]
    listed = [re.fullmatch(r"(?:#|//|--|%)\| ?(.*)", one) for one in code]
    count = next((index for index, one in enumerate(listed) if one is None), len(listed))
    written = "\n".join(one[1] for one in listed[:count] if one)
    options = {**_of_fence((chunk["options"] or "").lstrip(" ,")), **_of_lines(written, name, line=line)}
    return Chunk(language=chunk["language"].lower(), options=options, source="\n".join(code), line=line)


def _of_fence(text: str) -> dict[str, Any]:
    """Read options as knitr writes them: ``label, eval=FALSE, tags=c("parameters")``."""
    text = text[:_LONGEST_OPTIONS]
    label = re.match(r"\s*([^\s=,.#{}]+)\s*(?:,|$)", text)
    named = {match["name"]: _value(match["value"]) for match in _OPTION.finditer(text)}
    return ({"label": label[1]} if label else {}) | named


def _value(text: str) -> Any:
    if text.startswith("c("):
        return [first or second for first, second in _TEXT.findall(text)]
    quoted = _TEXT.fullmatch(text)
    return (quoted[1] or quoted[2] or "") if quoted else _WORDS.get(text, text)


def _of_lines(text: str, name: str, *, line: int) -> dict[str, Any]:
    """Read the options in ``#|`` lines: YAML, or knitr's own form."""
    if not text.strip():
        return {}
    if re.match(r"\s*[\w.-]+\s*=", text) or "label," in text.replace(" ", ""):
        return _of_fence(" ".join(text.split("\n")))
    values = load_yaml(text, name, line=line)
    return dict(values) if isinstance(values, dict) else {}
