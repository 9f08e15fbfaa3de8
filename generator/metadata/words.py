"""Words and values as authors write them in a metadata cell or an algorithm_config, and what they state."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from generator.metadata.metadata import Metadata, Person, Statement, state

_SPELLINGS = {
    "name": "name label title algorithm_name algo_name",
    "description": "description doc abstract algorithm_description",
    "identifier": "identifier id",
    "version": "version software_version algorithm_version",
    "author": "author authors creator",
    "contributor": "contributor contributors",
    "publisher": "publisher",
    "license": "license",
    "keywords": "keywords",
    "citation": "citation",
    "code_repository": "code_repository",
    "date_created": "date_created",
    "release_notes": "release_notes",
    "software_help": "software_help documentation",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """A word and its value, with the line (from 1) and the line's text for messages."""

    name: str
    value: Any
    line: int = 0
    text: str = ""


def plain_word(name: str) -> str:
    """Return a word without its spelling: ``codeRepository``, ``code_repository``, ``s:codeRepository`` are equal."""
    return name.removeprefix("s:").replace("_", "").replace("-", "").lower()


_FIELDS = {plain_word(spelling): field for field, spellings in _SPELLINGS.items() for spelling in spellings.split()}


def read_words(words: Iterable[Word], source: str) -> tuple[Metadata, tuple[Word, ...]]:
    """Return the metadata that words state, and the words whose value is not text, a number or a list of these.

    A word that packmill does not know becomes one of the metadata's ``others``.
    """
    stated: dict[str, Any] = {}
    others: dict[str, Statement] = {}
    unused: list[Word] = []
    for word in words:
        field = _FIELDS.get(plain_word(word.name))
        if word.value is None:
            continue
        value = _value_of(field, word.value)
        if value is None or plain_word(word.name) == "commithash" or not re.fullmatch(r"(?a:(s:)?\w+)", word.name):
            unused.append(word)
        elif field:
            stated.setdefault(field, value)
        else:
            others[word.name.removeprefix("s:")] = (word.name.removeprefix("s:"), value)
    return state(source, others=others.values(), **stated), tuple(unused)


def _value_of(field: str | None, value: Any) -> Any:
    if field in ("author", "contributor", "publisher"):
        return read_people(value)
    is_list = isinstance(value, list | tuple)
    texts = [text for one in (value if is_list else [value]) if (text := _number_or_text(one)) is not None]
    if not texts or (is_list and len(texts) < len(value)):
        return None
    if field == "keywords":
        return tuple(word.strip() for text in texts for word in text.split(","))
    if field == "license":
        from generator.metadata.licenses import canonical_license

        return canonical_license(" OR ".join(texts))
    if field:
        return ", ".join(texts)
    return tuple(texts) if is_list else texts[0]


def text_of(value: Any) -> str:
    """Return a text, or an empty one in place of other values."""
    return value if isinstance(value, str) else ""


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the texts in a list, or none in place of other values."""
    return tuple(map(text_of, value)) if isinstance(value, list) else ()


def _number_or_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def read_people(value: Any) -> tuple[Person, ...] | None:
    """Return people from a name, ``Ada <ada@example.org>``, a mapping, or a list of these; None from other values."""
    if not value:
        return ()
    people = []
    for one in value if isinstance(value, list | tuple) else (value,):
        person = _person(one)
        if person is None:
            return None
        people.append(person)
    return tuple(people)


def _person(value: Any) -> Person | None:
    if isinstance(value, str):
        match = re.fullmatch(r"([^<>]+)<([^<>\s@]+@[^<>\s]+)>", value.strip())
        return Person(name=match[1].strip(), email=match[2]) if match else Person(name=value)
    if not isinstance(value, dict):
        return None
    texts = {plain_word(str(key)): one for key, one in value.items() if isinstance(one, str)}
    given = texts.get("givenname") or texts.get("givennames") or ""
    family = texts.get("familyname") or texts.get("familynames") or ""
    affiliation = value.get("affiliation", value.get("s:affiliation"))
    organization = affiliation.get("name") if isinstance(affiliation, dict) else affiliation
    return Person(
        name=texts.get("name") or f"{given} {family}".strip(),
        given_name=given,
        family_name=family,
        email=texts.get("email", ""),
        identifier=next((texts[key] for key in ("orcid", "identifier", "@id", "id") if key in texts), ""),
        affiliation=text_of(organization),
    )
