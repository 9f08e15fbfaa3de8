"""The metadata that platforms require and that no source states."""

from __future__ import annotations

from generator.metadata.metadata import Metadata

_REQUIRED = ("author", "license", "publisher")
"""What validators of application packages require, without the fields that have a neutral value.

The name is that of the file, the description names process and commit, version and date are the commit's, and the
documentation is the repository.
"""
_PARTS_OF_AUTHOR = {
    "given_name": "givenName",
    "family_name": "familyName",
    "email": "email",
    "affiliation": "affiliation",
}
"""What the metadata profile of eoap-validator requires of each author."""


def missing_fields(metadata: Metadata) -> tuple[str, ...]:
    """Return the required fields that no source states, by their words in a metadata cell: ``author.email``."""
    fields = []
    for name in _REQUIRED:
        if not getattr(metadata, name):
            fields.append(name)
        elif name == "author":
            fields += [
                f"author.{word}"
                for part, word in _PARTS_OF_AUTHOR.items()
                if not all(getattr(one, part) for one in metadata.author)
            ]
    return tuple(fields)


def describe_missing(metadata: Metadata) -> str:
    """Ask for all missing fields in one sentence; empty without any."""
    missing = missing_fields(metadata)
    if not missing:
        return ""
    return (
        f"no source states {', '.join(missing)}, which some platforms require: assign to these names in a cell with "
        f"the tag metadata{_example(missing)}, or write a CITATION.cff"
    )


def _example(missing: tuple[str, ...]) -> str:
    words = [name.partition(".")[2] for name in missing if name.startswith("author.")]
    return f" (author = {{{', '.join(f'{word!r}: …' for word in ('name', *words))}}})" if words else ""
