"""Tools that misbehave, run by packmill's own cwltool program in a real engine; markers are the test's own files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from generator.containers.limits import container_limits
from generator.package.engines import cwltool, toil
from generator.package.engines.execution import execute
from generator.request.settings import Settings
from generator.shared.errors import RunError, UsageError
from generator.shared.write_limits import WriteLimits
from generator.subprocesses import streams

pytestmark = pytest.mark.engine
_TOOL = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "id": "process",
    "inputs": {"given": "File?"},
    "outputs": {
        "file": {"type": "File?", "outputBinding": {"glob": "output/*.txt"}},
        "output_dir": {"type": "Directory?", "outputBinding": {"glob": "output"}},
    },
}
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def run(base_image: str, tmp_path: Path, lines: list[str]) -> Run:
    """Runs a line of shell as the process of a tool in the base image."""

    def run_tool(script: str, *options: str, job: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        limits, trust = changes.pop("limits", None), changes.pop("trust", False)
        tool = {**_TOOL, "baseCommand": ["sh", "-ec", script]}
        container = {} if changes.pop("bare", False) else {"DockerRequirement": {"dockerPull": base_image}}
        tool["requirements"] = {**container, **changes.pop("requirements", {})}
        path = tmp_path / "process.cwl"
        path.write_text(json.dumps({**tool, **changes}))
        outdir = tmp_path / "results"
        own: dict[str, Any] = {"outdir": outdir, "engine": "cwltool", "limits": limits, "trust": trust}
        return execute(path, job or {}, options=options, on_line=lines.append, **own)

    return run_tool


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    file = tmp_path / "host" / "marker.txt"
    file.parent.mkdir()
    file.write_text("of the host")
    return file


def test_an_ordinary_process_runs_and_its_links_become_files(run: Run, tmp_path: Path) -> None:
    outputs = run("mkdir output; echo one > output/a.txt; ln -s a.txt output/b; ln -s $PWD/output/a.txt output/c")

    assert outputs["file"]["basename"] == "a.txt"
    results = tmp_path / "results" / "output"
    assert {path.name for path in results.iterdir()} == {"a.txt", "b", "c"}
    assert not [path for path in results.iterdir() if path.is_symlink()]


@pytest.mark.parametrize("link", ["output/link.txt", "output/deep"])
def test_a_link_to_a_file_of_the_host_ends_the_run(
    run: Run, tmp_path: Path, marker: Path, lines: list[str], link: str
) -> None:
    target = marker if link.endswith(".txt") else marker.parent

    with pytest.raises(RunError):
        run(f"mkdir output; ln -s {target} {link}")

    assert any(f"{link}: the link leaves the output folder" in line for line in lines)
    assert marker.read_text() == "of the host"
    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"class": "File", "location": "MARKER", "basename": "a.txt"}, "must be within designated output directory"),
        ({"class": "File", "path": "output/a.txt", "basename": "../a.txt"}, "is not a plain file name"),
    ],
)
def test_an_output_object_is_not_taken_at_its_word(
    run: Run, tmp_path: Path, marker: Path, lines: list[str], named: dict[str, str], sentence: str
) -> None:
    text = json.dumps({"file": named}).replace("MARKER", marker.as_uri())

    with pytest.raises(RunError):
        run(f"mkdir output; echo a > output/a.txt; printf '%s' '{text}' > cwl.output.json")

    assert any(sentence in line for line in lines)
    assert marker.read_text() == "of the host"
    assert not (tmp_path / "a.txt").exists()


def test_a_hidden_result_is_left_out_and_costs_no_other(run: Run, tmp_path: Path, lines: list[str]) -> None:
    named = {"class": "File", "path": "output/a.txt", "basename": ".profile"}
    text = json.dumps({"file": named, "output_dir": {"class": "Directory", "path": "output"}})

    outputs = run(f"mkdir output; echo a > output/a.txt; printf '%s' '{text}' > cwl.output.json")

    assert outputs["file"] is None
    assert any("output file: '.profile' is hidden and left out" in line for line in lines)
    assert {path.name for path in (tmp_path / "results").rglob("*")} == {"output", "a.txt"}


def test_a_result_of_another_kind_or_with_a_strange_name_costs_no_other(
    run: Run, tmp_path: Path, lines: list[str]
) -> None:
    outputs = run("mkdir -p output/x.txt; echo a > output/a; touch \"$(printf 'output/gr\\374n')\"")

    assert outputs["file"] is None
    assert any("output file: 'x.txt' is a folder, but a File is declared; left out" in line for line in lines)
    assert any(r"output/gr\xfcn: renamed to 'gr%FCn'" in line for line in lines)
    assert {path.name for path in (tmp_path / "results").rglob("*")} == {"output", "x.txt", "a", "gr%FCn"}


def test_outputs_that_nobody_declared_are_left(run: Run, tmp_path: Path) -> None:
    other = json.dumps({"other": {"class": "File", "path": "b.txt"}, "file": None, "output_dir": None})

    outputs = run(f"echo b > b.txt; printf '%s' '{other}' > cwl.output.json")

    assert outputs == {"file": None, "output_dir": None}
    assert not list((tmp_path / "results").iterdir())


def test_a_pipe_is_refused_without_waiting_for_a_writer(run: Run, lines: list[str]) -> None:
    with pytest.raises(RunError):
        run("mkdir output; mkfifo output/pipe")

    assert any("output/pipe: a named pipe" in line for line in lines)


def test_what_is_no_output_may_be_anything(run: Run, tmp_path: Path) -> None:
    run("mkdir output; echo a > output/a.txt; ln -s nobody:1 .lock; mkfifo .pipe")

    assert (tmp_path / "results/output/a.txt").read_text() == "a\n"


def test_a_folder_that_is_changed_in_place_leads_nowhere_else(run: Run, tmp_path: Path, marker: Path) -> None:
    (tmp_path / "cache").mkdir()
    requirements = {
        "InplaceUpdateRequirement": {"inplaceUpdate": True},
        "InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs.given)", "writable": True}]},
    }
    changes: dict[str, Any] = {
        "requirements": requirements,
        "inputs": {"given": "Directory"},
        "outputs": {"cache": {"type": "Directory", "outputBinding": {"glob": "cache"}}},
        "job": {"given": {"class": "Directory", "location": (tmp_path / "cache").as_uri()}},
    }

    run("echo a > cache/a", **changes)
    assert (tmp_path / "results/cache/a").read_text() == (tmp_path / "cache/a").read_text() == "a\n"

    with pytest.raises(RunError):
        run(f"ln -s {marker} cache/link", **changes)
    assert not (tmp_path / "results/cache/link").exists()


def test_a_log_is_written_over_no_link(run: Run, tmp_path: Path, marker: Path) -> None:
    run(f"mkdir output; ln -s {marker} out.log; echo a", "--log-dir", str(tmp_path / "logs"), stdout="out.log")

    assert marker.read_text() == "of the host"


def test_an_image_is_no_option(run: Run, base_image: str, lines: list[str]) -> None:
    with pytest.raises(RunError):
        run("true", requirements={"DockerRequirement": {"dockerPull": base_image, "dockerImageId": "--help"}})

    assert any("'--help' is not the name of an image" in line for line in lines)


def test_a_tool_without_a_container_does_not_run(run: Run, tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(RunError):
        run(f"touch {tmp_path}/ran", bare=True)

    assert not (tmp_path / "ran").exists()
    assert any("has no DockerRequirement" in line for line in lines)


def test_a_tool_without_a_container_runs_for_those_who_trust_it(run: Run, tmp_path: Path) -> None:
    run(f"touch {tmp_path}/ran", bare=True, trust=True)

    assert (tmp_path / "ran").exists()


def test_the_engine_knows_no_variable_that_it_does_not_need(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKMILL_GIT_TOKEN", "a-marker-and-no-token")
    monkeypatch.setenv("CI_JOB_TOKEN", "a-marker-and-no-token")

    run("mkdir output; env > output/env.txt", "--preserve-entire-environment")

    assert "a-marker-and-no-token" not in (tmp_path / "results/output/env.txt").read_text()


def test_the_environment_of_an_engine_is_a_list_of_known_names() -> None:
    given = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "x", "TOIL_WORKDIR": "/w", "PYTHONPATH": "/p"}

    kept = cwltool.environment(given)
    assert kept.keys() == {"PATH", "PYTHONPATH"}
    assert kept["PYTHONPATH"] != "/p"
    assert toil.environment(given).keys() == {"PATH", "TOIL_WORKDIR"}


def test_modules_of_the_present_folder_are_not_imported(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwltool").mkdir()
    (tmp_path / "cwltool" / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams, "subprocess", subprocess)  # a new interpreter: the forked one has cwltool already

    run("mkdir output")

    assert not (tmp_path / "imported").exists()


def test_a_container_has_limits_and_no_capabilities(run: Run, tmp_path: Path) -> None:
    limits = replace(container_limits(), memory=256, most_memory=512, processes=77, cpus=1, most_cpus=1)
    script = (
        "mkdir output; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status > output/status.txt; "
        "for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do "
        "[ ! -e $f ] || cp $f output/memory; done; "
        "for f in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; do [ ! -e $f ] || cp $f output/pids; done"
    )

    run(script, limits=limits, requirements={"ResourceRequirement": {"ramMin": 300, "ramMax": 300}})

    output = tmp_path / "results" / "output"
    status = dict(line.split(":\t") for line in (output / "status.txt").read_text().splitlines())
    assert status == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}
    assert int((output / "memory").read_text()) == 300 << 20
    assert int((output / "pids").read_text()) == 77


def test_a_package_gets_what_it_asks_for_up_to_what_the_machine_has() -> None:
    limits = replace(container_limits(), memory=1000, most_memory=4000, cpus=1, most_cpus=3)

    assert "--memory=1000m" in limits.options(ram=10, cores=1)
    assert "--memory=3000m" in limits.options(ram=3000, cores=1)
    assert "--memory=4000m" in limits.options(ram=10**9, cores=1)
    assert "--cpus=3" in limits.options(ram=1, cores=10**6)


def test_a_package_gets_no_more_than_the_operator_allows() -> None:
    options = container_limits(Settings(run_memory=700, run_cpus=0.5)).options(ram=10**6, cores=64)

    assert {"--memory=700m", "--memory-swap=700m", "--cpus=0.5"} <= set(options)


def test_toil_runs_only_packages_that_are_trusted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--trust"):
        execute(tmp_path / "process.cwl", {}, outdir=tmp_path, engine="toil", options=(), on_line=print)


@pytest.mark.parametrize(
    ("number", "killed"), [(signal.SIGINT, "packmill"), (signal.SIGKILL, "cwltool"), (signal.SIGKILL, "packmill")]
)
def test_an_interrupted_run_leaves_no_container(base_image: str, tmp_path: Path, number: int, killed: str) -> None:
    """If only one of the two is killed, the other ends what that one could not."""
    tool = {**_TOOL, "baseCommand": ["sleep", "600"], "requirements": {"DockerRequirement": {"dockerPull": base_image}}}
    (tmp_path / "process.cwl").write_text(json.dumps(tool))
    label = f"test-{os.getpid()}-{number}-{killed}"
    code = (
        "import signal; from pathlib import Path; from dataclasses import replace\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "from generator.package.engines.execution import execute\n"
        "from generator.containers.limits import container_limits\n"
        f"limits = replace(container_limits(), labels=('org.packmill.test={label}',))\n"
        f"execute(Path('process.cwl'), {{}}, outdir=Path('results'), engine='cwltool', options=(), on_line=print,"
        " limits=limits)"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    running = subprocess.Popen((sys.executable, "-c", code), cwd=tmp_path, stderr=subprocess.DEVNULL, env=environment)
    wait_until(lambda: containers(label))

    if killed == "cwltool":
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        os.kill(int(children[0]), number)
    else:
        running.send_signal(number)
    running.wait(timeout=120)

    wait_until(lambda: not containers(label))
    wait_until(lambda: not list(temporary.iterdir()))


def test_folders_that_are_too_deep_end_the_run_and_leave_nothing(
    run: Run, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(streams, "subprocess", subprocess)  # a new interpreter: cwltool keeps the first TMPDIR

    with pytest.raises(RunError):
        run("mkdir output; i=0; cd output; while [ $i -lt 1200 ]; do mkdir d; cd d; i=$((i+1)); done")

    assert any("output: folders in folders, more than can be read" in line for line in lines)
    assert not list(temporary.iterdir())


def containers(label: str) -> list[str]:
    asked = ("docker", "ps", "--all", "--quiet", "--filter", f"label=org.packmill.test={label}")
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("script", "limit"),
    [
        ("head -c 3000000 /dev/zero > output/a", "the run wrote more than 1 MiB"),
        ("head -c 3000000 /dev/zero > $TMPDIR/a", "the run wrote more than 1 MiB"),
        ("for n in $(seq 30); do : > output/$n; done", "the run wrote more than 20 files and folders"),
    ],
    ids=["output", "temporary", "files"],
)
def test_a_container_that_writes_too_much_is_ended_with_the_limit(
    run: Run, tmp_path: Path, script: str, limit: str
) -> None:
    limits = replace(container_limits(), output=1, most_output=1, files=20)

    with pytest.raises(RunError, match=f"{limit}.*PACKMILL_RUN_OUTPUT"):
        run(f"mkdir output; {script}; sleep 600", limits=limits)

    assert not [path for path in (tmp_path / "results").rglob("*") if path.is_file()]


def test_a_package_gets_the_disk_space_that_it_requests_within_the_operator_s_limit() -> None:
    usual, set_by_operator = container_limits(), container_limits(Settings(run_output=10, run_files=5))

    assert usual.writing(disk=1 << 20).size == 1 << 40
    assert usual.writing(disk=1).size == usual.output << 20
    assert set_by_operator.writing(disk=1 << 20) == WriteLimits(size=10 << 20, files=5)
    assert replace(usual, output=0).writing(disk=5).size == 0
