"""The runner's tables of cases again, with the kernels that the server keeps ready, in both of its ways.

The tests come from other modules; their fixture ``here`` is another one here.
"""
# ruff: noqa: F401, F811 - pytest collects the imported tests

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from served_commands import ServedCommands
from support import Folder
from test_kernels import (
    Here,
    test_a_failure_that_something_else_shows_is_a_failure,
    test_a_file_that_is_left_open_is_written_all_the_same,
    test_a_kernel_that_prints_past_its_channels_leaves_stdout_alone,
    test_nothing_that_a_notebook_started_stays,
    test_tags_decide_what_runs_and_what_may_fail,
    test_two_runs_differ_in_times_alone,
    test_what_comes_late_belongs_to_its_cell,
)
from test_papermill import CASES, RUNNER, ended, folder, observed, record_of
from test_robustness import (
    test_a_display_that_is_updated_later_is_the_scrap,
    test_a_null_secret_is_none,
    test_a_request_that_a_kernel_drops_while_it_shuts_down_prints_nothing,
    test_a_secret_is_in_no_history_of_cells,
    test_a_secret_is_masked_in_every_form_that_programs_print,
    test_a_secret_that_is_an_ordinary_word_leaves_the_notebook_a_notebook,
    test_a_status_code_that_is_glued_after_its_cell_counts,
    test_a_value_that_is_glued_after_its_cell_is_a_scrap,
    test_an_odd_notebook_runs_or_is_refused_in_one_line,
    test_no_output_of_a_notebook_ends_the_run,
    test_outputs_of_more_levels_than_programs_read_are_left_out,
    test_outputs_with_numbers_of_more_digits_than_python_reads_are_left_out,
)

pytestmark = [pytest.mark.slow, pytest.mark.group("served-ways")]
_CASES = [name for name, one in CASES.items() if not {"--engine", "--prepare-only"} & set(one.options)]
"""Those that start a kernel of packmill's."""
_NOT_PYTHON = "code that is not plain Python"
_NEEDS_KERNEL = {
    "test_a_request_that_a_kernel_drops_while_it_shuts_down_prints_nothing": "the kernel",
    "test_a_status_code_that_is_glued_after_its_cell_counts": "async code",
    "test_a_value_that_is_glued_after_its_cell_is_a_scrap": "async code",
    "test_cases_of_papermill[asks-for-input]": "input()",
    "test_cases_of_papermill[broken]": _NOT_PYTHON,
    "test_cases_of_papermill[complex-parameters]": _NOT_PYTHON,
    "test_cases_of_papermill[markers-of-an-earlier-failure]": _NOT_PYTHON,
    "test_cases_of_papermill[syntax-error]": _NOT_PYTHON,
    "test_cases_of_papermill[top-level-await]": "async code",
    "test_cases_of_papermill[widgets]": "widgets",
    "test_no_output_of_a_notebook_ends_the_run[breakpoint()]": "the debugger",
    "test_no_output_of_a_notebook_ends_the_run[comm]": "comms",
    "test_no_output_of_a_notebook_ends_the_run[raw-messages]": "the kernel",
    "test_what_comes_late_belongs_to_its_cell": "the kernel",
}
"""Cases that a run in the way *direct* leaves to a kernel, and what they need of it."""


@pytest.fixture(scope="module", params=["kernel", "direct"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCommands]:
    commands = ServedCommands(request.param, tmp_path_factory.mktemp("served"))
    yield commands
    commands.end()


@pytest.fixture(autouse=True)
def check_way(request: pytest.FixtureRequest, served: ServedCommands) -> Iterator[None]:
    """Check that the runs of a test took the way that they requested, except for the cases of the table."""
    served.started.clear()
    yield
    reason = _NEEDS_KERNEL.get(request.node.name.replace("direct-", "").replace("[direct]", ""))
    took_kernel = ("kernel", f"the notebook ran in a kernel: it uses {reason}")
    assert set(served.started) == {took_kernel if reason else (served.way, None)}


class ServedFolder(Folder):
    """Takes the place of `Folder` and of the folder of `test_kernels`."""

    outputs = Here.outputs

    def __init__(self, folder: Path, commands: ServedCommands) -> None:
        super().__init__(folder)
        self.commands = commands

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        notebooks = () if words[:1] == ("in.ipynb",) else ("in.ipynb", "out.ipynb")
        return self.commands.run(["run", *notebooks, *words], self.folder, env)


@pytest.fixture
def here(tmp_path: Path, served: ServedCommands) -> ServedFolder:
    return ServedFolder(tmp_path, served)


@pytest.mark.parametrize("name", _CASES)
def test_cases_of_papermill(name: str, served: ServedCommands, folder: Path) -> None:
    one = CASES[name]
    theirs = record_of(name) or observed(partial(ended, [*RUNNER, *one.ours]), one, folder)

    ours = observed(lambda words, place: served.run(["run", *one.ours, *words], place), one, folder)

    assert ours == theirs
