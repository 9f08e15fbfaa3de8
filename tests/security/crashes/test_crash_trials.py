"""``kill -9`` of everything at random moments: what was accepted is kept, once, and final names have whole contents.

CI makes one trial of each kind, ``make crash`` fifty. ``--seed`` repeats the moments that a line of the report names.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from builds import digests, prepared_builds
from ci_service import Service, make_project
from crash_trials import Trials, begin, kill_tree, timed
from notebook_server import NotebookServer
from staging_servers import http_server
from supervised_disk import Disk, is_available
from support import Finished, commit_all, git, write_notebook

pytestmark = pytest.mark.slow
_BIG = bytes(range(256)) * 4096 * 8


@pytest.mark.skipif(not is_available(), reason="system calls cannot be supervised here (seccomp)")
def test_builds(trials: Trials, tmp_path: Path) -> None:
    with prepared_builds(tmp_path) as (job, saved):
        job.reset(saved)
        began = time.monotonic()
        job.run(Disk(job.disk))
        for moment in trials.moments(time.monotonic() - began):
            job.reset(saved)
            trials.killed += job.run(Disk(job.disk), killed_after=moment).code < 0
            package = digests(job.disk / "packages/ada/trees/main")
            states = [
                {name.removeprefix("ada/trees/main/"): one for name, one in files.items()}
                for files in (job.earlier, job.later)
            ]
            mine = {name: one for name, one in package.items() if name != "mine.txt"}
            half = mine not in [{name: one for name, one in state.items() if name != "mine.txt"} for state in states]
            again = job.run(Disk(job.disk))
            lost = again.code != 0 or not job.later.items() <= job.files().items()
            trials.note(moment, half=half, lost=lost, left=len(job.files().keys() - job.later.keys()))
    trials.report()


def test_publishes(trials: Trials, tmp_path: Path, repository: Path) -> None:
    write_notebook(repository / "process.ipynb", "x: int = 1")
    commit_all(repository)
    bare = tmp_path / "shelf.git"

    def publish() -> subprocess.Popen[str]:
        words = ("-m", "generator", "build", repository, "--no-image", "--output", tmp_path / "out", "--publish", bare)
        return begin(words, cwd=tmp_path)

    def empty() -> None:
        shutil.rmtree(bare, ignore_errors=True)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", bare], check=True)

    def tree() -> str:
        listed = subprocess.run(
            ["git", "-C", bare, "rev-parse", "-q", "--verify", "main^{tree}"],
            capture_output=True,
            text=True,
            check=False,
        )
        return listed.stdout.strip()

    empty()
    duration = timed(publish)
    whole = tree()
    for moment in trials.moments(duration):
        empty()
        trials.kill(publish(), moment)
        half = tree() not in ("", whole)
        assert publish().wait(300) == 0
        commits = int(git(bare, "rev-list", "--count", "main"))
        broken = subprocess.run(["git", "-C", bare, "fsck", "--strict"], capture_output=True, check=False).returncode
        trials.note(moment, half=half, lost=tree() != whole, doubled=commits - 1, broken=broken)
    trials.report()


def test_stage_ins_with_a_shared_cache(trials: Trials, tmp_path: Path) -> None:
    with http_server() as web:
        urls = [web.put(f"/{n}.bin", bytes([n]) * 1000 + _BIG) for n in range(3)]
        expected = {f"{n}_{n}.bin": hashlib.sha256(bytes([n]) * 1000 + _BIG).hexdigest() for n in range(3)}

        def stage_in(name: str) -> subprocess.Popen[str]:
            options = ("--cache-dir", tmp_path / "cache", "--output", tmp_path / name)
            return begin(("-m", "generator.runner", "stage-in", *urls, *options), cwd=tmp_path)

        duration = timed(lambda: stage_in("staged"))
        for moment in trials.moments(duration):
            shutil.rmtree(tmp_path / "cache")
            shutil.rmtree(tmp_path / "staged")
            other = stage_in("other")
            trials.kill(stage_in("staged"), moment)
            here = {name: one for name, one in digests(tmp_path / "staged").items() if not name.startswith(".")}
            half = any(expected[name] != one for name, one in here.items())
            lost = other.wait(300) or stage_in("staged").wait(300)
            lost += digests(tmp_path / "staged") != expected or digests(tmp_path / "other") != expected
            cached = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
            contents = [path for path in cached if path.parts[-3] == "content"]
            left = [
                path
                for path in cached
                if path.parts[-3] not in ("content", "entries", "locks") or path.name.startswith(".")
            ]
            broken = sum(hashlib.sha256(path.read_bytes()).hexdigest() != path.name for path in contents)
            trials.note(moment, half=half, lost=lost, doubled=len(contents) - 3, broken=broken, left=len(left))
    trials.report()


def test_stage_outs(trials: Trials, tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / "results").mkdir(exist_ok=True)
        (tmp_path / "results" / f"{n}.bin").write_bytes(bytes([n]) + _BIG)
    expected = digests(tmp_path / "results")

    def stage_out() -> subprocess.Popen[str]:
        return begin(
            ("-m", "generator.runner", "stage-out", tmp_path / "results", tmp_path / "delivered"), cwd=tmp_path
        )

    for moment in trials.moments(timed(stage_out)):
        shutil.rmtree(tmp_path / "delivered", ignore_errors=True)
        trials.kill(stage_out(), moment)
        there = {name: one for name, one in digests(tmp_path / "delivered").items() if not name.startswith(".")}
        half = any(expected[name] != one for name, one in there.items())
        lost = stage_out().wait(300)
        delivered = digests(tmp_path / "delivered")
        trials.note(
            moment, half=half, lost=lost or expected.items() - delivered.items() != set(), left=len(delivered) - 5
        )
    trials.report()


def test_maps(trials: Trials, tmp_path: Path, repository: Path, packmill: Callable[..., Finished]) -> None:
    write_notebook(repository / "process.ipynb", "n: int = 1")
    commit_all(repository)
    package = packmill("build", repository, "--no-image", "--output", tmp_path / "packages").out.strip()
    rows, out = 40, tmp_path / "out"
    (tmp_path / "t.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(rows)))

    def begin_map(*options: str) -> subprocess.Popen[str]:
        program = Path(__file__).with_name("map_of_rows.py")
        return begin((program, package, tmp_path / "t.csv", "--outdir", out, *options), cwd=tmp_path)

    duration = timed(begin_map)
    expected = digests(out / "rows")
    for moment in trials.moments(duration):
        shutil.rmtree(out)
        trials.kill(begin_map(), moment)
        accepted = digests(out / "rows") if (out / "rows").is_dir() else {}
        half = any(expected[name] != one for name, one in accepted.items())
        lost = begin_map("--resume").wait(300)
        with (out / "results.csv").open(newline="") as file:
            ended = [(row["row"], row["state"], row["scrap_n"]) for row in csv.DictReader(file)]
        lost += (
            ended != [(str(n), "succeeded", str(n)) for n in range(1, rows + 1)] or digests(out / "rows") != expected
        )
        left = [*out.glob(".*.new"), *(out / ".packmill-map").glob("work-*")]
        trials.note(moment, half=half, lost=lost, left=len(left))
    trials.report()


def test_pipelines(trials: Trials, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    service = Service(make_project(tmp_path / "ada" / "toy"), tmp_path / "data", "--job-writes", str(marks)).start()
    accepted: list[int] = []

    def trigger() -> None:
        script = "mkdir out; echo begun > out/a.txt; sleep 0.2; echo ended >> out/a.txt"
        accepted.append(
            service.trigger(script=script, later=f"grep -q ended out/a.txt; echo $CI_PIPELINE_ID >> {marks}/ended")
        )

    try:
        began = time.monotonic()
        trigger()
        service.wait(accepted[0])
        for moment in trials.moments(time.monotonic() - began):
            trigger()
            time.sleep(moment)
            trials.killed += service.get(f"/pipelines/{accepted[-1]}")["status"] not in ("success", "failed")
            assert service.process
            kill_tree(service.process.pid)
            service.process.wait(60)
            service.start()
            lost = service.wait(accepted[-1]) != "success"
            job = service.jobs(accepted[-1])["one"]["id"]
            half = service.ask("GET", f"/jobs/{job}/artifacts/out/a.txt").text != "begun\nended\n"
            ids = Counter(int(one["id"]) for one in service.get("/pipelines?per_page=100"))
            left = list((tmp_path / "data").rglob("*.new"))
            trials.note(
                moment,
                lost=lost + len(set(accepted[-100:]) - ids.keys()),
                half=half,
                doubled=len(ids) - len(accepted[-100:]),
                left=len(left),
            )
    finally:
        service.stop()
    trials.report()


def test_served_runs(trials: Trials, tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "root" / "mark.ipynb",
        "x: int = 1",
        "import time\ntime.sleep(0.2)\nopen('out.txt', 'w').write(str(x))",
    )
    server = NotebookServer(tmp_path / "root", tmp_path / "data", "--workers", "1").start()
    accepted: list[str] = []
    try:
        began = time.monotonic()
        accepted.append(server.begin("mark.ipynb", x=0))
        server.wait_for(accepted[0])
        for moment in trials.moments(time.monotonic() - began):
            accepted.append(server.begin("mark.ipynb", x=len(accepted)))
            time.sleep(moment)
            trials.killed += server.get(f"/runs/{accepted[-1]}")["state"] in ("queued", "running")
            assert server.process
            kill_tree(server.process.pid)
            server.process.wait(60)
            server.start()
            ended = server.wait_for(accepted[-1])
            told = ended["state"] == "succeeded" or ended.get("reason") == "interrupted"
            text = (
                server.ask("GET", f"/runs/{accepted[-1]}/outputs/out.txt").text if ended["state"] == "succeeded" else ""
            )
            half = ended["state"] == "succeeded" and text != str(len(accepted) - 1)
            runs = Counter(one["id"] for one in server.get("/runs?limit=500")["runs"])
            trials.note(
                moment, lost=(not told) + len(set(accepted) - runs.keys()), half=half, doubled=len(runs) - len(accepted)
            )
    finally:
        server.stop(signal.SIGTERM)
    trials.report()
