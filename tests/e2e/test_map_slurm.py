"""``packmill map`` and ``packmill run`` on a real Slurm of this host, with two partitions."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from local_images import Built
from slurm import require_slurm, slurm_cluster
from support import Finished
from toil_engine import use_toil
from waiting import processes_naming, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.group("several")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The variables of a running cluster."""
    require_slurm()
    with TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder, slurm_cluster(Path(folder, "c")) as variables:
        yield variables


@pytest.fixture(autouse=True)
def environment(cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    use_toil(monkeypatch, tmp_path)


def jobs(name: str) -> list[dict[str, str]]:
    """What Slurm knows of the jobs with this text in their names, in their order."""
    listing = subprocess.run(["scontrol", "--oneliner", "show", "jobs"], capture_output=True, text=True, check=True)
    lines = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in listing.stdout.splitlines()]
    return [line for line in lines if name in line.get("JobName", "")]


def test_after_a_killed_leader_the_rest_of_the_rows_run_on_slurm_and_no_row_twice(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    outdir = tmp_path / "out"
    (tmp_path / "not-text").write_bytes(b"\xff")
    (tmp_path / "t.csv").write_text("n,page\n" + "".join(f"{n},\n" for n in range(1, 12)) + "12,not-text\n")
    words = ["map", str(several.package / "good"), str(tmp_path / "t.csv"), "--outdir", str(outdir)]
    words += ["--engine", "toil", "--batch-system", "slurm", "--rows-per-job", "4"]
    process = subprocess.Popen([sys.executable, "-m", "generator", *words], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: process.poll() or len(list(outdir.glob("rows/*/result.json"))) > 3, message="rows have ended")
    (leader,) = processes_naming(f"{outdir}/.packmill-map/toil/1/packmill_rows.py")

    os.kill(leader, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 20
    assert "--resume" in errors
    succeeded = (path for path in outdir.glob("rows/*/result.json") if path.parent.name != "12")
    kept = {path: path.read_text() for path in succeeded}
    done = packmill(*words, "--resume", "--", "--slurmTime", "2:00:00")

    assert done.code == 20, done.err
    with (outdir / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    states = [(row["reason"], row["scrap_n"], row["attempts"]) for row in rows]
    assert states == [*(("", str(n), "1") for n in range(1, 12)), ("cell-error", "12", "1")]
    assert (outdir / rows[0]["out"]).read_text() == "1"
    assert all(path.read_text() == text for path, text in kept.items())
    assert not (outdir / ".packmill-map" / "toil").exists()
    submitted = jobs("rows-")
    assert (submitted[0]["Partition"], submitted[-1]["Partition"]) == ("short", "long")
    assert submitted[-1]["TimeLimit"] == "02:00:00"
    assert "cpu=1,mem=2304M" in submitted[-1]["TRES"]


def test_a_package_runs_on_slurm(several: Built, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    outdir = tmp_path / "out"
    options = ("--engine", "toil", "--batch-system", "slurm", "--trust", "--outdir", outdir)

    done = packmill("run", several.package / "good", "-pn=7", *options)

    assert done.code == 0, done.err
    assert (outdir / "output" / "n.txt").read_text() == "7"
    assert not (outdir / ".packmill-toil").exists()
    assert {job["Partition"] for job in jobs("process")} == {"short"}
