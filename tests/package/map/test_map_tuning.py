"""``packmill map --tune``: from what the first rows used to the resources that a package should ask for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from generator.containers.limits import ContainerLimits
from generator.package.map.journal import Ended
from generator.package.map.tool import Tool
from generator.package.map.tuning import Proposal, propose
from generator.package.map.tuning_text import describe_proposal

_MACHINE = ContainerLimits(memory=4096, most_memory=16384, cpus=8, most_cpus=8)
_TOOL = Tool(image="image", arguments=(), cores=4, ram=8192, time=None, needs_network=False)
_MIB = 1 << 20


def row(*, cores: float = 1, memory: int = 200, seconds: float = 10, **values: Any) -> Ended:
    """A row that used cores and MiB for some seconds."""
    usual: dict[str, Any] = {"state": "succeeded", "container_memory": memory * _MIB, "peak_memory": 100 * _MIB}
    usual |= {"cpu_seconds": cores * seconds}
    return Ended(seconds=seconds, **{**usual, **values})


def proposal_of(*rows: Ended, tool: Tool = _TOOL) -> Proposal:
    proposal = propose(rows, tool=tool, limits=_MACHINE)
    assert proposal is not None
    return proposal


def test_the_row_that_needs_most_decides() -> None:
    proposal = proposal_of(row(), row(cores=1.7, memory=1000), row(seconds=100))

    assert (proposal.measured.cores, proposal.measured.ram, proposal.measured.time) == (1.7, 1000, 100)
    assert (proposal.proposed.cores, proposal.proposed.ram, proposal.proposed.time) == (2, 1280, 360)
    assert (proposal.stated.cores, proposal.stated.ram, proposal.stated.time) == (4, 8192, None)


@pytest.mark.parametrize(("used", "cores"), [(0.1, 1), (1.02, 1), (1.29, 1), (1.4, 2), (3.9, 4)])
def test_cores_are_rounded_up_but_not_for_a_small_part(used: float, cores: int) -> None:
    assert proposal_of(row(cores=used)).proposed.cores == cores


@pytest.mark.parametrize(
    ("cores", "memory", "parallel"),
    [
        (1, 200, 8),  # one a core
        (0.25, 200, 32),  # rows that wait leave their core to others
        (0.001, 20, 64),  # at most eight a core
        (1, 4000, 3),  # 5,000 MiB each of 16,384
        (8, 15000, 1),
    ],
)
def test_as_many_rows_at_a_time_as_cores_and_memory_allow(cores: float, memory: int, parallel: int) -> None:
    assert proposal_of(row(cores=cores, memory=memory)).parallel == parallel


def test_a_row_that_took_next_to_no_time_does_not_need_cores_without_end() -> None:
    assert proposal_of(row(cpu_seconds=0.002, seconds=5e-324)).proposed.cores == 2


def test_a_row_that_ran_out_of_memory_gets_more_than_it_had() -> None:
    short = row(state="failed", reason="out-of-memory", attempts=2, memory=500)

    proposal = proposal_of(row(), short, tool=replace(_TOOL, ram=0))

    assert proposal.proposed.ram == 2 * 8192  # the second attempt had twice the machine's ordinary 4,096
    assert proposal.notes == ("1 row ran out of memory with 8192 MiB; twice that is a guess: measure again with it",)


def test_rows_that_failed_for_other_reasons_tell_nothing() -> None:
    assert propose([row(state="failed", reason="cell-error")], tool=_TOOL, limits=_MACHINE) is None
    assert proposal_of(row(), row(state="failed", reason="cell-error", memory=9000)).rows == 1


def test_what_was_not_measured_stays_as_the_package_has_it() -> None:
    proposal = proposal_of(Ended(state="succeeded", seconds=1.0, peak_memory=300 * _MIB))

    assert (proposal.measured.cores, proposal.proposed.cores) == (None, 4)
    assert proposal.proposed.ram == 384
    assert "cores were not measured" in proposal.notes[0]


def test_rows_that_use_all_cores_may_want_more() -> None:
    assert proposal_of(row(cores=7.8)).notes == (
        "a row used all of the 8 cores that it had: with more it may be quicker",
    )


def test_rows_that_waited_for_a_busy_machine_count_as_a_core() -> None:
    quiet, busy = (propose([row(cores=0.25)], tool=_TOOL, limits=_MACHINE, load=load) for load in (5, 9))

    assert quiet
    assert busy
    assert (quiet.parallel, quiet.notes) == (32, ())
    assert busy.parallel == 8
    assert busy.notes[0].startswith("other programs kept 9.0 of 8 cores busy")


@pytest.mark.parametrize(
    ("process", "place"),
    [
        (
            "a/trees.ipynb",
            "In a code cell with the tag 'metadata' of a/trees.ipynb:\n  cores = 1\n  ram = 256\n  time = 120",
        ),
        ("trees.sh", "at the top of the repository:\n  cores: 1\n  ram: 256\n  time: 120"),
    ],
)
def test_the_text_shows_where_values_go(process: str, place: str) -> None:
    text = describe_proposal(proposal_of(row()), process=process, left=95)

    assert text.splitlines()[:6] == [
        "Measured 1 row, one at a time:",
        "                most used  package   proposed",
        "cores           1          4         1",
        "memory          200 MiB    8192 MiB  256 MiB",
        "time            10 s       -         120 s",
        "rows at a time                       8",
    ]
    assert place in text
    assert "packmill build --cores 1 --ram 256 --time 120" in text
    assert text.endswith("with --resume --parallel 8 instead of --tune runs the 95 rows that are left.")


@pytest.mark.parametrize("ending", ["ipynb", "sh"])
def test_the_path_of_a_process_gives_the_terminal_no_commands(ending: str) -> None:
    text = describe_proposal(proposal_of(row()), process=f"a\x1b[2J\nb\u202e.{ending}", left=0)

    assert f"a [2J b .{ending}" in text
    assert all(line.isprintable() for line in text.splitlines())
