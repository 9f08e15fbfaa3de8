"""What a kernel in a process of its own leaves behind."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from waiting import has_ended, wait_until

from generator.runner.kernels import ports as ports_module
from generator.runner.kernels import process
from generator.runner.kernels.forked import ForkedProcess, RunPlace
from generator.runner.kernels.forked_kernels import ForkedShell
from generator.runner.kernels.messages import ExecuteRequest
from generator.runner.kernels.prepared import PreparedProcess
from generator.runner.kernels.process import KernelProcess, build_environment, new_connection
from generator.runner.kernels.specs import Kernel, find_kernels

_LEAVES = """
(setsid sh -c 'echo $$ >> pids; exec sleep 300' &)
nohup setsid sh -c 'echo $$ >> pids; sleep 300; true' &
until [ "$(wc -l < pids)" = 2 ]; do sleep 0.01; done
touch ready
exec sleep 300
"""


def _start(folder: Path, *, ends_with_parent: bool) -> KernelProcess:
    (folder / "pids").touch()
    kernel = Kernel(name="sh", language="sh", argv=("sh", "-c", _LEAVES), folder=folder)
    connection = new_connection(kernel, folder)
    started = KernelProcess(
        kernel, connection=connection, runtime=folder, cwd=folder, log=None, ends_with_parent=ends_with_parent
    )
    wait_until((folder / "ready").exists, message="the kernel has left processes")
    return started


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    """A process that no kernel started."""
    program = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield program
    program.kill()
    program.wait()


def test_what_left_the_group_of_a_kernel_of_a_worker_ends_with_it(
    tmp_path: Path, other: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "next").mkdir()
    following = _start(tmp_path / "next", ends_with_parent=True)
    ended = _start(tmp_path, ends_with_parent=True)

    ended.end()

    left, own = ([int(pid) for pid in (place / "pids").read_text().split()] for place in (tmp_path, tmp_path / "next"))
    wait_until(lambda: all(map(has_ended, left)), message="all processes of the kernel ended")
    assert not any(map(has_ended, [*own, following.process_id, other.pid]))
    following.end()
    wait_until(lambda: all(map(has_ended, own)), message="all processes of the other kernel ended")


def test_a_job_in_another_control_group_outlives_the_kernel_whose_environment_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that ``sbatch`` submitted, which runs on the same machine already."""
    kernel = _start(tmp_path, ends_with_parent=True)
    job, stray = map(int, (tmp_path / "pids").read_text().split())

    def control_groups(folder: Path) -> bytes:
        return b"job" if folder.name.isdigit() and os.getsid(int(folder.name)) == job else b"worker"

    monkeypatch.setattr(process, "_control_groups", control_groups)

    kernel.end()

    wait_until(lambda: has_ended(stray), message="a process of the worker's control group ended")
    assert not has_ended(job)
    os.killpg(job, signal.SIGKILL)


def test_a_kernel_gets_ports_that_linux_gives_to_no_connection_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel binds them seconds later, and one of them was taken now and then."""
    kernel = Kernel(name="sh", language="sh", argv=("sh", "-c", "exec sleep 60"), folder=tmp_path)
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = new_connection(kernel, tmp_path).ports.values()
    assert len({*ports}) == len(ports)
    assert all(port < lowest for port in ports) or lowest < 21_000

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        in_use = taken.getsockname()[1]
        monkeypatch.setattr(ports_module, "_ports_below_those_of_linux", lambda: [in_use])
        assert in_use not in new_connection(kernel, tmp_path).ports.values()


def test_a_program_that_a_notebook_starts_for_good_outlives_a_command(tmp_path: Path) -> None:
    """As with papermill: a notebook of one's own may start a database."""
    kernel = _start(tmp_path, ends_with_parent=False)

    kernel.end()

    left = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert not any(map(has_ended, left))
    for pid in left:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Every further file of this process has a descriptor above 1023, as in a server with very many connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096) if soft >= 0 else soft, hard))
        others = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
        stack.callback(lambda: [os.close(one) for one in others])
        yield


@pytest.mark.usefixtures("many_files")
def test_a_kernel_ends_in_a_server_with_very_many_connections(tmp_path: Path) -> None:
    kernel = _start(tmp_path, ends_with_parent=True)

    kernel.end()

    assert kernel.exit_code() == -signal.SIGTERM


def _prepare(folder: Path) -> PreparedProcess:
    kernel = next(one for one in find_kernels(os.environ) if one.name == "python3")
    prepared = PreparedProcess(kernel, "shell", environment=build_environment(kernel), directory=folder)
    assert prepared.is_ready(60)
    return prepared


@pytest.mark.usefixtures("many_files")
def test_a_child_is_forked_and_ends_in_a_server_with_very_many_connections(tmp_path: Path) -> None:
    prepared = _prepare(tmp_path)
    try:
        child = ForkedProcess(prepared)
        child.begin(RunPlace(directory=tmp_path, environment={}, log=None))
        waiting = child.channel.receive(0)

        child.end()
    finally:
        prepared.end()

    assert waiting is None
    assert child.exit_code() is not None


_BACKGROUND = "import subprocess; subprocess.run('sleep 300 & echo $! > background', shell=True)"


def test_the_end_of_a_run_ends_no_program_of_another_one(tmp_path: Path) -> None:
    """Both are children of one prepared process, which adopts programs whose parent has ended."""
    prepared = _prepare(tmp_path)
    try:
        runs = [ForkedShell(prepared), ForkedShell(prepared)]
        pids = []
        for index, run in enumerate(runs):
            (tmp_path / str(index)).mkdir()
            run.begin(RunPlace(directory=tmp_path / str(index), environment={}, log=None))
            run.connect().execute(ExecuteRequest(code=_BACKGROUND, limit=60))
            pids.append(int((tmp_path / str(index) / "background").read_text()))
        ended = []
        for run in runs:
            run.discard()
            ended.append([has_ended(pid) for pid in pids])
    finally:
        prepared.end()

    assert ended == [[True, False], [True, True]]
