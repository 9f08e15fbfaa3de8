"""The metadata that platforms require and that no source states."""

from __future__ import annotations

from generator.metadata.metadata import Metadata

_REQUIRED = ("author", "license", "publisher")
"""What validators of application packages require, without the fields that have a neutral value.

The name is that of the file, the description names process and commit, version and date are the commit's.
"""


def missing_fields(metadata: Metadata) -> tuple[str, ...]:
    """Return the required fields that no source states, by their words in a metadata cell."""
    return tuple(name for name in _REQUIRED if not getattr(metadata, name))


def describe_missing(metadata: Metadata) -> str:
    """Ask for all missing fields in one sentence; empty without any."""
    missing = missing_fields(metadata)
    if not missing:
        return ""
    return (
        f"no source states {', '.join(missing)}, which some platforms require: assign to these names in a cell with "
        "the tag metadata, or write a CITATION.cff"
    )
