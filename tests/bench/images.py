"""The figures of images in docs/performance.md: sizes and times of builds, beside references in the same run.

    .venv/bin/python tests/bench/images.py

Needs an engine. The cold rows empty the builder's cache mounts (`docker buildx prune --filter type=exec.cachemount`),
so that everything is fetched anew; they go over the network, and their ratios move with it.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

import uv
from support import commit_all, write_notebook

from generator.image.base.find import find_base
from generator.resources import data_folder

_PACKAGES = ("numpy", "pandas", "matplotlib")
_PACKMILL = str(Path(sys.executable).parent / "packmill")
_BARE = """\
FROM {base}
RUN --mount=type=bind,source=.,target=/mnt \\
    export UV_NO_CACHE=1 UV_LINK_MODE=copy; \\
    /mnt/uv venv -q /srv/venv && \\
    /mnt/uv pip install -q --compile-bytecode -p /srv/venv/bin/python {packages} && \\
    /mnt/uv venv -q /opt/runner && \\
    /mnt/uv pip install -q --compile-bytecode -p /opt/runner/bin/python \\
        -r /mnt/runner.txt -r /mnt/staging.txt -r /mnt/server.txt -r /mnt/kernel.txt
"""
_BY_PIP = """\
FROM {base}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv > /dev/null
RUN useradd --create-home jovyan
COPY . /home/jovyan
RUN python3 -m venv /srv/venv && /srv/venv/bin/pip install -q -r /home/jovyan/requirements.txt papermill ipykernel
ENV PATH=/srv/venv/bin:$PATH
WORKDIR /home/jovyan
USER jovyan
"""
_COPY = "FROM {base}\nCOPY process.ipynb /home/jovyan/process.ipynb\n"


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def size(image: str) -> int:
    return int(json.loads(run("docker", "image", "inspect", image))[0]["Size"])


def empty_caches() -> None:
    run("docker", "buildx", "prune", "--force", "--filter", "type=exec.cachemount")


class Bench:
    """One repository, and every way to make an image of it."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, base
        self.ours = self.repository("ours")
        self.theirs = self.repository("theirs")
        (self.theirs / "Dockerfile").write_text(_BY_PIP.format(base=base))
        commit_all(self.theirs)
        self.bare_context = folder / "bare"
        self.bare_context.mkdir()
        (self.bare_context / "Dockerfile").write_text(_BARE.format(base=base, packages=" ".join(_PACKAGES)))
        for name in ("runner.txt", "staging.txt", "server.txt", "kernel.txt"):
            shutil.copy(next((data_folder("templates") / "image").rglob(name)), self.bare_context)
        shutil.copy(uv.find_uv_bin(), self.bare_context / "uv")
        self.edits = self.theirs_built = 0

    def repository(self, name: str) -> Path:
        repository = self.folder / "bench" / name
        write_notebook(repository / "process.ipynb", "n = 1  # type: int", "import numpy, pandas, matplotlib")
        (repository / "requirements.txt").write_text("\n".join(_PACKAGES) + "\n")
        commit_all(repository)
        return repository

    def edit(self, repository: Path) -> None:
        self.edits += 1
        write_notebook(
            repository / "process.ipynb", "n = 1  # type: int", f"import numpy, pandas, matplotlib  # {self.edits}"
        )
        commit_all(repository, f"Edit {self.edits}")

    def packmill(self, *options: str) -> str:
        out = run(_PACKMILL, "build", str(self.ours), "--output", str(self.folder / "packages"), "--json", *options)
        return str(json.loads(out)["image"])

    def bare(self) -> None:
        run(
            "docker",
            "buildx",
            "build",
            "-q",
            "--no-cache",
            "--load",
            "-t",
            "localhost/bench/bare",
            str(self.bare_context),
        )

    def repo2docker(self, *options: str) -> None:
        repo2docker = str(Path(sys.executable).parent / "jupyter-repo2docker")
        self.theirs_built += 1  # an image of a name that is there is not built again, whatever has changed
        name = f"--image-name=localhost/bench/theirs:{os.getpid()}-{self.theirs_built}"
        run(repo2docker, "--user-id=1000", "--user-name=jovyan", "--no-run", name, *options, str(self.theirs))

    def copy(self) -> None:
        (self.ours / "Copy.Dockerfile").write_text(_COPY.format(base=self.base))
        try:
            run("docker", "build", "-q", "-f", str(self.ours / "Copy.Dockerfile"), str(self.ours))
        finally:
            (self.ours / "Copy.Dockerfile").unlink()


def cold(bench: Bench, runs: int = 3) -> None:
    """Everything fetched anew."""
    ratios, by_pip, seconds = [], [], []
    for _ in range(runs):
        empty_caches()
        ours = timed(lambda: bench.packmill("--no-cache"))
        bare = timed(bench.bare)
        pip = timed(lambda: bench.repo2docker("--DockerEngine.extra_buildx_build_args=--no-cache"))
        ratios.append(ours / bare)
        by_pip.append(pip / ours)
        seconds.append((ours, bare, pip))
    ours, bare, pip = (statistics.median(column) for column in zip(*seconds, strict=True))
    print(
        f"cold build, {ours:.1f} s, to bare uv pip install, {bare:.1f} s: {statistics.median(ratios):.2f} (at most 1.3)"
    )
    print(f"repo2docker with pip cold, {pip:.1f} s, to packmill: {statistics.median(by_pip):.1f} times (at least 2)")


def sizes(bench: Bench) -> None:
    image = bench.packmill()
    of_base, ours, bare = size(bench.base), size(image), size("localhost/bench/bare")
    print(f"image without base: {(ours - of_base) / 1e6:.0f} MB, bare install {(bare - of_base) / 1e6:.0f} MB: "
          f"ratio {(ours - of_base) / (bare - of_base):.2f} (at most 1.1)")  # fmt: skip
    rows = run("docker", "history", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image)
    for part, limit in (("runner", 60), ("server", 25)):
        row = next(row for row in rows.splitlines() if f"COPY /{part}/" in row)
        print(f"the layer of the {part}: {int(row.split()[0]) / 1e6:.1f} MB unpacked (under {limit})")
    theirs = size(f"localhost/bench/theirs:{os.getpid()}-1")
    print(f"repo2docker with pip, without base: {(theirs - of_base) / 1e6:.0f} MB")


def edited(bench: Bench, runs: int = 7) -> None:
    """After an edit of the notebook."""
    extra, times, by_pip = [], [], []
    for number in range(runs):
        bench.edit(bench.ours)
        copy = timed(bench.copy)
        ours = timed(bench.packmill)
        extra.append(ours - copy)
        times.append(ours)
        if number < 3:
            bench.edit(bench.theirs)
            by_pip.append(timed(bench.repo2docker) / ours)
    print(f"after a notebook edit: {statistics.median(times):.2f} s, {statistics.median(extra):.2f} s more than "
          "docker build of a one-line COPY (at most 3)")  # fmt: skip
    print(f"repo2docker with pip after a notebook edit: {statistics.median(by_pip):.0f} times as long (at least 10)")
    same = statistics.median(timed(bench.packmill) for _ in range(runs))
    print(f"unchanged commit: {same:.2f} s (under 2)")


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        os.environ["XDG_CACHE_HOME"] = str(Path(temporary, "cache"))
        bench = Bench(Path(temporary), find_base(os.environ.get("PACKMILL_BASE_IMAGE"), say=print).reference)
        cold(bench)
        sizes(bench)
        edited(bench)
