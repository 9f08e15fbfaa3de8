"""The validators of a package's documents.

To add a validator, write a module with the members of `Oracle`, and add it to `oracles`. A validator that is not
among packmill's dependencies runs in its own environment: `generator.package.oracles.programs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from generator.notebook.parameters import Word
from generator.package.oracles import (
    ap_validator,
    cwl2ogc,
    cwl_utils,
    cwltool,
    eoap_validator,
    json_schema,
    maap,
    package_files,
    packmill_rules,
    roc_validator,
)
from generator.package.oracles.opinion import Opinion


class Profile(Word):
    """The platforms that ``--profile`` selects; validators without one judge every package."""

    OGC = "ogc"
    EOAP = "eoap"
    MAAP = "maap"
    ALL = "all"


class Oracle(Protocol):
    """A module that judges documents with one validator."""

    name: str
    """The name of the validator in tables."""
    profile: str
    """The `Profile` that it belongs to; empty for a validator of every package, which is always installed."""
    loads: bool
    """Whether the validator loads what a document names, and so may not see documents that `packmill_rules` refuses."""

    def documents(self, folder: Path) -> Sequence[Path]:
        """List the documents of a package that the validator judges."""

    def judge(self, documents: Sequence[Path]) -> Sequence[Opinion]:
        """Give an opinion on each document.

        Raises:
            NotInstalledError: the validator is not installed.
        """


oracles: tuple[Oracle, ...] = (
    packmill_rules,
    cwltool,
    cwl_utils,
    package_files,
    json_schema,
    ap_validator,
    cwl2ogc,
    eoap_validator,
    maap,
    roc_validator,
)
"""All validators, in the order of the table."""


def chosen(profile: Profile | None) -> list[Oracle]:
    """List the validators of a profile, and those of every package; None has the latter alone."""
    return [one for one in oracles if profile is Profile.ALL or one.profile in ("", profile)]
