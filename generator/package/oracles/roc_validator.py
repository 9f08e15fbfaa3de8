"""``roc-validator`` for crates that a build was asked for; without its cache of contexts it would need the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from generator.crates.graph import CONTEXTS
from generator.package.oracles.documents import existing, leaves_package
from generator.package.oracles.opinion import Opinion
from generator.package.oracles.programs import judge_with
from generator.package.record import read_json

name = "roc-validator"
profile = "all"
loads = True


def documents(folder: Path) -> list[Path]:
    """List the metadata of a crate."""
    return [one for one in existing(folder, "ro-crate-metadata.json") if not leaves_package(one)]


def judge(documents: Sequence[Path]) -> list[Opinion]:
    """Report violations of what the profiles of RO-Crate and Workflow RO-Crate require.

    Raises:
        NotInstalledError: the validator is not installed, or lacks the context of RO-Crates.
    """
    faults = {one: fault for one in documents if (fault := _context_fault(one))}
    loaded = [one for one in documents if one not in faults]
    opinions = judge_with("rocrate_validator", loaded, program="rocrate-validator") if loaded else []
    judged = dict(zip(loaded, opinions, strict=True))
    return [judged.get(one) or Opinion(faults=(faults[one],)) for one in documents]


def _context_fault(document: Path) -> str:
    """Return why a document is not loaded: JSON-LD reads any file that it names as a context, also an endless one."""
    try:
        found = read_json(document)
    except (OSError, ValueError) as error:
        return str(error)
    waiting, is_foreign = [found], False
    while waiting and not is_foreign:
        one = waiting.pop()
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
        is_foreign = isinstance(one, dict) and not _has_known_contexts(one)
    return "not loaded, because it has a context that packmill does not write" if is_foreign else ""


def _has_known_contexts(entity: dict[str, Any]) -> bool:
    stated = entity.get("@context", [])
    return all(one in CONTEXTS for one in (stated if isinstance(stated, list) else [stated]))
