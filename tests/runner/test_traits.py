"""Traits of kernels that the tests do not run, held against messages that these kernels sent."""

from __future__ import annotations

from typing import Any, cast

import pytest

from generator.runner.execution.failures import EXIT, Failure, Failures
from generator.runner.kernels.messages import Message
from generator.runner.kernels.session import Session
from generator.runner.kernels.traits import Traits, find_traits


class Kernel:
    """Answers questions like a kernel."""

    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.asked: list[str] = []

    def ask(self, code: str, **_options: Any) -> str:
        self.asked.append(code)
        return self.answer


def find(
    implementation: str, *texts: tuple[str, str], answer: str = "", payload: tuple[Any, ...] = ()
) -> Failure | None:
    """The failure of a cell that published texts as (stream, text), with the reply ``ok``."""
    session = cast("Session", Kernel(answer))
    failures = Failures(find_traits({"implementation": implementation}), session, take=lambda _: None)
    for stream, text in texts:
        failures.notice(0, Message("stream", "", "", {"name": stream, "text": text}))
    return failures.find(0, Message("execute_reply", "", "", {"status": "ok", "payload": list(payload)}))


@pytest.mark.parametrize(
    ("implementation", "stream", "text", "value"),
    [
        ("jupyter_c_kernel", "stderr", "[C kernel] Executable exited with code 3", "Executable exited with code 3"),
        (
            "jupyter_c_kernel",
            "stderr",
            "[C kernel] GCC exited with code 1, the executable will not be executed",
            "GCC exited with code 1",
        ),
        ("macaulay2_jupyter_kernel", "stdout", "\x1b[?2004l\rstdio:5:1:(3): error: boom\n\x1b[?2004h", "boom"),
        ("macaulay2_jupyter_kernel", "stdout", "\no1 = [KERNEL ENFORCED TIMEOUT]", "ENFORCED TIMEOUT]"),
        (
            "Prolog",
            "stderr",
            "\x1b[0;31mUnable to process query. Please restate.\n\x1b[0m",
            "Unable to process query. Please restate.",
        ),
        ("Deno kernel", "stderr", "\aUnhandled rejection: 7\n", "7"),
        (
            "Octave Kernel",
            "stderr",
            "\x1b[0;31mInline plot failed, consider trying another graphics toolkit\n\aerror: print: failed\r\n\x1b[0m",
            "print: failed",
        ),
    ],
)
def test_a_failure_in_the_output(implementation: str, stream: str, text: str, value: str) -> None:
    assert find(implementation, (stream, text)) == Failure("error", value)


@pytest.mark.parametrize(
    ("implementation", "stream", "text"),
    [
        ("jupyter_c_kernel", "stdout", "[C kernel] Executable exited with code 3"),
        ("jupyter_c_kernel", "stderr", "a log of [C kernel] Executable exited with code 3"),
        ("macaulay2_jupyter_kernel", "stdout", "\x1b[?2004l\rerror: x\n\no2 = stdio\n"),
        ("Prolog", "stdout", "Unable to process query. Please restate."),
        ("Deno kernel", "stderr", "Unhandled rejection: 7\n"),
        ("IPython", "stdout", "\aerror: boom\n"),
    ],
)
def test_output_that_only_looks_like_a_failure(implementation: str, stream: str, text: str) -> None:
    assert find(implementation, (stream, text)) is None


_ASKS_EXIT = {"source": "ask_exit", "keepkernel": False}


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("3", Failure("exit status", "3")),
        ("0", Failure("exit status", "0")),
        ("-1", Failure("exit status", "-1")),
        ("unknown", Failure("exit status", "unknown")),
    ],
)
def test_the_status_of_quit_in_r(answer: str, failure: Failure) -> None:
    assert find("IRkernel", answer=answer, payload=(_ASKS_EXIT,)) == failure


def test_r_is_not_asked_after_other_cells() -> None:
    assert find("IRkernel", answer="3") is None


def test_every_kernel_built_on_metakernel_is_known_by_its_links() -> None:
    link = {"text": "MetaKernel Magics", "url": "https://metakernel.readthedocs.io/en/latest/source/README.html"}

    assert not find_traits({"implementation": "new", "help_links": [link]}).shows_errors
    assert not find_traits({"implementation": "new", "language_info": {"help_links": [link]}}).shows_errors


@pytest.mark.parametrize("info", [{}, {"implementation": None}, {"help_links": "x", "language_info": None}])
def test_any_other_kernel_is_trusted(info: dict[str, Any]) -> None:
    assert find_traits(info) == Traits()


def test_leaving_octave_outweighs_the_error_of_its_end() -> None:
    session = cast("Session", Kernel())
    failures = Failures(find_traits({"implementation": "Octave Kernel"}), session, take=lambda _: None)

    shown = failures.notice(0, Message("stream", "", "", {"name": "stdout", "text": "1\n\aexit status: 0\r\n"}))

    assert shown.content["text"] == "1\n"
    assert failures.forget(0) == EXIT
