"""What ``packmill prune`` removes, as a table and as JSON."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from generator.machine.pruning.removal import Removal
from generator.shared.safe_text import printable
from generator.shared.size_text import size_text


def describe(removals: Sequence[Removal]) -> Iterator[str]:
    """Yield a line for each removal: kind, size, age, name."""
    now = time.time()
    for one in removals:
        days = int((now - one.time) / 86400)
        yield f"{one.kind:<11}  {size_text(one.size):>8}  {days:>4} days  {printable(one.name)}"


def total(removals: Sequence[Removal]) -> str:
    """Return the number of things and their size."""
    return (
        f"{len(removals)} {'thing' if len(removals) == 1 else 'things'}, {size_text(sum(one.size for one in removals))}"
    )


def to_dict(
    removals: Sequence[Removal], failed: Collection[Removal], *, is_removed: bool, images: int | None
) -> dict[str, Any]:
    """Return the object that ``packmill prune --json`` prints; ``images`` are the bytes of those left, if known."""
    return {
        "removed": is_removed,
        "size": sum(one.size for one in removals if one not in failed),
        "things": [one.to_dict() for one in removals if one not in failed],
        "failed": [one.to_dict() for one in failed],
        "images": images,
    }
