"""Fixtures that all tests share."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from bytecode import bytecode_written, compile_packmill, import_share
from crash_trials import Trials
from engine_store import create_store
from filelock import FileLock
from forked_programs import start_engine
from parallel import GroupScheduling, arrange
from postgresql import Cluster, running_cluster
from process_state import same_state_afterwards
from session import begin_session, end_session, note_engine, session_folder
from small_disks import mounted_disk
from support import Finished


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write what is there now into the expected files")
    parser.addoption("--exhaustive", action="store_true", help="run variants that cost minutes and differ little, too")
    parser.addoption("--kills", type=int, default=5, help="how often the runner's server is killed under load")
    parser.addoption("--every-write", action="store_true", help="fail each write of a build once, not only some")
    parser.addoption("--trials", type=int, default=1, help="how often each kind of work is killed at a random moment")
    parser.addoption("--seed", type=int, default=None, help="the random moments of an earlier run")
    parser.addoption("--shared-runs", type=int, default=100, help="how many runs two replicas of the server share")
    parser.addoption(
        "--live-gateway", metavar="PYTHON", help="an environment whose jupyter_kernel_gateway is asked, too"
    )
    parser.addoption("--live-papermill", action="store_true", help="run papermill itself, not its recorded runs")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends in pytest_unconfigure, as Ctrl-C does
        begin_session()
        if sys.dont_write_bytecode:
            compile_packmill()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    gc.disable()
    try:
        with bytecode_written():
            import_share(session.config)
            return (yield)
    finally:
        gc.freeze()  # the modules and the list of tests stay: each collection would search them in vain
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        begin = time.monotonic()
        parts = end_session()
        if (seconds := time.monotonic() - begin) > 10:
            listed = ", ".join(f"{name} {took:.0f}" for name, took in parts.items())
            print(f"==> Removed what the tests left on this machine, in {seconds:.0f} s ({listed})")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers for ``-n auto``: two per processor, because most tests wait for other programs."""
    return max(2, min(8, 2 * (os.cpu_count() or 1)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--exhaustive"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
    arrange(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Collect what a test may leave to the garbage collector, before the next test is blamed for it."""
    if any("Unraisable" in str(mark.args) for mark in item.iter_markers("filterwarnings")):
        gc.collect()


@pytest.fixture(autouse=True)
def same_environment_afterwards() -> Iterator[None]:
    """No test passes environment variables on: a later one in the same process would see another user or HOME."""
    before = dict(os.environ)
    yield
    changed = {name for name in before | os.environ if before.get(name) != os.environ.get(name)}
    changed.discard("PYTEST_CURRENT_TEST")
    if changed:
        os.environ.clear()
        os.environ.update(before)
    assert not changed, f"the test has changed {', '.join(sorted(changed))}"


@pytest.fixture(autouse=True)
def same_process_afterwards() -> Iterator[None]:
    """No test passes on other state of the process, such as the working directory or a signal's handler."""
    with same_state_afterwards():
        yield


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty folder ``ada/trees`` for a repository."""
    folder = tmp_path / "ada" / "trees"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    with mounted_disk(tmp_path / "small", megabytes=1) as disk:
        yield disk


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Trials:
    """As many trials of ``kill -9`` as ``--trials`` states, at random moments or those of ``--seed``."""
    kind = request.node.name.removeprefix("test_").replace("_", " ")
    seed = request.config.getoption("--seed")
    number = request.config.getoption("--trials")
    return Trials(kind=kind, number=number, seed=secrets.randbelow(10**6) if seed is None else seed)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A running cluster; tests that use it are marked with ``needs_postgresql``."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine that answers; the run's end stops it and removes its store, if a worker started it."""
    from generator.containers.setup import ensure_engine

    with FileLock(session_folder() / "engine.lock"):
        store = partial(create_store, session_folder())
        note_engine(ensure_engine(docker_host=os.environ.get("DOCKER_HOST"), say=print, daemon_options=store))


@pytest.fixture
def database(postgresql: Cluster) -> str:
    """The URL of an empty database."""
    return postgresql.new_database(f"test_{secrets.token_hex(4)}")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares text with a file of a case; ``pytest --regenerate`` writes it instead."""

    def compare(path: Path, actual: str) -> None:
        if request.config.getoption("--regenerate"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(actual, encoding="utf-8")
            return
        assert path.exists(), f"{path} is missing: look at what is there now, then run pytest --regenerate\n{actual}"
        assert actual == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def forked_cwltool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the cwltool of `packmill run` in this process: a new interpreter takes two seconds to load it."""
    from generator.subprocesses import streams

    monkeypatch.setattr(streams, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start_engine}))


@pytest.fixture
def packmill(capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Runs a command of packmill in this process."""
    from generator.cli import main

    def run(*arguments: str | Path) -> Finished:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Finished(code, captured.out, captured.err)

    return run
