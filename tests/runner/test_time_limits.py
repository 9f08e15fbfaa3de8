"""The time limit of a run in its process, which has others after it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import notebook

from generator.runner.document.document import read_document
from generator.runner.execution import recording
from generator.runner.execution.execution import connect
from generator.runner.execution.outputs import Outputs
from generator.runner.execution.recording import recorded_run
from generator.runner.execution.watching import ignore_signals, signals_as_failures
from generator.runner.execution.widgets import MOST_UPDATES
from generator.runner.kernels.endings import CellTooLongError
from generator.runner.kernels.messages import ExecuteRequest, Message
from generator.runner.kernels.process import KernelProcess, new_connection
from generator.runner.kernels.session import Session
from generator.runner.kernels.specs import find_kernels
from generator.runner.packaged.request import PackagedRun
from generator.runner.packaged.run import run
from generator.runner.results.result import RunRecord
from generator.shared.failures import InterruptedRunError, ProcessFailedError, RunTimeLimitError


def test_a_run_that_was_started_with_nohup_goes_on_when_its_terminal_is_closed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_as_failures(None):
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_limit_that_passes_before_the_run_begins_leaves_no_timer() -> None:
    """The timer would end the worker of a server, which has no handler for it between runs."""
    before = signal.getsignal(signal.SIGALRM)

    with pytest.raises(RunTimeLimitError), signals_as_failures(1e-320):
        threading.Event().wait(60)

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_limit_does_not_interrupt_the_first_connection_to_a_kernel() -> None:
    """It imports pyzmq, and later runs in this process would have only a part of it."""
    imported = []

    class Kernel:
        process: Any = None

        def connect(self) -> Any:
            time.sleep(0.3)
            imported.append("zmq")

    def connect_and_wait() -> None:
        connect(Kernel())
        threading.Event().wait(60)

    with pytest.raises(RunTimeLimitError), signals_as_failures(0.1):
        connect_and_wait()

    assert imported == ["zmq"]


def test_a_kernel_that_prints_without_a_pause_is_ended_by_its_limit(tmp_path: Path) -> None:
    """Its messages are handled more slowly than it sends them, so that some are always there."""
    kernel = next(one for one in find_kernels(os.environ) if one.name == "python3")
    handled = []

    def take(message: Message) -> None:
        time.sleep(0.02)
        handled.append(message)

    with (tmp_path / "log").open("wb") as log:
        connection = new_connection(kernel, tmp_path)
        process = KernelProcess(kernel, connection=connection, runtime=tmp_path, cwd=tmp_path, log=log.fileno())
    session = Session(process)
    try:
        session.wait_until_ready(60)
        with pytest.raises(CellTooLongError):
            session.execute(ExecuteRequest(code="for _ in range(2_000):\n    display(1)", take=take, limit=2.0))
    finally:
        session.end()

    assert len(handled) < 1_000


def test_a_busy_kernel_gets_few_updates_of_a_widget_and_at_its_end_the_last_one() -> None:
    """More than two thousand fill the queues of ZeroMQ: the next would wait for the kernel, without a limit of time."""
    document = read_document(json.dumps(notebook("out")).encode(), "x.ipynb")
    replies: list[dict[str, Any]] = []
    outputs = Outputs(document, reply=lambda _kind, content, **_: replies.append(content))
    outputs.expect("cell", 0)

    def publish(kind: str, content: dict[str, Any]) -> None:
        outputs.take(Message(kind, "cell", "", content))

    widget = {"_model_module": "@jupyter-widgets/output", "_model_name": "OutputModel"}
    publish("comm_open", {"comm_id": "out", "data": {"state": widget}})
    publish("comm_msg", {"comm_id": "out", "data": {"state": {"msg_id": "cell"}}})
    for number in range(1, 1_001):
        publish("display_data", {"data": {"text/plain": str(number)}})
        if number == 10:
            assert len(replies) == 10
    assert len(replies) == MOST_UPDATES

    publish("status", {"execution_state": "idle"})

    assert len(replies) == MOST_UPDATES + 1
    assert len(replies[-1]["data"]["state"]["outputs"]) == 1_000


_HUGE = 1 << 40
"""Bytes of a file with a hole: its digest takes an hour."""


@contextmanager
def _run_with_a_huge_result(folder: Path, *, time_limit: float | None = None) -> Iterator[None]:
    with recorded_run(RunRecord(process="a.ipynb"), folder, time_limit=time_limit, outputs=lambda _: [folder / "huge"]):
        with (folder / "huge").open("wb") as file:
            file.truncate(_HUGE)
        yield
        ignore_signals()


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _result(folder: Path) -> tuple[str, list[dict[str, Any]]]:
    record = json.loads((folder / "result.json").read_text())
    return record["state"], record["outputs"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are read for less than a second after a signal."""
    monkeypatch.setattr(recording, "_AFTER_A_SIGNAL", 0.3)


def test_the_time_limit_ends_a_run_whose_results_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_LEAST_FOR_DIGESTS", 0.3)

    with (
        pytest.raises(RunTimeLimitError, match=r"its time limit of 0\.1 s"),
        _run_with_a_huge_result(tmp_path, time_limit=0.1),
    ):
        pass

    assert _result(tmp_path) == ("failed", [{"path": "huge", "size": _HUGE}])


def test_a_failed_run_ends_even_if_its_results_cannot_be_read_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_LEAST_FOR_DIGESTS", 0.3)

    with pytest.raises(ProcessFailedError, match="of the notebook"), _run_with_a_huge_result(tmp_path, time_limit=0.5):
        raise ProcessFailedError("an error of the notebook")

    assert json.loads((tmp_path / "result.json").read_text())["error"] == "an error of the notebook"


def test_the_time_limit_ends_a_run_whose_results_are_listed_in_a_catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_LEAST_FOR_DIGESTS", 0.3)
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "process.sh").write_text("truncate -s 8G huge\n")
    output = tmp_path / "output"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))

    with pytest.raises(RunTimeLimitError):
        run(
            PackagedRun(
                process="process.sh",
                output=output,
                repository=str(tmp_path / "repository"),
                catalog="results",
                time_limit=0.5,
                say=lambda _: None,
            )
        )

    assert _result(output) == ("failed", [{"path": "huge", "size": 8 << 30}])
    assert not (output / "catalog.json").exists()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("time_limit", [None, 3600])
def test_a_run_that_is_dismissed_in_a_cell_ends_even_if_its_results_are_huge(
    time_limit: float | None, tmp_path: Path
) -> None:
    """The cell uses up the only signal."""
    began = time.monotonic()
    with pytest.raises(InterruptedRunError), _run_with_a_huge_result(tmp_path, time_limit=time_limit):
        _interrupt()

    assert time.monotonic() - began < 5
    assert _result(tmp_path) == ("failed", [{"path": "huge", "size": _HUGE}])


@pytest.mark.usefixtures("quick")
def test_a_run_whose_results_are_read_can_be_interrupted(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError), _run_with_a_huge_result(tmp_path):
        threading.Timer(0.5, _interrupt).start()

    assert _result(tmp_path) == ("failed", [{"path": "huge", "size": _HUGE}])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_finished_run_stays_finished_if_its_results_are_read_soon_after_a_signal(
    number: signal.Signals, tmp_path: Path
) -> None:
    """As by ``docker stop``, or while a server shuts down."""
    with recorded_run(RunRecord(process="a.ipynb"), tmp_path, time_limit=None, outputs=lambda _: [tmp_path / "small"]):
        (tmp_path / "small").touch()
        ignore_signals()
        os.kill(os.getpid(), number)

    state, outputs = _result(tmp_path)
    assert (state, [(one["path"], "sha256" in one) for one in outputs]) == ("succeeded", [("small", True)])


@pytest.mark.usefixtures("quick")
def test_a_run_that_was_interrupted_while_its_results_were_collected_ends_after_it(tmp_path: Path) -> None:
    def collect() -> None:
        ignore_signals()
        _interrupt()
        (tmp_path / "collected").touch()

    began = time.monotonic()
    with pytest.raises(InterruptedRunError), _run_with_a_huge_result(tmp_path):
        collect()

    assert (tmp_path / "collected").exists()
    assert time.monotonic() - began < 5
    assert _result(tmp_path) == ("failed", [{"path": "huge", "size": _HUGE}])
