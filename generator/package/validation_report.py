"""The verdicts of all validators, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from generator.package.oracles import Profile
from generator.package.validation import Verdict
from generator.shared.errors import DocumentError, UsageError
from generator.shared.safe_text import printable

_HEAD = ("oracle", "document", "result", "first fault")
_LONGEST = 100
"""Characters of a fault in the table; all of it is in the message at the end."""


def report(verdicts: Sequence[Verdict], *, as_json: bool, profile: Profile = Profile.ALL) -> int:
    """Print the verdicts.

    Raises:
        DocumentError: a document is invalid.
        UsageError: a validator of the requested profile is not installed.
    """
    problems = [f"{one.document}: {one.problem}" for one in verdicts if one.problem]
    print(json.dumps([_row(one) for one in verdicts], indent=1) if as_json else table(verdicts))
    if problems and as_json:
        return DocumentError.exit_code
    if problems:
        raise DocumentError("\n".join(problems))
    if missing := missing_validators(verdicts):
        if profile is not Profile.ALL:
            raise UsageError(missing)
        if not as_json:
            print(f"\n{missing}")
    return 0


def missing_validators(verdicts: Sequence[Verdict]) -> str:
    """Name the validators that are not installed, with the command that installs them; empty if all are installed."""
    commands = {one.oracle: one.install for one in verdicts if one.install}
    lines = []
    for install in dict.fromkeys(commands.values()):
        names = [oracle for oracle, command in commands.items() if command == install]
        lines.append(f"not run: {', '.join(names)}; needed first: {install}")
    return "\n".join(lines)


def table(verdicts: Sequence[Verdict]) -> str:
    """Format the verdicts as a table with one line each."""
    rows = [_HEAD, *((one.oracle, one.document, one.result, _brief(one.problem or one.warning)) for one in verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _brief(fault: str) -> str:
    line = printable(fault.strip().partition("\n")[0])
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _row(one: Verdict) -> dict[str, str | bool | None]:
    return {
        "oracle": one.oracle,
        "document": one.document,
        "result": one.result,
        "valid": None if one.install else not one.problem,
        "problem": one.problem,
        "warning": one.warning,
        **({"install": one.install} if one.install else {}),
    }
