"""The metadata of a process: who wrote it, its license, its version, and the source that states each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from generator.shared.safe_text import printable, redacted


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """An author, a contributor or a publisher: a person or an organization.

    ``given_name`` and ``family_name`` are known only where a source states them apart.
    """

    name: str
    given_name: str = ""
    family_name: str = ""
    email: str = ""
    identifier: str = ""
    affiliation: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the stated parts by their names in schema.org."""
        return {_camel_case(field.name): value for field in fields(self) if (value := getattr(self, field.name))}


Statement = tuple[str, str | tuple[str, ...]]
"""A word that packmill gives no meaning to, and its value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """The metadata of a process; a field that no source states is empty.

    ``license`` is an SPDX expression where the source has one. ``others`` are words without a field here.
    ``sources`` has for each stated field the file, or the cell, that states it.
    """

    name: str = ""
    description: str = ""
    identifier: str = ""
    version: str = ""
    author: tuple[Person, ...] = ()
    contributor: tuple[Person, ...] = ()
    publisher: tuple[Person, ...] = ()
    license: str = ""
    keywords: tuple[str, ...] = ()
    citation: str = ""
    code_repository: str = ""
    commit_hash: str = ""
    date_created: str = ""
    release_notes: str = ""
    software_help: str = ""
    others: tuple[Statement, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()

    @property
    def process_id(self) -> str:
        """The identifier if platforms accept it as a process's ID, else an empty text."""
        return self.identifier if re.fullmatch(r"(?a:[A-Za-z0-9][\w.-]*)", self.identifier) else ""

    def over(self, other: Metadata) -> Metadata:
        """Return this metadata, with the fields and words of ``other`` that it lacks."""
        mine = {name for name in _fields if getattr(self, name)}
        taken = {name: getattr(other, name) for name in _fields if name not in mine}
        known = dict(self.others)
        own = {**known, **dict(self.sources)}
        return replace(
            self,
            **taken,
            others=(*self.others, *((word, value) for word, value in other.others if word not in known)),
            sources=(*self.sources, *((name, place) for name, place in other.sources if name not in own)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the stated fields by their names in schema.org, then other words, and the source of each."""
        stated = {property_of(name): _plain(getattr(self, name)) for name in _fields if getattr(self, name)}
        others = {word: _plain(value) for word, value in self.others}
        sources = {property_of(name): place for name, place in self.sources}
        return {**stated, **others, **({"sources": sources} if sources else {})}


_fields = tuple(field.name for field in fields(Metadata) if field.name not in ("others", "sources"))


def property_of(field: str) -> str:
    """Return the schema.org property of a field, such as ``codeRepository``."""
    return _camel_case(field) if field in _fields else field


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [one.to_dict() if isinstance(one, Person) else one for one in value]
    return value


def state(source: str, *, others: Iterable[Statement] = (), **values: Any) -> Metadata:
    """Return the metadata that one source states: cleaned texts, and the source for each field that has a value."""
    cleaned = {name: clean(value, lines=name == "description") for name, value in values.items()}
    stated = {name: value for name, value in cleaned.items() if value}
    more = {word: clean(value) for word, value in others}
    words = {word: value for word, value in more.items() if value}
    places = tuple((name, source) for name in (*stated, *words))
    return Metadata(**stated, others=tuple(words.items()), sources=places)


def clean(value: Any, *, lines: bool = False) -> Any:
    """Remove control characters and secrets in addresses from a text, or from each of several."""
    if isinstance(value, str):
        return printable(redacted(value.strip()), lines=lines)
    if isinstance(value, Person):
        parts = {field.name: clean(getattr(value, field.name)) for field in fields(value)}
        return Person(**parts) if parts["name"] else None
    return tuple(filter(None, (clean(one) for one in value)))
