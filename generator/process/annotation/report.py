"""The changes to a notebook in words, as a diff of the cell, and as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from generator.process.annotation.plan import Plan
from generator.shared.safe_text import printable


def describe(plan: Plan) -> Iterator[str]:
    """Yield the lines that ``packmill init`` prints."""
    name = printable(plan.notebook)
    if plan.convention:
        yield f"{name}: inputs are read with {plan.convention}; they get no types here"
    if plan.is_empty:
        yield f"{name}: nothing to change"
    else:
        yield f"{name}: cell {plan.cell}"
    if plan.is_tagged:
        yield "+ tag: parameters"
    before, after = plan.before.splitlines(), plan.after.splitlines()
    for line in list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]:
        yield "".join(character if character.isprintable() else " " for character in line)
    if plan.untyped:
        untyped = printable(", ".join(plan.untyped))
        yield f"without a type (not shown by the value, or no place in the line): {untyped}"


def to_dict(plan: Plan) -> dict[str, Any]:
    """Return the object that ``packmill init --json`` prints."""
    return {
        "notebook": plan.notebook,
        "cell": plan.cell or None,
        "tagged": plan.is_tagged,
        "types": [{"name": one.name, "line": one.line, "type": one.type} for one in plan.types],
        "untyped": list(plan.untyped),
        "convention": plan.convention or None,
    }
