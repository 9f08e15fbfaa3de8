"""The proposal of ``packmill map --tune`` as text: a table, and where its values go."""

from __future__ import annotations

from collections.abc import Iterator

from generator.notebook.text_formats import is_notebook_name
from generator.package.map.tuning import Need, Proposal
from generator.shared.safe_text import printable

_NAMES = ("cores", "ram", "time")


def describe_proposal(proposal: Proposal, *, process: str, left: int) -> str:
    """Return the proposal for people; ``process`` is the path of the process, ``left`` counts rows without results."""
    measured = f"Measured {proposal.rows} row{'s' * (proposal.rows > 1)}, one at a time:"
    return "\n".join((measured, *_table(proposal), "", *_places(proposal.proposed, process), *_way_on(proposal, left)))


def _table(proposal: Proposal) -> Iterator[str]:
    columns = (proposal.measured, proposal.stated, proposal.proposed)
    rows: list[tuple[str, ...]] = [("", "most used", "package", "proposed")]
    rows += [(_label(name), *(_amount(one, name) for one in columns)) for name in _NAMES]
    rows += [("rows at a time", "", "", str(proposal.parallel))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    yield from ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    yield from (f"note: {note}" for note in proposal.notes)


def _label(name: str) -> str:
    return "memory" if name == "ram" else name


def _amount(need: Need, name: str) -> str:
    value = getattr(need, name)
    if value is None:
        return "-"
    return f"{value:g}" if name == "cores" else f"{value} MiB" if name == "ram" else f"{value:g} s"


def _places(proposed: Need, process: str) -> Iterator[str]:
    stated = {name: f"{value:.15g}" for name in _NAMES if (value := getattr(proposed, name)) is not None}
    if is_notebook_name(process):
        yield f"In a code cell with the tag 'metadata' of {printable(process)}:"
        yield from (f"  {name} = {value}" for name, value in stated.items())
    else:
        yield f"In algorithm_config.yml, next to {printable(process)} or at the top of the repository:"
        yield from (f"  {name}: {value}" for name, value in stated.items())
    options = " ".join(f"--{name} {value}" for name, value in stated.items())
    yield f"Or each time: packmill build {options}"


def _way_on(proposal: Proposal, left: int) -> Iterator[str]:
    if left:
        yield (
            f"The same command with --resume --parallel {proposal.parallel} instead of --tune runs the "
            f"{left} row{'s' * (left > 1)} that are left."
        )
