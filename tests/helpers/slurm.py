"""A Slurm cluster of this one host, with two partitions: ``short`` (the default, at most an hour) and ``long``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ports import free_port
from waiting import wait_until

_PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")


def require_slurm() -> None:
    """Skip a test on a machine without Slurm."""
    if problem := why_no_slurm():
        pytest.skip(problem)


def why_no_slurm() -> str:
    """Return why this user cannot run Slurm's daemons; empty if that is possible."""
    missing = [program for program in _PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        return f"{', '.join(missing)}: not installed; scripts/test-programs installs Slurm on Debian as root"
    return "slurmd starts jobs as root alone" if os.getuid() else ""


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run the daemons of a cluster; yield the variables with which Slurm's commands find it, PATH included.

    The folder's path must be short: the path of munge's socket has at most 107 characters.
    """
    folder.mkdir(mode=0o755)
    socket_path = folder / "munge.socket"
    (folder / "slurm.conf").write_text(_configuration(folder, socket_path))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    own = ("--socket", socket_path, "--key-file", key, "--pid-file", folder / "munged.pid")
    logs = ("--log-file", folder / "munged.log", "--seed-file", folder / "munged.seed")
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": _path()}
    with ExitStack() as daemons:
        daemons.enter_context(_running(("munged", "--foreground", "--force", *own, *logs), folder, variables))
        wait_until(socket_path.exists, message="munged answers")
        for daemon in ("slurmctld", "slurmd"):
            daemons.enter_context(_running((daemon, "-D"), folder, variables))
        wait_until(
            lambda: "idle" in _answer(("sinfo", "--noheader"), variables), seconds=60, message="the node is idle"
        )
        try:
            yield variables
        finally:
            _answer(("scancel", "--quiet", f"--user={os.getuid()}"), variables)
            wait_until(lambda: not _answer(("squeue", "--noheader"), variables), seconds=60)


def _configuration(folder: Path, munge: Path) -> str:
    name = socket.gethostname().partition(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20) - 512
    lines = {
        "ClusterName": "test",
        "SlurmctldHost": f"{name}(127.0.0.1)",
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        "AuthInfo": f"socket={munge}",
        "CredType": "cred/munge",
        "SlurmctldPort": free_port(),
        "SlurmdPort": free_port(),
        "StateSaveLocation": folder / "state",
        "SlurmdSpoolDir": folder / "spool",
        "SlurmctldPidFile": folder / "slurmctld.pid",
        "SlurmdPidFile": folder / "slurmd.pid",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/none",
        "AccountingStorageType": "accounting_storage/none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "ReturnToService": 2,
        "MailProg": "/bin/true",
    }
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    nodes = f"NodeName={name} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory={memory} State=UNKNOWN"
    partitions = [
        f"PartitionName=short Nodes={name} Default=YES MaxTime=1:00:00 State=UP",
        f"PartitionName=long Nodes={name} MaxTime=1-0 State=UP",
    ]
    return "\n".join([*(f"{key}={value}" for key, value in lines.items()), nodes, *partitions, ""])


@contextmanager
def _running(command: tuple[str | Path, ...], folder: Path, variables: dict[str, str]) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **variables}
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answer(command: tuple[str, ...], variables: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    return done.stdout


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"
