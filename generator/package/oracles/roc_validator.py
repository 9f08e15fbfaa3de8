"""``roc-validator`` for crates that a build was asked for; without its cache of contexts it would need the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from generator.package.oracles.documents import existing, leaves_package
from generator.package.oracles.opinion import Opinion
from generator.package.oracles.programs import judge_with

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
    return judge_with("rocrate_validator", documents, program="rocrate-validator")
