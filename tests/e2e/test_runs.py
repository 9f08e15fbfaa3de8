"""Runs of packages: by plain cwltool as any user, by ``packmill run`` with typed values, and how they fail."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import uv
from crate_rules import broken_rules, broken_run_rules
from local_images import Built
from support import Finished, commit_all, git, write_notebook
from toil_engine import use_toil

from generator.cli import main

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.group("several"),
]
_UID = 4242


@pytest.fixture(scope="module")
def public_cwltool(place: Path) -> Path:
    """A plain cwltool that other users can start too: the interpreter of these tests may lie in a home."""
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    for command in (["venv", "--quiet", "--python", python], ["pip", "install", "--quiet", "cwltool", "--python"]):
        subprocess.run([uv.find_uv_bin(), *command, str(place / "venv")], check=True)
    return place / "venv" / "bin" / "cwltool"


def as_user(uid: int, *command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command as another user, who may speak to the engine."""
    socket = os.stat("/var/run/docker.sock").st_gid
    environment = {**os.environ, "HOME": str(cwd), "DOCKER_CONFIG": str(cwd)}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        user=uid,
        group=uid,
        extra_groups=[socket],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("uid", [0, _UID])
def test_plain_cwltool_runs_it_as_root_and_as_an_ordinary_user(
    uid: int, several: Built, place: Path, public_cwltool: Path
) -> None:
    home = place / f"home-{uid}"
    home.mkdir()
    os.chown(home, uid, uid)
    package = several.package / "good"

    done = as_user(
        uid, public_cwltool, "--outdir", home / "out", package / "process.cwl", package / "inputs.yml", cwd=home
    )

    assert done.returncode == 0, done.stderr
    scraps = json.loads((home / "out/output/scraps.json").read_text())
    assert (scraps["n"], scraps["uid"], scraps["names"]) == (1, uid, [])
    outputs = json.loads(done.stdout)
    assert sorted(outputs) == ["out", "output_dir", "output_nb", "scrap_files", "scraps"]
    assert outputs["out"]["basename"] == "n.txt"
    listed = sorted(entry["basename"] for entry in outputs["output_dir"]["listing"])
    assert listed == ["good.ipynb", "n.txt", "result.json", "scraps.json"]
    assert (home / "out/output/n.txt").stat().st_uid == uid


def test_typed_values_reach_the_notebook(several: Built, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"this is {name}")

    values = ("n=7", f"source={tmp_path}/a.txt", f"source={tmp_path}/b.txt", f"page={tmp_path}/a.txt", "mode=b")
    options = (word for value in values for word in ("-p", value))

    finished = packmill("run", several.package / "good", *options, "--outdir", tmp_path / "out")

    assert finished.code == 0, finished.err
    assert finished.json()["out"]["class"] == "File"
    scraps = json.loads((tmp_path / "out/output/scraps.json").read_text())
    assert (scraps["n"], scraps["mode"], scraps["text"]) == (7, "b", "this is a.txt")
    assert scraps["names"] == ["a.txt", "b.txt"]
    assert "cell 2 of 2: import os" in finished.err
    assert "docker" not in finished.err


def test_a_secret_travels_in_a_job_file_and_stays_out_of_log_and_provenance(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    (tmp_path / "job.yml").write_text("token: hunter2hunter2\n")

    words = ("--outdir", tmp_path / "out", "--provenance", tmp_path / "crate")
    finished = packmill("run", several.package / "good", tmp_path / "job.yml", *words)

    assert finished.code == 0, finished.err
    assert json.loads((tmp_path / "out/output/scraps.json").read_text())["length"] == len("hunter2hunter2")
    assert "hunter2" not in finished.err + finished.out
    crate = json.loads((tmp_path / "crate/ro-crate-metadata.json").read_text())
    assert broken_rules(crate, tmp_path / "crate") == []
    assert list(broken_run_rules(crate)) == []
    assert (tmp_path / "crate/outputs/output/n.txt").is_file()
    kept = [path.read_text(errors="replace") for path in (tmp_path / "crate").rglob("*") if path.is_file()]
    assert not any("hunter2" in text for text in kept)


def test_a_failing_cell_ends_badly_and_leaves_the_notebook_with_its_traceback(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    finished = packmill("run", several.package / "failing", "--outdir", tmp_path / "out")

    assert finished.code == 20
    tail = "\n".join(finished.err.splitlines()[-5:])
    assert "cell 3 failed: ValueError: the reason" in tail
    assert "line 2: raise ValueError('the reason')" in tail
    executed = json.loads((tmp_path / "out/output/failing.ipynb").read_text())
    errors = [
        output for cell in executed["cells"] for output in cell.get("outputs", []) if output["output_type"] == "error"
    ]
    assert errors[0]["ename"] == "ValueError"
    assert (tmp_path / "out/output/before.txt").read_text() == "x"


def test_a_forgotten_output_is_named_with_what_is_there_instead(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    finished = packmill("run", several.package / "forgetful", "--outdir", tmp_path / "out")

    assert finished.code == 20
    assert "out: nothing matches 'never.txt'" in finished.err
    assert "it wrote: forgetful.ipynb, other.txt, scraps.json" in finished.err


def test_the_same_image_is_not_built_again(several: Built, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    again = packmill(
        "build", several.repository, "--image", several.image, "--process", "good.ipynb", "--output", tmp_path, "--json"
    )

    assert again.code == 0, again.err
    assert again.json()["image_built"] is False
    assert "is up to date" in again.err


def test_the_image_says_what_it_is_of(several: Built) -> None:
    inspected = subprocess.run(
        ["docker", "image", "inspect", several.image], capture_output=True, text=True, check=True
    )
    labels = json.loads(inspected.stdout)[0]["Config"]["Labels"]

    assert labels["org.opencontainers.image.revision"] == git(several.repository, "rev-parse", "HEAD")
    assert labels["org.opencontainers.image.source"] == str(several.repository)
    assert labels["org.opencontainers.image.title"] == "tests/several"
    assert labels["org.opencontainers.image.created"] == "2026-02-03T04:05:06Z"
    assert labels["org.packmill.version"]


def test_nothing_is_left_of_the_scaffold_and_nothing_of_others_is_pruned(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    stopped = subprocess.run(
        ["docker", "create", "--entrypoint=true", several.image], capture_output=True, text=True, check=True
    ).stdout.strip()
    write_notebook(tmp_path / "tests/other/process.ipynb", "n = 1")
    commit_all(tmp_path / "tests/other")

    assert packmill("build", tmp_path / "tests/other", "--output", tmp_path / "out").code == 0

    images = subprocess.run(["docker", "images", "packmill/environment"], capture_output=True, text=True, check=True)
    containers = subprocess.run(["docker", "ps", "-aq", "--no-trunc"], capture_output=True, text=True, check=True)
    subprocess.run(["docker", "rm", stopped], capture_output=True, check=True)
    assert images.stdout.count("\n") == 1
    assert stopped in containers.stdout


def test_a_build_that_fails_gives_exit_15_and_its_own_last_words(
    repository: Path, base_image: str, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    command = "echo about to fail && echo 'tool: no such file' >&2 && exit 7"  # in one write, which stays one line
    (repository / "Dockerfile").write_text(f"FROM {base_image}\nRUN {command}\n")
    commit_all(repository)

    finished = packmill("build", repository, "--output", tmp_path / "out")

    assert finished.code == 15
    message = finished.err[finished.err.index("packmill: ") :]
    assert "tool: no such file" in message.splitlines()[0], "not only in the command"
    assert len(message.splitlines()) <= 15
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("language", "kernel", "said"),
    [
        ("R", "ir", "kernel 'ir': not found in the image; no other kernel for r either"),
        ("scala", "scala", "kernel 'scala': not found in the image; no other kernel for scala either"),
    ],
)
def test_a_kernel_that_the_image_lacks_gives_exit_16(
    language: str,
    kernel: str,
    said: str,
    repository: Path,
    base_image: str,
    tmp_path: Path,
    packmill: Callable[..., Finished],
) -> None:
    write_notebook(repository / "process.ipynb", "n <- 1", language=language, kernel=kernel)
    commit_all(repository)

    finished = packmill("build", repository, "--output", tmp_path / "out")

    assert finished.code == 16
    assert said in finished.err
    assert "available kernels: python3 (python)" in finished.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["n=x"], "n is 'x', but an int is needed"),
        (["tokn=1"], "tokn: no such input; did you mean 'token'?"),
        (["mode=c"], "mode is 'c', but one of 'a', 'b' is needed"),
        (["page=/no/such"], "page is '/no/such', but this file does not exist"),
        (["token=x"], "token is secret, and other users can read command lines"),
        (["n"], "'n': write it as name=value"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_anything_starts(
    values: list[str], said: str, several: Built, packmill: Callable[..., Finished]
) -> None:
    finished = packmill("run", several.package / "good", *(word for value in values for word in ("-p", value)))

    assert finished.code == 2
    assert said in finished.err
    assert "cell" not in finished.err


def test_a_job_that_does_not_fit_is_refused(several: Built, tmp_path: Path, packmill: Callable[..., Finished]) -> None:
    (tmp_path / "job.yml").write_text("nn: 1\nn: x\nsource: [{class: File, path: gone.txt}]\n")

    finished = packmill("run", several.package / "good", tmp_path / "job.yml")

    assert finished.code == 2
    assert "nn: no such input; did you mean 'n'?" in finished.err
    assert "n is 'x', but an int is needed" in finished.err
    assert f"source: {tmp_path}/gone.txt does not exist" in finished.err


def test_a_folder_with_several_processes_asks_for_one(several: Built, packmill: Callable[..., Finished]) -> None:
    finished = packmill("run", several.package)

    assert finished.code == 2
    assert f"give one: {several.package}/failing" in finished.err


def test_a_kernel_that_uses_up_the_memory_is_told_from_one_that_crashes(
    base_image: str, repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    """The container's own limit, and the counter of the control group that tells."""
    write_notebook(repository / "process.ipynb", "n = 1", "print('seen')", "x = bytearray(400_000_000)")
    commit_all(repository)
    built = packmill("build", repository, "--output", tmp_path / "out", "--json")
    assert built.code == 0, built.err
    (tmp_path / "inputs.json").write_text("{}")
    tmp_path.chmod(0o777)

    limits = ("--memory=200m", "--memory-swap=200m", f"--volume={tmp_path}:/work", "--workdir=/work", "--user=0")
    command = ("packmill-runner", "run", "--process", "process.ipynb", "--inputs", "inputs.json")
    container = ["docker", "run", "--rm", *limits, built.json()["image"], *command]
    done = subprocess.run(container, capture_output=True, text=True, check=False)

    assert done.returncode == 7, done.stderr
    assert "cell 3 of 3: the kernel was killed because memory ran out" in done.stderr
    assert json.loads((tmp_path / "output/result.json").read_text())["reason"] == "out-of-memory"


@pytest.fixture(scope="module")
def example(base_image: str, place: Path, request: pytest.FixtureRequest) -> Path:
    """The package of the bundled example."""
    repository = place / "packmill" / "city-temperatures"
    shutil.copytree(Path(__file__).parents[2] / "examples" / "city-temperatures", repository)
    commit_all(repository)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    code = main(["build", str(repository), "--output", str(place / "packages"), "--image", "tests.example:x"])
    capture.resume_global_capture()
    assert code == 0
    return place / "packages/packmill/city-temperatures/main"


@pytest.mark.parametrize("cwl_engine", ["cwltool", "toil"])
def test_a_templated_notebook_scraps_and_their_files_are_outputs(
    cwl_engine: str,
    example: Path,
    tmp_path: Path,
    packmill: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if cwl_engine == "toil":
        use_toil(monkeypatch, tmp_path)
    template = "runs/{{ args.year }}/{{ city | lower }}/{{ args.notebook_name }}"
    values = (f"-poutput_template={template}", "-pcity=Nairobi")

    finished = packmill("run", example, *values, "--engine", cwl_engine, "--trust", "--outdir", tmp_path / "out")

    assert finished.code == 0, finished.err
    outputs = finished.json()
    executed = Path(outputs["output_nb"]["location"].removeprefix("file://"))
    assert executed.relative_to(tmp_path).match("out/output/runs/20??/nairobi/process.ipynb")
    assert "Nairobi" in executed.read_text()
    assert [one["basename"] for one in outputs["scrap_files"]] == ["year.png"]
    assert (tmp_path / "out/output/scraps/year.png").read_bytes().startswith(b"\x89PNG")
    scraps = json.loads((tmp_path / "out/output/scraps.json").read_text())
    assert (scraps["city"], scraps["year"]["path"]) == ("Nairobi", "scraps/year.png")
    assert outputs["picture"]["basename"] == "year.png"
    assert outputs["table"]["basename"] == "summary.csv"
    assert outputs["output_dir"]["basename"] == "output"


def test_a_template_that_leads_out_is_refused_by_the_runner(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    finished = packmill("run", several.package / "good", "-poutput_template=../../x", "--outdir", tmp_path / "out")

    assert finished.code == 20
    assert "which leads out of the output" in finished.err


def test_a_baked_template_is_the_default_of_the_input(
    several: Built, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    options = ("--image", several.image, "--process", "good.ipynb", "--output-template", "{{ args.year }}/x-{{ n }}")
    built = packmill("build", several.repository, "--output", tmp_path / "packages", "--json", *options)
    assert built.code == 0, built.err

    finished = packmill("run", built.json()["package"], "-pn=3", "--outdir", tmp_path / "out")

    assert finished.code == 0, finished.err
    assert finished.json()["output_nb"]["basename"] == "x-3.ipynb"


def test_a_run_needs_nothing_but_its_working_directory(several: Built, tmp_path: Path) -> None:
    """Any uid, a read-only root file system, no network, no capabilities: as clusters run containers."""
    (tmp_path / "inputs.json").write_text('{"n": 4}')
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:3]:
        folder.chmod(folder.stat().st_mode | 0o055)
    limits = ("--read-only", "--network=none", "--cap-drop=ALL", "--user=4242:4242", "--tmpfs=/tmp")
    command = ("packmill-runner", "run", "--process", "good.ipynb", "--inputs", "inputs.json")
    container = ["docker", "run", "--rm", *limits, f"--volume={tmp_path}:/work", "--workdir=/work", several.image]
    done = subprocess.run([*container, *command], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "output/scraps.json").read_text())["n"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cwl.output.json", "inputs.json", "output"]
