"""Annotations of cells: ``# GET /hello/:name`` and ``# ResponseInfo GET /hello/:name``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from generator.notebook.notebook import Cell

_MARKS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("scala", "java", "javascript", "js", "typescript", "ts", "kotlin", "groovy", "go", "rust", "c++", "c#",
             "csharp", "f#", "fsharp", "swift", "php", "scilab", "spark"),
            "//",
        ),
        **dict.fromkeys(("lua", "haskell", "sql", "ada", "elm"), "--"),
        **dict.fromkeys(("octave", "matlab", "prolog", "erlang", "sagemath-tex"), "%"),
        **dict.fromkeys(("scheme", "calysto scheme", "clojure", "lisp", "common-lisp", "hy"), ";"),
    }
)  # fmt: skip
"""Comment marks of languages by their Jupyter names; ``#`` is for all others, and for these, too."""
_ANNOTATION = r"(?:{marks})\s+(?P<info>ResponseInfo\s+)?(?P<verb>GET|PUT|POST|DELETE)\s+(?P<path>/.*)"
_NEARLY = r"\s*(?:{marks})\s*(?:response\s*info\s+)?(?:get|put|post|delete|patch|head|options)\s+/\S*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """The code that answers one method at one path; ``info`` is code that prints the status and headers, or empty."""

    verb: str
    path: str
    source: str
    info: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotated:
    """The code cells of a notebook: endpoints in their order, and the cells that run once, with their numbers."""

    endpoints: tuple[Endpoint, ...]
    seed: tuple[Cell, ...]
    remarks: tuple[str, ...] = ()
    """Warnings, such as of an annotation in lower case."""


def read_annotations(cells: Iterable[Cell], language: str) -> Annotated:
    """Sort code cells into handlers, which are joined by verb and path, and cells that run once."""
    marks = _marks_of(language)
    annotation = re.compile(_ANNOTATION.format(marks=marks))
    nearly = re.compile(_NEARLY.format(marks=marks), re.IGNORECASE)
    code = [cell for cell in cells if cell.kind == "code"]
    handlers: dict[tuple[str, str], str] = {}
    infos: dict[tuple[str, str], str] = {}
    seed, remarks = [], []
    for cell in code:
        found = annotation.match(cell.source)
        if found is None:
            seed.append(cell)
            if line := next((line for line in cell.source.splitlines() if nearly.fullmatch(line.rstrip())), ""):
                remarks.append(_near_miss(cell, line.strip()))
            continue
        key = (found["verb"], found["path"].strip())
        kind = infos if found["info"] else handlers
        kind[key] = kind.get(key, "") + cell.source + "\n"
    remarks += _stray_infos(infos, handlers)
    endpoints = tuple(
        Endpoint(verb=verb, path=path, source=source, info=infos.get((verb, path), ""))
        for (verb, path), source in handlers.items()
    )
    return Annotated(endpoints=endpoints, seed=tuple(seed), remarks=(*remarks, *_unreachable(endpoints)))


def _marks_of(language: str) -> str:
    own = _MARKS.get(language.lower())
    return "|".join(re.escape(mark) for mark in ("#", own) if mark)


def _near_miss(cell: Cell, line: str) -> str:
    return (
        f"cell {cell.number}: {line!r} is not an annotation, so the cell runs at the start; an annotation is the first "
        "line of its cell, has a space after the comment mark, and one of GET, PUT, POST and DELETE"
    )


def _stray_infos(infos: Iterable[tuple[str, str]], handlers: Iterable[tuple[str, str]]) -> Iterator[str]:
    for verb, path in infos:
        if (verb, path) not in handlers:
            yield f"ResponseInfo {verb} {path}: no cell has '{verb} {path}'"


def _unreachable(endpoints: Iterable[Endpoint]) -> Iterator[str]:
    for endpoint in endpoints:
        if re.search(r"\s", endpoint.path):
            yield f"{endpoint.verb} {endpoint.path}: no request can reach it, because the path has spaces"
