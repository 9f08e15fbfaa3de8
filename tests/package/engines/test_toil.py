"""Toil as an engine: the trust that it requires, and the variables that it gets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from generator.containers.limits import container_limits
from generator.package.engines import engine_of, toil
from generator.package.engines.execution import execute
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import UsageError

_limits = container_limits()


def test_toil_is_found_by_its_name() -> None:
    assert engine_of("toil") is toil


def test_toil_requires_trust(tmp_path: Path) -> None:
    left = Leftovers(folder=tmp_path, label="org.packmill.run=1")

    with pytest.raises(UsageError, match="--trust"):
        toil.command(_limits, trust=False, left=left)


def test_toil_gets_the_variables_of_batch_schedulers_and_no_token() -> None:
    """Without ``SBATCH_ACCOUNT``, jobs are charged to the user's default project, and no message tells it."""
    kept = {"PATH": "/bin", "TOIL_WORKDIR": "/w", "SLURM_CONF": "/s", "SBATCH_ACCOUNT": "forests", "PBS_DEFAULT": "b"}
    kept |= {"LSB_DEFAULTPROJECT": "forests", "LSF_ENVDIR": "/l", "CONDOR_CONFIG": "/c", "_CONDOR_SCHEDD_HOST": "c"}

    assert toil.environment({**kept, "AWS_SECRET_ACCESS_KEY": "x"}) == kept


@pytest.mark.parametrize("options", [(), ("--batchSystem", "slurm")], ids=["machine", "cluster"])
def test_on_this_machine_only_their_owner_reads_toil_s_temporary_files(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Toil makes a job store there that all may read, with the values of inputs. Nodes of a cluster have others."""
    program, shared = tmp_path / "toil-cwl-runner", tmp_path / "shared"
    program.write_text(f"""\
#!{sys.executable}
import json, os, tempfile
folder = tempfile.gettempdir()
print(json.dumps({{"folder": folder, "mode above": os.stat(os.path.dirname(folder)).st_mode & 0o777}}))
""")
    program.chmod(0o755)
    shared.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr("tempfile.tempdir", None)

    found = execute(
        tmp_path / "x.cwl", {}, outdir=tmp_path / "out", engine="toil", options=options, on_line=print, trust=True
    )

    assert (found["folder"] == str(shared)) == bool(options)
    assert options or (Path(found["folder"]).is_relative_to(shared) and found["mode above"] == 0o700)


def test_a_run_that_is_interrupted_twice_leaves_no_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing finds its containers later: their label is a random one."""
    interrupt, session = f"kill -INT {os.getpid()}", '"$(cut -d " " -f 6 /proc/$$/stat)"'
    programs = {
        "toil-cwl-runner": f"{interrupt}\nexec sleep 60",
        "docker": f'{interrupt}\nsleep 0.2\necho "$@" $$ {session} >> {tmp_path}/log\necho 1a',
    }
    for name, lines in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{lines}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    document, out = tmp_path / "x.cwl", tmp_path / "out"

    with pytest.raises(KeyboardInterrupt):
        execute(document, {}, outdir=out, engine="toil", options=(), on_line=print, trust=True)

    listed, removed = (line.split() for line in (tmp_path / "log").read_text().splitlines())
    assert (listed[0], removed[:-2]) == ("ps", ["rm", "--force", "--volumes", "1a"])
    assert all(own == process for *_, process, own in (listed, removed))  # a terminal interrupts all of its session
