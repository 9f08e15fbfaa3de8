"""What a person sees of the CWL engine's log."""

from __future__ import annotations

import pytest

from generator.package.engines.log import PlainLog


@pytest.mark.parametrize(
    "line",
    [
        "INFO [job process] completed success",
        "WARNING [job process] Skipping Docker software container '--memory' limit despite presence",
        "WARNING: Your kernel does not support swap limit capabilities or the cgroup is not mounted.",
        "",
    ],
)
def test_what_says_nothing_of_a_package_is_left_out(line: str) -> None:
    assert PlainLog().pick(line) is None


@pytest.mark.parametrize(
    "line", ["    cell 3: ValueError: the reason", "ERROR [job process] Job error:", "WARNING [job x] odd"]
)
def test_errors_and_the_runner_s_own_words_are_shown(line: str) -> None:
    assert PlainLog().pick(line) == line


def test_a_command_line_is_left_out_to_its_end() -> None:
    log = PlainLog()

    assert log.pick("INFO [job process] /tmp/x$ docker \\") is None
    assert log.pick("    run \\") is None
    assert log.pick("    image") is None
    assert log.pick("packmill-runner: done") == "packmill-runner: done"
