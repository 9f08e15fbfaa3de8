"""packmill's own rules: a document has nothing but what packmill writes, so that it can run without ``--trust``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from generator.package.document_rules import broken_rules
from generator.package.oracles.documents import cwl_documents
from generator.package.oracles.opinion import Opinion

name = "container and expressions"
profile = ""
loads = False


def documents(folder: Path) -> list[Path]:
    """List all CWL documents."""
    return cwl_documents(folder)


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report everything that packmill does not write."""
    return [_opinion(document) for document in documents]


def _opinion(document: Path) -> Opinion:
    began = time.monotonic()
    faults = tuple(problem.removeprefix(f"{document.name}: ") for problem in broken_rules(document))
    return Opinion(faults=faults, seconds=time.monotonic() - began)
