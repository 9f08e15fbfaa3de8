"""Rows as jobs of a Toil workflow.

A script stands in for Docker, and in most tests a module for Toil, which takes seconds to start.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import runpy
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toil_engine import use_toil
from waiting import processes_naming, wait_until

from generator.containers.limits import container_limits
from generator.package.map.containers import ContainerPlan
from generator.package.map.journal import Ended
from generator.package.map.rows import Keys, PlannedRow
from generator.package.map.scheduling import Schedule, TooManyFailuresError
from generator.package.map.toil import plan as plans
from generator.package.map.toil import scheduler as toil_scheduler
from generator.package.map.toil.plan import ToilPlan
from generator.package.map.toil.scheduler import ToilScheduler
from generator.package.map.toil.waves import Wave
from generator.package.map.tool import Tool
from generator.request.settings import Settings
from generator.resources import data_folder
from generator.shared.errors import RunError

_DOCKER = """\
import csv, json, os, signal, sys, time
if sys.argv[1] == "kill":
    with open(RAN + ".kills", "a") as file: print(sys.argv[2], file=file)
    if os.path.exists(RAN + ".busy"):
        os.unlink(RAN + ".busy")
        sys.exit("docker is busy")
    os.kill(int(open(RAN + sys.argv[2]).read()), 9)
    sys.exit()
with open(RAN + next(word.removeprefix("--name=") for word in sys.argv if word.startswith("--name=")), "w") as file:
    file.write(str(os.getpid()))
mounts = [dict(part.partition("=")[::2] for part in next(csv.reader([word.removeprefix("--mount=")])))
          for word in sys.argv if word.startswith("--mount=")]
rows = next(one["source"] for one in mounts if one["target"] == "/packmill/rows")
if os.path.exists(RAN + ".more"):
    open(os.path.join(rows, "more"), "wb").truncate(2 << 20)
    time.sleep(600)
print(json.dumps({"ready": 1}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    folder, answer = os.path.join(rows, asked["row"]), {"state": "succeeded"}
    with open(RAN, "a") as ran:
        ran.write(str(asked["inputs"]["n"]) + "\\n")
    os.makedirs(os.path.join(folder, "output"))
    with open(os.path.join(folder, "output", "scraps.json"), "w") as file:
        json.dump({"container": os.getpid(), "memory": [w for w in sys.argv if w.startswith("--memory=")]}, file)
    def give(): print(json.dumps({"row": asked["row"], **answer}), flush=True)
    exec(asked["inputs"].get("code", ""))
    give()
"""
_TOIL = """\
import argparse, os, sys
class Job:
    tempDir = None
    class Runner:
        def getDefaultArgumentParser():
            parser = argparse.ArgumentParser()
            for name in ("--batchSystem", "--batchLogsDir", "--maxJobs", "--retryCount", "jobStore"):
                parser.add_argument(name)
            for name in ("--disableProgress", "--restart"):
                parser.add_argument(name, action="store_true")
            return parser
    def __init__(self, **needs):
        self.after = [], []
    def addChild(self, job):
        self.after[0].append(job)
    def addFollowOn(self, job):
        self.after[1].append(job)
class Toil:
    def __init__(self, options): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def start(self, job):
        os.makedirs(sys.argv[-1], exist_ok=True)
        job.run(None)
        for one in [*job.after[0], *job.after[1]]:
            self.start(one)
    def restart(self):
        open(os.path.join(sys.argv[1], "..", "..", "restarted"), "w").close()
        self.start(sys.modules["__main__"].Begin(sys.argv[1]))
"""
_TOOL = Tool(image="image", arguments=(), cores=1, ram=300, time=60, needs_network=False)


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``docker`` that runs rows in its own process, and notes the number of each row in the file ``ran``."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return program(tmp_path / "bin" / "docker", f"#!{sys.executable}\nRAN = {str(tmp_path / 'ran')!r}\n{_DOCKER}")


@pytest.fixture
def quick_toil(tmp_path: Path) -> None:
    """A Toil that runs one job after another in the leader."""
    for name, text in {"common": "from toil.job import Toil", "job": _TOIL}.items():
        module = tmp_path / "modules" / "toil" / f"{name}.py"
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_text(text)
    program(tmp_path / "bin" / "toil", "")
    start = f'PYTHONPATH={tmp_path / "modules"} exec {sys.executable} "$@"'
    program(tmp_path / "bin" / "python3", f"#!/bin/sh\n{start}\n")


def program(path: Path, text: str) -> Path:
    """Write a file that can be run."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def plan(folder: Path, settings: Settings | None = None, **options: Any) -> ToilPlan:
    """A plan on this machine whose waves are in the folder ``work``."""
    containers = ContainerPlan(tool=_TOOL, work=folder / "unused", limits=container_limits(settings))
    return ToilPlan(containers=containers, folder=folder / "work", batch_system="single_machine", **options)


def rows(*codes: str) -> list[PlannedRow]:
    """A row for each line of code, which the container executes."""
    return [PlannedRow(number=n, values={"n": n, "code": code}, given={}) for n, code in enumerate(codes, 1)]


def run(
    folder: Path,
    table: list[PlannedRow],
    schedule: Schedule | None = None,
    ended: dict[int, Ended] | None = None,
    **options: Any,
) -> dict[int, Ended]:
    """Run rows with Toil; return how they ended, also in ``ended`` as they do."""
    ended = {} if ended is None else ended
    ToilScheduler(
        plan=plan(folder, **options),
        schedule=schedule or Schedule(parallel=2),
        place=lambda row: folder / "rows" / str(row.number),
        on_end=lambda row, one: ended.update({row.number: one}),
        on_wait=lambda _: None,
    ).run(table)
    return ended


def kills(folder: Path) -> int:
    """How often a container was to be killed."""
    return len((folder / "ran.kills").read_text().split()) if (folder / "ran.kills").exists() else 0


def ran(folder: Path) -> list[int]:
    """The numbers of the rows that ran, as often as they did."""
    return sorted(int(line) for line in (folder / "ran").read_text().split())


@pytest.mark.usefixtures("quick_toil")
def test_a_job_runs_its_rows_in_one_container_and_a_row_that_breaks_it_fails_alone(tmp_path: Path) -> None:
    codes = ["", "answer = {'state': 'failed', 'reason': 'cell-error'}", "", "os._exit(9)", "", ""]

    ended = run(tmp_path, rows(*codes), rows_per_job=3)

    assert {n: (one.state, one.reason) for n, one in sorted(ended.items()) if not one.has_succeeded} == {
        2: ("failed", "cell-error"),
        4: ("failed", "container-died"),
    }
    containers = [ended[number].scraps["container"] for number in range(1, 7)]
    assert containers[0] == containers[1] == containers[2]
    assert containers[4] == containers[5]
    assert len(set(containers)) == 3
    assert ran(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert (tmp_path / "rows" / "4" / "scraps.json").is_file()
    assert not (tmp_path / "work").exists()


@pytest.mark.usefixtures("quick_toil")
@pytest.mark.parametrize(
    "place", ["open(folder, 'w').close()", "os.symlink('/etc/hostname', folder)", "os.mkfifo(folder)"]
)
def test_a_row_that_replaces_its_folder_fails_alone(place: str, tmp_path: Path) -> None:
    ended = run(tmp_path, rows("", f"import shutil; shutil.rmtree(folder); {place}", ""), rows_per_job=3)

    assert [ended[n].reason for n in (1, 2, 3)] == [None, "output-refused", None]
    assert not (tmp_path / "rows" / "2").exists()


@pytest.mark.usefixtures("quick_toil")
def test_a_job_follows_no_link_to_a_folder_that_replaces_a_row_s(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "not-of-the-row").touch()
    opened = tmp_path / "opened"
    (tmp_path / "modules" / "sitecustomize.py").write_text(f"""\
import os, sys
opened = os.open({str(opened)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith("not-of-the-row"):
        os.write(opened, os.fsencode(str(arguments[0])) + b"\\n")
sys.addaudithook(note)
""")
    replace_it = f"import shutil; shutil.rmtree(folder); os.symlink({str(tmp_path / 'elsewhere')!r}, folder)"

    ended = run(tmp_path, rows("", replace_it, ""), rows_per_job=3)

    assert [ended[n].reason for n in (1, 2, 3)] == [None, "output-refused", None]
    assert opened.read_text() == ""


@pytest.mark.usefixtures("quick_toil")
def test_a_row_whose_results_cannot_be_taken_fails_alone(tmp_path: Path) -> None:
    refuse_renames(tmp_path, errno.EACCES)

    ended = run(tmp_path, rows("", "os.chmod(folder, 0o500)", ""), rows_per_job=3)

    assert [ended[n].reason for n in (1, 2, 3)] == [None, "output-refused", None]
    assert "Permission denied" in (ended[2].message or "")


@pytest.mark.usefixtures("quick_toil")
def test_a_full_disk_of_a_node_is_not_the_failure_of_a_row(tmp_path: Path) -> None:
    refuse_renames(tmp_path, errno.ENOSPC)

    with pytest.raises(RunError, match=r"2 rows were not run[\s\S]*No space left"):
        run(tmp_path, rows("", "os.chmod(folder, 0o500)", ""), rows_per_job=3)


def refuse_renames(folder: Path, number: int) -> None:
    """Let jobs move no folder to which its owner may not write, as Linux does for all but root (rename(2), EACCES)."""
    (folder / "modules" / "sitecustomize.py").write_text(f"""\
import os
rename = os.rename
def rename_of_another_user(source, target, **options):
    if not os.lstat(source).st_mode & 0o200:
        raise OSError({number}, os.strerror({number}))
    rename(source, target, **options)
os.rename = rename_of_another_user
""")


@pytest.mark.usefixtures("quick_toil")
def test_an_answer_that_a_notebook_nests_deeper_than_its_reader_follows_ends_no_map(tmp_path: Path) -> None:
    """The job that reads it first calls fewer functions in each other than the leader."""
    forged = "answer = json.loads('{\"state\": \"succeeded\", \"x\": ' + '[' * 940 + ']' * 940 + '}')"

    def run_deeper(levels: int) -> dict[int, Ended]:
        return run_deeper(levels - 1) if levels else run(tmp_path, rows("", forged, ""), rows_per_job=3)

    ended = run_deeper(60)

    assert [ended[n].state for n in (1, 2, 3)] == ["succeeded"] * 3


@pytest.mark.usefixtures("quick_toil")
def test_a_kill_while_taken_results_are_removed_loses_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(left: Path) -> None:
        (left / "output" / "scraps.json").unlink()
        raise KeyboardInterrupt

    ended: dict[int, Ended] = {}
    table = rows("", "")
    with monkeypatch.context() as killed:
        killed.setattr(toil_scheduler, "remove_folder", remove)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, table, rows_per_job=1, ended=ended)

    ended |= run(tmp_path, [row for row in table if row.number not in ended])

    assert all(one.has_succeeded and one.scraps for one in ended.values())
    assert [(tmp_path / "rows" / str(n) / "scraps.json").is_file() for n in (1, 2)] == [True, True]


@pytest.mark.usefixtures("quick_toil")
def test_a_kill_before_moved_results_are_recorded_loses_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "COPIED_AT_MOST", 100_000)
    write = "open(os.path.join(folder, 'output', 'map'), 'wb').write(bytes(200_000))"

    class KilledOnce(dict[int, Ended]):
        was_killed = False

        def update(self, *rows: Any, **_: Any) -> None:
            if not self.was_killed:
                self.was_killed = True
                raise KeyboardInterrupt
            super().update(*rows)

    ended, table = KilledOnce(), rows(write, write)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, table, rows_per_job=1, ended=ended)
    ended |= run(tmp_path, [row for row in table if row.number not in ended], rows_per_job=1)

    assert [(ended[n].state, ended[n].message) for n in (1, 2)] == [("succeeded", None)] * 2
    assert all(one.scraps for one in ended.values())
    assert [(tmp_path / "rows" / str(n) / "map").stat().st_size for n in (1, 2)] == [200_000] * 2
    assert ran(tmp_path).count(1) == 1


@pytest.mark.usefixtures("quick_toil")
def test_results_of_an_earlier_attempt_are_not_those_of_a_row_that_removes_its_own(tmp_path: Path) -> None:
    (tmp_path / "rows" / "1").mkdir(parents=True)
    (tmp_path / "rows" / "1" / "scraps.json").write_text('{"earlier": 1}')

    ended = run(tmp_path, rows("import shutil; shutil.rmtree(folder + '/output')"), rows_per_job=1)

    assert (ended[1].state, ended[1].reason, ended[1].scraps) == ("failed", "output-refused", {})


@pytest.mark.usefixtures("quick_toil")
def test_a_job_replaces_no_word_of_a_package_and_no_folder_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--process", "@tmp@/@name@.ipynb", "--kernel", "@inputs@", "@gpus@", "@group@", "@devices@")
    monkeypatch.setattr(sys.modules[__name__], "_TOOL", replace(_TOOL, arguments=words))
    folder = tmp_path / "@tmp@" / "@group@"
    file = folder / "x" / "@name@"
    file.parent.mkdir(parents=True)
    file.touch()
    noted = f"open({str(tmp_path / 'argv')!r}, 'w').write(json.dumps(sys.argv))"
    values = {"n": 1, "code": noted, "file": {"class": "File", "location": file.as_uri()}}

    ended = run(folder, [PlannedRow(number=1, values=values, given={})])

    command = json.loads((tmp_path / "argv").read_text())
    assert ended[1].has_succeeded
    assert tuple(command[command.index("rows") + 1 :][: len(words)]) == words
    assert f'--mount=type=bind,"source={file}",target=/packmill/inputs/1/@name@,readonly' in command


@pytest.mark.usefixtures("quick_toil")
@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ("docker", ['--gpus="device=2,5"']),
        ("podman", ["--device=nvidia.com/gpu=2", "--device=nvidia.com/gpu=5"]),
    ],
)
def test_a_container_gets_the_gpus_that_slurm_gave_its_job(
    container: str, expected: list[str], docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_TOOL", replace(_TOOL, gpus=2))
    monkeypatch.setenv("SLURM_JOB_GPUS", "2,5")
    program(docker.parent / container, docker.read_text())

    run(tmp_path, rows(f"open({str(tmp_path / 'argv')!r}, 'w').write(json.dumps(sys.argv))"), container=container)

    command = json.loads((tmp_path / "argv").read_text())
    assert [word for word in command if word.startswith(("--gpus", "--device"))] == expected


@pytest.mark.parametrize(
    ("visible", "step", "job", "expected"),
    [
        ("0", "", "3", "3"),  # ConstrainDevices: the first of the job's GPUs
        ("3", "", "3", "3"),  # without it, the number of the node
        ("0,1", "", "4,6", "4,6"),
        ("1", "", "4,6", "6"),  # Toil on one machine gives each of its jobs a part
        ("0", "6", "4,6", "6"),  # a step has a part of its job
        ("0", "6", "", "6"),  # srun without a batch job
        ("0", "1", "3", "3"),  # a job that was submitted in a step of another one
        ("0,1", "4", "4,6", "4,6"),
        ("GPU-8f1c", "", "3", "GPU-8f1c"),
        ("2", "", "", "2"),  # another scheduler
        ("", "", "3", "3"),
        ("", "", "", ""),
    ],
)
def test_a_job_s_gpus_are_named_by_the_numbers_of_the_node(visible: str, step: str, job: str, expected: str) -> None:
    """Slurm confines a job to its GPUs, which it counts from 0; an engine runs outside, where 0 is another one's."""
    given = {"CUDA_VISIBLE_DEVICES": visible, "SLURM_STEP_GPUS": step, "SLURM_JOB_GPUS": job}

    gpus = _row_gpus()

    assert ",".join(gpus["job_devices"](given)) == expected
    assert gpus["options"](["--gpus=\0devices\0"], 2, given) == [
        f'--gpus="device={expected}"' if expected else "--gpus=2"
    ]


def test_gpus_without_numbers_are_all_gpus_for_podman_and_the_job_s_own_for_singularity() -> None:
    given = {"CUDA_VISIBLE_DEVICES": "GPU-8f1c"}
    gpus = _row_gpus()

    assert gpus["options"](["--device=nvidia.com/gpu=\0device\0"], 1, given) == ["--device=nvidia.com/gpu=all"]
    assert gpus["for_singularity"](given) == {"SINGULARITYENV_CUDA_VISIBLE_DEVICES": "GPU-8f1c"}
    assert gpus["for_singularity"]({}) == {}


def _row_gpus() -> dict[str, Any]:
    return runpy.run_path(str(data_folder("templates") / "toil" / "row_gpus.py"))


@pytest.mark.usefixtures("quick_toil")
def test_rows_are_grouped_by_the_time_of_the_first_ones(tmp_path: Path) -> None:
    ended = run(tmp_path, rows(*["time.sleep(0.01)"] * 12))

    containers = [ended[number].scraps["container"] for number in range(1, 13)]
    assert len(set(containers[:4])) == len(set(containers[4:])) == 1
    assert containers[0] != containers[4]


@pytest.mark.usefixtures("quick_toil")
def test_a_row_that_ran_out_of_memory_is_repeated_alone_with_twice_as_much(tmp_path: Path) -> None:
    code = "answer = {'state': 'failed', 'reason': 'out-of-memory'} if '--memory=300m' in sys.argv else answer"

    ended = run(tmp_path, rows(code, code, ""), Schedule(parallel=2, retries=1), rows_per_job=3)

    assert [ended[number].attempts for number in (1, 2, 3)] == [2, 2, 1]
    assert ended[1].scraps["memory"] == ["--memory=600m"]
    assert ended[1].scraps["container"] != ended[2].scraps["container"]


@pytest.mark.usefixtures("quick_toil")
@pytest.mark.parametrize("wait", ["", "; time.sleep(600)"], ids=["ends", "runs"])
@pytest.mark.parametrize(
    ("write", "limit"),
    [
        ("open(folder + '/a', 'wb').truncate(2 << 20)", "more than 1 MiB"),
        ("[open(f'{folder}/{n}', 'w').close() for n in range(30)]", "more than 20 files and folders"),
    ],
    ids=["size", "files"],
)
def test_a_row_that_writes_too_much_on_a_node_fails_with_the_limit(
    write: str, limit: str, wait: str, tmp_path: Path
) -> None:
    settings = Settings(run_output=1, run_files=20)

    ended = run(tmp_path, rows("", f"{write}{wait}", ""), rows_per_job=3, settings=settings)

    assert [(ended[n].state, ended[n].reason) for n in (1, 2, 3)] == [
        ("succeeded", None), ("failed", "output-limit"), ("succeeded", None),
    ]  # fmt: skip
    assert limit in (ended[2].message or "")
    assert "PACKMILL_RUN_OUTPUT" in (ended[2].message or "")
    assert not (tmp_path / "rows" / "2").exists()
    assert ran(tmp_path) == [1, 2, 3]


@pytest.mark.usefixtures("quick_toil")
def test_a_container_that_writes_too_much_before_its_first_row_is_not_missing(tmp_path: Path) -> None:
    (tmp_path / "ran.more").touch()

    ended = run(tmp_path, rows(""), rows_per_job=1, settings=Settings(run_output=1))

    assert (ended[1].state, ended[1].reason) == ("failed", "output-limit")


@pytest.mark.usefixtures("quick_toil")
def test_a_row_that_prints_too_much_on_a_node_fails_with_the_limit(tmp_path: Path) -> None:
    prints = "sys.stderr.write('x' * (700 << 10)); sys.stderr.flush()"
    codes = (prints, prints, f"{prints}; time.sleep(2)", f"{prints}; {prints}; time.sleep(600)", "")

    ended = run(tmp_path, rows(*codes), rows_per_job=5, settings=Settings(run_output=1))

    assert [ended[n].reason for n in range(1, 6)] == [None, None, None, "output-limit", None]


@pytest.mark.usefixtures("quick_toil")
def test_large_results_on_a_node_are_moved_once_their_container_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "COPIED_AT_MOST", 100_000)
    writes = """\
with open(os.path.join(folder, "output", "map"), "wb") as file: file.write(bytes({}))
with open(RAN + ".written", "a") as file: print(os.stat(os.path.join(folder, "output", "map")).st_ino, file=file)
"""

    ended = run(tmp_path, rows(*(writes.format(size) for size in (10, 200_000, 10))), rows_per_job=3)

    assert [ended[number].state for number in (1, 2, 3)] == ["succeeded"] * 3
    files = map(int, (tmp_path / "ran.written").read_text().split())
    moved = [(tmp_path / "rows" / str(n) / "map").stat().st_ino == file for n, file in enumerate(files, 1)]
    assert moved == [False, True, False]
    containers = [ended[number].scraps["container"] for number in (1, 2, 3)]
    assert [one == containers[0] for one in containers] == [True, True, False]


@pytest.mark.usefixtures("quick_toil")
def test_a_kill_that_fails_on_a_node_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "ran.busy").touch()

    ended = run(tmp_path, rows("sys.stderr.write('x' * (2 << 20)); time.sleep(600)"), settings=Settings(run_output=1))

    assert ended[1].reason == "output-limit"
    assert kills(tmp_path) > 1


@pytest.mark.usefixtures("quick_toil")
def test_a_row_that_stops_its_runner_on_a_node_fails_with_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "GRACE", 2)
    monkeypatch.setattr(sys.modules[__name__], "_TOOL", replace(_TOOL, time=1))

    ended = run(tmp_path, rows("os.kill(os.getpid(), signal.SIGSTOP)", ""), rows_per_job=2)

    assert [(ended[n].state, ended[n].reason) for n in (1, 2)] == [("failed", "run-time-limit"), ("succeeded", None)]
    assert "its time limit of 1 s" in (ended[1].message or "")


@pytest.mark.usefixtures("quick_toil")
def test_a_container_on_a_node_that_reads_no_row_fails_with_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values of the second row are more than a pipe takes."""
    monkeypatch.setattr(plans, "GRACE", 2)
    monkeypatch.setattr(sys.modules[__name__], "_TOOL", replace(_TOOL, time=1))
    ended: dict[int, Ended] = {}
    table = rows("give(); time.sleep(600)", "#" * (1 << 20), "")
    running = threading.Thread(target=lambda: ended.update(run(tmp_path, table, rows_per_job=3)), daemon=True)
    running.start()
    running.join(timeout=120)

    assert [ended[n].reason for n in sorted(ended)] == [None, "run-time-limit", None]


@pytest.mark.usefixtures("quick_toil")
@pytest.mark.parametrize("writes", ["", "open(rows + '/more', 'wb').truncate(2 << 20)"], ids=["waits", "writes"])
def test_a_container_that_does_not_end_after_its_last_row_does_not_survive_its_job(
    writes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "GRACE", 600 if writes else 1)

    ended = run(tmp_path, rows(f"give(); {writes}\ntime.sleep(600)"), settings=Settings(run_output=1))

    assert ended[1].state == "succeeded"
    assert kills(tmp_path)


@pytest.mark.usefixtures("quick_toil")
def test_isolated_rows_have_containers_of_their_own(tmp_path: Path) -> None:
    ended = run(tmp_path, rows("", "", ""), Schedule(parallel=1, isolated=True), rows_per_job=3)

    assert len({one.scraps["container"] for one in ended.values()}) == 3


@pytest.mark.usefixtures("quick_toil")
@pytest.mark.parametrize(("most", "seen"), [(4, ["pqs"] * 4), (2, ["pq", "pq", "s", "s"])])
def test_containers_on_nodes_see_files_of_their_rows_without_their_folders(
    most: int, seen: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as a command can have; a file that was removed fails its row alone."""
    monkeypatch.setattr(plans, "MOST_FILES", most)
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    sees = "answer['note'] = ' '.join(one['source'] for one in mounts if '/inputs/' in one['target'])"
    table = []
    for number, name in enumerate("pqrs", 1):
        file = tmp_path / "home" / name
        if name != "r":
            file.touch()
        values = {"n": number, "code": sees, "f": {"class": "File", "location": file.as_uri()}}
        table.append(PlannedRow(number=number, values=values, given={}))

    ended = run(tmp_path, table, rows_per_job=4)

    notes = [ended[number].note.split() for number in range(1, 5)]
    assert notes == [[str(tmp_path / "home" / name) for name in names] for names in seen]


@pytest.mark.usefixtures("quick_toil")
def test_no_more_rows_start_after_too_many_failures(tmp_path: Path) -> None:
    failing = ["answer = {'state': 'failed'}"] * 3
    schedule = Schedule(parallel=1, max_failures=2)

    with pytest.raises(TooManyFailuresError, match="3 rows failed"):
        run(tmp_path, rows(*failing, *["time.sleep(0.3)"] * 40), schedule, rows_per_job=43)

    assert len(ran(tmp_path)) < 15


@pytest.mark.usefixtures("quick_toil")
def test_a_node_without_containers_is_named_and_no_row_counts_as_failed(docker: Path, tmp_path: Path) -> None:
    docker.write_text("#!/bin/sh\necho 'docker: cannot connect to the daemon' >&2\nexit 125\n")

    with pytest.raises(
        RunError, match=r"2 rows were not run, .* code 1; no container starts on .* cannot connect to the daemon"
    ):
        run(tmp_path, rows("", ""), rows_per_job=2, options=("--retryCount", "0"))


@pytest.mark.usefixtures("quick_toil")
def test_an_option_that_toil_does_not_know_is_reported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="unrecognized arguments: --no-such-option"):
        run(tmp_path, rows(""), options=("--no-such-option",))


@pytest.mark.usefixtures("quick_toil")
@pytest.mark.parametrize("changed", [False, True], ids=["same", "changed"])
@pytest.mark.parametrize("store", ["", "{0}/store/of/user"], ids=["own-store", "user-s-store"])
def test_a_killed_leader_is_restarted_unless_the_rows_changed(store: str, changed: bool, tmp_path: Path) -> None:
    options = ("--jobStore", store.format(tmp_path)) if store else ()
    once = "if open(RAN).read().split().count('3') == 1: os.kill(os.getppid(), 9)"
    with pytest.raises(RunError, match="3 rows were not run"):
        run(tmp_path, rows("", "", once, "", ""), rows_per_job=5, options=options)

    ended = run(tmp_path, rows("", "", once, "", "pass" if changed else "")[2:], rows_per_job=5, options=options)

    assert sorted(ended) == [3, 4, 5]
    assert all(one.has_succeeded for one in ended.values())
    assert ran(tmp_path) == [1, 2, 3, 3, 4, 5]
    assert (tmp_path / "restarted").exists() != changed


@pytest.mark.usefixtures("quick_toil")
def test_a_map_that_is_continued_with_renewed_keys_runs_the_rest_with_them(tmp_path: Path) -> None:
    def table(key: str) -> list[PlannedRow]:
        kill_once = "if open(RAN).read().split().count('2') == 1: os.kill(os.getppid(), 9)"
        expired = "if asked['inputs']['key'] == 'old': answer = {'state': 'failed', 'reason': 'cell-error'}"
        keys = Keys(secret=frozenset({"key"}))
        table = rows("", kill_once, expired)
        return [replace(row, values={**row.values, "key": key}, keys=keys) for row in table]

    with pytest.raises(RunError, match="2 rows were not run"):
        run(tmp_path, table("old"), rows_per_job=3)

    ended = run(tmp_path, table("new")[1:], rows_per_job=3)

    assert ran(tmp_path) == [1, 2, 2, 3]
    assert all(one.has_succeeded for one in ended.values())


@pytest.mark.usefixtures("quick_toil")
def test_a_row_that_failed_before_a_leader_was_killed_runs_again(tmp_path: Path) -> None:
    failing = "answer = {'state': 'failed', 'reason': 'cell-error'}"
    once = "if open(RAN).read().split().count('3') == 1: os.kill(os.getppid(), 9)"
    with pytest.raises(RunError, match="2 rows were not run"):
        run(tmp_path, rows("", failing, once, ""), rows_per_job=4)

    ended = run(tmp_path, rows("", failing, once, "")[1:], rows_per_job=4)

    assert ran(tmp_path) == [1, 2, 2, 3, 3, 4]
    assert {number: (one.reason, one.attempts) for number, one in ended.items()} == {
        2: ("cell-error", 1), 3: (None, 1), 4: (None, 1),
    }  # fmt: skip
    assert ended[2].scraps, "what it left is kept"


def test_a_job_that_a_killed_leader_left_is_waited_for_and_reported(tmp_path: Path) -> None:
    """It may be on a node that is not reached any more."""
    group = tmp_path / "1" / "groups" / "0000000"
    group.mkdir(parents=True)
    reported: list[str] = []
    with (group / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def end_job(line: str) -> None:
            reported.append(line)
            fcntl.flock(lock, fcntl.LOCK_UN)

        Wave(tmp_path / "1", {}).wait_for_jobs(end_job)

    assert len(reported) == 1
    assert str(group) in reported[0]


@pytest.mark.slow
def test_after_a_kill_the_rest_runs_and_no_ended_row_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real Toil: its leader ends with packmill, and the next one continues from the job store."""
    use_toil(monkeypatch, tmp_path)
    wait = "while not os.path.exists(RAN + '.go'): time.sleep(0.05)"
    codes = ([""] * 3 + [wait] * 3) * 4  # a job has six rows, and stops after three until told
    codes[-1] = "answer = {'state': 'failed', 'reason': 'cell-error'}"
    code = f"from pathlib import Path; import test_map_toil as tests; tests.run(Path({str(tmp_path)!r}), tests.rows(*{codes}), rows_per_job=6)"  # fmt: skip # noqa: E501
    modules = (Path(__file__).parent, Path(__file__).parents[2] / "helpers", Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, modules))}
    process = subprocess.Popen((sys.executable, "-c", code), env=environment)
    wait_until(
        lambda: (tmp_path / "ran").exists() and any(number % 6 == 4 for number in ran(tmp_path)),
        message="a job came to its fourth row",
    )

    process.kill()
    process.wait()
    before = ran(tmp_path)
    (tmp_path / "ran.go").touch()
    ended = run(tmp_path, rows(*codes), rows_per_job=6)

    after = ran(tmp_path)
    assert set(after) == set(range(1, 25))
    failed = {number: (one.reason, one.message) for number, one in ended.items() if not one.has_succeeded}
    assert failed == {24: ("cell-error", None)}
    # a row has ended if the next one of its job has begun; the one that was interrupted runs again
    had_ended = [number for number in before if number % 6 and number + 1 in before]
    assert len(had_ended) >= 3
    assert [after.count(number) for number in had_ended] == [1] * len(had_ended)
    assert not processes_naming(str(tmp_path / "work"))
    assert not (tmp_path / "work").exists()
